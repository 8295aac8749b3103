/**
 * From the contract to the use cases and back. Nothing is decided here.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SetPhone } from "../core/SetPhone.ts"
import type { Details } from "../core/UserStore.ts"
import type { Verification } from "../core/Verification.ts"
import { errorResponse } from "./ErrorResponse.ts"
import * as JsonBody from "./JsonBody.ts"
import { atMostOneVerification, EmptyMessage, PhoneApi } from "./PhoneApi.ts"

/**
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  PhoneApi,
  "phone",
  Effect.fnUntraced(function*(handlers) {
    const { setPhone } = yield* SetPhone

    const handleSetPhone = Effect.fnUntraced(function*({ headers, params, request }: {
      readonly headers: { readonly "idempotency-key"?: string }
      readonly params: { readonly userId: string }
      readonly request: HttpServerRequest.HttpServerRequest
    }) {
      const { isVerified, phone, returnCode } = yield* decodeSetPhone(request)
      const { details, replayed, verificationCode } = yield* setPhone({
        userId: params.userId,
        phone,
        verification: verificationOf(returnCode !== undefined, isVerified),
        idempotencyKey: headers["idempotency-key"]
      })
      return HttpApiSchema.withHeaders({
        body: {
          details: detailsJson(details),
          ...(verificationCode === undefined ? {} : { verificationCode: Redacted.value(verificationCode) })
        },
        headers: replayed ? { "idempotency-replayed": "true" as const } : {}
      })
    }, Effect.catch(errorResponse))

    return handlers.handleRaw("setPhone", handleSetPhone).handleRaw("setPhoneV2beta", handleSetPhone)
  })
)

/** The members as they may come. What a value must be like is the core's to say; here only its type. */
const decodeSetPhone = JsonBody.decoder(
  "SetPhoneRequest",
  Schema.Struct({
    phone: Schema.RedactedFromValue(Schema.String.annotate({ message: "must be a string" }), { label: "phone" }).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed(""))
    ),
    sendCode: Schema.optionalKey(EmptyMessage),
    returnCode: Schema.optionalKey(EmptyMessage),
    isVerified: Schema.optionalKey(Schema.Boolean.annotate({ message: "must be true or false" }))
  }).annotate({ message: "the body must be an object" }).check(Schema.makeFilter(atMostOneVerification))
)

const verificationOf = (returnCode: boolean, isVerified: boolean | undefined): Verification => ({
  _tag: returnCode ? "ReturnCode" : isVerified === true ? "AlreadyVerified" : "SendCode"
})

const detailsJson = ({ changeDate, resourceOwner, sequence }: Details) => ({
  sequence: String(sequence),
  changeDate: DateTime.formatIso(changeDate).replace(".000Z", "Z"),
  resourceOwner
})
