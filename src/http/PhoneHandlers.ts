/**
 * From the contract to the use cases and back. Nothing is decided here.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { GetPhone, type GetPhoneAnswer } from "../core/GetPhone.ts"
import { secret } from "../core/internal/Secret.ts"
import { RemovePhone } from "../core/RemovePhone.ts"
import { ResendPhoneCode } from "../core/ResendPhoneCode.ts"
import { SetPhone, type SetPhoneAnswer } from "../core/SetPhone.ts"
import { UnlockPhoneVerification } from "../core/UnlockPhoneVerification.ts"
import type { Details } from "../core/UserStore.ts"
import { VerifyPhone } from "../core/VerifyPhone.ts"
import { Authentication } from "./Authentication.ts"
import { errorResponse } from "./ErrorResponse.ts"
import * as JsonBody from "./internal/JsonBody.ts"
import { atMostOneVerification, EmptyMessage, PhoneApi } from "./PhoneApi.ts"
import * as PhoneJson from "./PhoneJson.ts"

interface Call {
  readonly params: { readonly userId: string }
  readonly request: HttpServerRequest.HttpServerRequest
}

/** A call that is safe to repeat. */
interface RepeatableCall extends Call {
  readonly headers: { readonly "idempotency-key"?: string }
}

/**
 * Builds handlers that keep only the part of their context that they need at each request, which is the authentication:
 * everything else would be copied every time.
 */
const lean = <A, E, R>(handlers: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.fromBuild((memoMap, scope) =>
    Effect.updateContext(
      Layer.buildWithMemoMap(handlers, memoMap, scope),
      (context: Context.Context<R>) => Context.pick(Authentication)(context as Context.Context<never>) as typeof context
    )
  )

const layerPhone = Layer.unwrap(
  Effect.gen(function*() {
    const { setPhone } = yield* SetPhone
    const { verifyPhone } = yield* VerifyPhone
    const { resendPhoneCode } = yield* ResendPhoneCode
    const { removePhone } = yield* RemovePhone

    const handleSetPhone = ({ headers, params, request }: RepeatableCall) =>
      decodeSetPhone(request).pipe(
        Effect.flatMap(({ isVerified, phone, returnCode }) =>
          setPhone({
            userId: params.userId,
            phone,
            verification: { _tag: returnCode ? "ReturnCode" : isVerified === true ? "AlreadyVerified" : "SendCode" },
            idempotencyKey: headers["idempotency-key"]
          })
        ),
        Effect.map(codeAnswer),
        Effect.catch(errorResponse)
      )

    const handleVerifyPhone = ({ params, request }: Call) =>
      decodeVerifyPhone(request).pipe(
        Effect.flatMap(({ verificationCode }) => verifyPhone({ userId: params.userId, verificationCode })),
        Effect.map(detailsAnswer),
        Effect.catch(errorResponse)
      )

    const handleResendPhoneCode = ({ headers, params, request }: RepeatableCall) =>
      decodeResendPhoneCode(request).pipe(
        Effect.flatMap(({ returnCode }) =>
          resendPhoneCode({
            userId: params.userId,
            verification: { _tag: returnCode ? "ReturnCode" : "SendCode" },
            idempotencyKey: headers["idempotency-key"]
          })
        ),
        Effect.map(codeAnswer),
        Effect.catch(errorResponse)
      )

    const handleRemovePhone = ({ params, request }: Call) =>
      decodeRemovePhone(request).pipe(
        Effect.flatMap(() => removePhone({ userId: params.userId })),
        Effect.map(detailsAnswer),
        Effect.catch(errorResponse)
      )

    return lean(HttpApiBuilder.group(PhoneApi, "phone", (handlers) =>
      handlers
        .handleRaw("setPhone", handleSetPhone)
        .handleRaw("verifyPhone", handleVerifyPhone)
        .handleRaw("resendPhoneCode", handleResendPhoneCode)
        .handleRaw("removePhone", handleRemovePhone)
        .handleRaw("setPhoneV2beta", handleSetPhone)
        .handleRaw("verifyPhoneV2beta", handleVerifyPhone)
        .handleRaw("resendPhoneCodeV2beta", handleResendPhoneCode)
        .handleRaw("removePhoneV2beta", handleRemovePhone)))
  })
)

const layerAdditions = Layer.unwrap(
  Effect.gen(function*() {
    const { getPhone } = yield* GetPhone
    const { unlockPhoneVerification } = yield* UnlockPhoneVerification

    const handleGetPhone = ({ params }: Call) =>
      getPhone({ userId: params.userId }).pipe(Effect.map(phoneAnswer), Effect.catch(errorResponse))

    const handleUnlockPhoneVerification = ({ params, request }: Call) =>
      decodeUnlockPhoneVerification(request).pipe(
        Effect.flatMap(() => unlockPhoneVerification({ userId: params.userId })),
        Effect.map(detailsAnswer),
        Effect.catch(errorResponse)
      )

    return lean(HttpApiBuilder.group(PhoneApi, "additions", (handlers) =>
      handlers
        .handleRaw("getPhone", handleGetPhone)
        .handleRaw("unlockPhoneVerification", handleUnlockPhoneVerification)))
  })
)

/**
 * The handlers of both groups of the contract.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = Layer.merge(layerPhone, layerAdditions)

/** A secret member of a request. Only its type is checked here; the core says what it must be like. */
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

/** The compiler checks an answer against the contract, so encoding what was made a moment ago would find nothing. */
const codeAnswer = (made: SetPhoneAnswer) =>
  HttpServerResponse.jsonUnsafe(
    PhoneJson.codeAnswer(made),
    made.replayed ? { headers: { "idempotency-replayed": "true" } } : undefined
  )

const detailsAnswer = (made: { readonly details: Details }) =>
  HttpServerResponse.jsonUnsafe(PhoneJson.detailsAnswer(made))

const phoneAnswer = (made: GetPhoneAnswer) => HttpServerResponse.jsonUnsafe(PhoneJson.phoneAnswer(made))
