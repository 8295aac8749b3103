/**
 * From the contract to the use cases and back. Nothing is decided here.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { GetPhone, type GetPhoneAnswer, type PendingCodeStatus } from "../core/GetPhone.ts"
import { secret } from "../core/internal/Secret.ts"
import { RemovePhone } from "../core/RemovePhone.ts"
import { ResendPhoneCode } from "../core/ResendPhoneCode.ts"
import { SetPhone, type SetPhoneAnswer } from "../core/SetPhone.ts"
import { UnlockPhoneVerification } from "../core/UnlockPhoneVerification.ts"
import type { Details } from "../core/UserStore.ts"
import { VerifyPhone } from "../core/VerifyPhone.ts"
import { errorResponse } from "./ErrorResponse.ts"
import * as JsonBody from "./JsonBody.ts"
import { atMostOneVerification, EmptyMessage, PhoneApi } from "./PhoneApi.ts"

interface Call {
  readonly params: { readonly userId: string }
  readonly request: HttpServerRequest.HttpServerRequest
}

/** A call that is safe to repeat. */
interface RepeatableCall extends Call {
  readonly headers: { readonly "idempotency-key"?: string }
}

const layerPhone = HttpApiBuilder.group(
  PhoneApi,
  "phone",
  Effect.fnUntraced(function*(handlers) {
    const { setPhone } = yield* SetPhone
    const { verifyPhone } = yield* VerifyPhone
    const { resendPhoneCode } = yield* ResendPhoneCode
    const { removePhone } = yield* RemovePhone

    const handleSetPhone = Effect.fnUntraced(function*({ headers, params, request }: RepeatableCall) {
      const { isVerified, phone, returnCode } = yield* decodeSetPhone(request)
      return codeAnswer(
        yield* setPhone({
          userId: params.userId,
          phone,
          verification: { _tag: returnCode ? "ReturnCode" : isVerified === true ? "AlreadyVerified" : "SendCode" },
          idempotencyKey: headers["idempotency-key"]
        })
      )
    }, Effect.catch(errorResponse))

    const handleVerifyPhone = Effect.fnUntraced(function*({ params, request }: Call) {
      const { verificationCode } = yield* decodeVerifyPhone(request)
      return detailsAnswer(yield* verifyPhone({ userId: params.userId, verificationCode }))
    }, Effect.catch(errorResponse))

    const handleResendPhoneCode = Effect.fnUntraced(function*({ headers, params, request }: RepeatableCall) {
      const { returnCode } = yield* decodeResendPhoneCode(request)
      return codeAnswer(
        yield* resendPhoneCode({
          userId: params.userId,
          verification: { _tag: returnCode ? "ReturnCode" : "SendCode" },
          idempotencyKey: headers["idempotency-key"]
        })
      )
    }, Effect.catch(errorResponse))

    const handleRemovePhone = Effect.fnUntraced(function*({ params, request }: Call) {
      yield* decodeRemovePhone(request)
      return detailsAnswer(yield* removePhone({ userId: params.userId }))
    }, Effect.catch(errorResponse))

    return handlers
      .handleRaw("setPhone", handleSetPhone)
      .handleRaw("verifyPhone", handleVerifyPhone)
      .handleRaw("resendPhoneCode", handleResendPhoneCode)
      .handleRaw("removePhone", handleRemovePhone)
      .handleRaw("setPhoneV2beta", handleSetPhone)
      .handleRaw("verifyPhoneV2beta", handleVerifyPhone)
      .handleRaw("resendPhoneCodeV2beta", handleResendPhoneCode)
      .handleRaw("removePhoneV2beta", handleRemovePhone)
  })
)

