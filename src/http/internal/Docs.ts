/**
 * The page at `/docs` that describes the endpoints and calls them. Its script has 3 MB and takes several times that in
 * memory, so it is loaded at the first request, and all requests get the same bytes: a text would be encoded for each
 * of them, and kept for as long as the client takes to read it.
 */
import * as Effect from "effect/Effect"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import { PhoneApi } from "../PhoneApi.ts"

/**
 * The page at `/docs`, which needs nothing from the internet.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const scope = yield* Effect.scope
  const page = yield* HttpRouter.toHttpEffect(HttpApiScalar.layer(PhoneApi, { path: "/*" })).pipe(
    Effect.flatten,
    Effect.map(asBytes),
    Scope.provide(scope),
    // If the first client goes away, the page is still made for those who ask next.
    Effect.uninterruptible,
    Effect.cached
  )
  yield* router.add("GET", "/docs", page)
}))

const asBytes = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  return body._tag === "Uint8Array"
    ? HttpServerResponse.setBody(response, HttpBody.uint8Array(body.body, body.contentType))
    : response
}
