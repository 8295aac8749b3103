/**
 * Where SMS providers report what became of messages: `/sms-receipts/{provider}/{receiptId}`. A report is answered with
 * 204, whether or not it changed anything, or with 503 while nothing can be recorded, so that it comes again.
 *
 * The address that providers are given is made from settings, never from a request.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { SmsReceipts } from "../core/SmsReceipts.ts"
import { errorResponse } from "./ErrorResponse.ts"
import { answeringBugs, onExactPath } from "./Fallback.ts"
import { RequestBody } from "./internal/RequestBody.ts"

/**
 * The part of the address before the provider's name.
 *
 * @category constants
 * @since 0.1.0
 */
export const path = "/sms-receipts"

/**
 * The routes, to be served beside those of `Routes.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const { take } = yield* SmsReceipts

  const answer = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const { provider, receiptId } = yield* HttpRouter.params
    // A body that cannot be read is no report.
    const body = yield* Effect.flatMap(RequestBody, (read) => read(request)).pipe(
      Effect.map((bytes) => utf8.decode(bytes)),
      Effect.orElseSucceed(() => "")
    )
    const query = request.url.split("?").slice(1).join("?")
    yield* take(provider ?? "", { receiptId: receiptId ?? "", query, headers: request.headers, body })
    return HttpServerResponse.empty()
  }).pipe(Effect.catch(errorResponse), answeringBugs, onExactPath)

  yield* router.add("GET", `${path}/:provider/:receiptId`, answer)
  yield* router.add("POST", `${path}/:provider/:receiptId`, answer)
}))

/** Keeps every character, since the signature covers the whole body. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