const layerAdditions = HttpApiBuilder.group(
  PhoneApi,
  "additions",
  Effect.fnUntraced(function*(handlers) {
    const { getPhone } = yield* GetPhone
    const { unlockPhoneVerification } = yield* UnlockPhoneVerification

    return handlers
      .handleRaw(
        "getPhone",
        Effect.fnUntraced(function*({ params }: Call) {
          return phoneJson(yield* getPhone({ userId: params.userId }))
        }, Effect.catch(errorResponse))
      )
      .handleRaw(
        "unlockPhoneVerification",
        Effect.fnUntraced(function*({ params, request }: Call) {
          yield* decodeUnlockPhoneVerification(request)
          return detailsAnswer(yield* unlockPhoneVerification({ userId: params.userId }))
        }, Effect.catch(errorResponse))
      )
  })
)

/**
 * @category handlers
 * @since 0.1.0
 */
export const layer = Layer.merge(layerPhone, layerAdditions)

/** A member that is a secret, as it may come: what it must be like is the core's to say; here only its type. */
const secretText = (label: string) =>
  secret(Schema.String.annotate({ message: "must be a string" }), { label }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(""))
  )

const codeChoice = { sendCode: Schema.optionalKey(EmptyMessage), returnCode: Schema.optionalKey(EmptyMessage) }

const decodeSetPhone = JsonBody.decoder(
  "SetPhoneRequest",
  Schema.Struct({
    phone: secretText("phone"),
    ...codeChoice,
    isVerified: Schema.optionalKey(Schema.Boolean.annotate({ message: "must be true or false" }))
  }).check(Schema.makeFilter(atMostOneVerification))
)

const decodeVerifyPhone = JsonBody.decoder(
  "VerifyPhoneRequest",
  Schema.Struct({ verificationCode: secretText("code") })
)

const decodeResendPhoneCode = JsonBody.decoder(
  "ResendPhoneCodeRequest",
  Schema.Struct(codeChoice).check(Schema.makeFilter(atMostOneVerification))
)

const decodeRemovePhone = JsonBody.decoder("RemovePhoneRequest", Schema.Struct({}))

const decodeUnlockPhoneVerification = JsonBody.decoder("UnlockPhoneVerificationRequest", Schema.Struct({}))

const codeAnswer = ({ details, replayed, verificationCode }: SetPhoneAnswer) =>
  HttpApiSchema.withHeaders({
    body: {
      details: detailsJson(details),
      ...(verificationCode === undefined ? {} : { verificationCode: Redacted.value(verificationCode) })
    },
    headers: replayed ? { "idempotency-replayed": "true" as const } : {}
  })

const detailsAnswer = ({ details }: { readonly details: Details }) => ({ details: detailsJson(details) })

const detailsJson = ({ changeDate, resourceOwner, sequence }: Details) => ({
  sequence: String(sequence),
  changeDate: timeJson(changeDate),
  resourceOwner
})

const timeJson = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(".000Z", "Z")

const phoneJson = ({ details, pendingCode, phone, verificationOff }: GetPhoneAnswer) => ({
  details: {
    ...(details.sequence === 0n ? {} : { sequence: String(details.sequence) }),
    ...(details.changeDate === undefined ? {} : { changeDate: timeJson(details.changeDate) }),
    resourceOwner: details.resourceOwner
  },
  phone: phone === undefined
    ? {}
    : { phone: Redacted.value<string>(phone.number), ...(phone.verified ? { isVerified: true as const } : {}) },
  ...(pendingCode === undefined ? {} : { pendingCode: pendingCodeJson(pendingCode) }),
  ...(verificationOff ? { verificationOff: true as const } : {})
})

const pendingCodeJson = ({ canResendAt, delivery, expiresAt, guessesLeft }: PendingCodeStatus) => ({
  expiresAt: timeJson(expiresAt),
  ...(guessesLeft === undefined ? {} : { guessesLeft }),
  canResendAt: timeJson(canResendAt),
  ...(delivery === undefined ? {} : {
    delivery: {
      state: delivery.state,
      attempts: delivery.attempts,
      ...(delivery.reason === undefined ? {} : { reason: delivery.reason })
    }
  })
})
