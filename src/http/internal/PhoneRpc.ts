/**
 * From the protocol buffers to the use cases and back, as `PhoneHandlers` does for JSON. Nothing is decided here.
 */
import type { DescMethodUnary } from "@bufbuild/protobuf"
import { timestampFromMs } from "@bufbuild/protobuf/wkt"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Redacted from "effect/Redacted"
import type { Actor } from "../../core/Actor.ts"
import { GetPhone, type GetPhoneAnswer, type PendingCodeStatus } from "../../core/GetPhone.ts"
import { RemovePhone } from "../../core/RemovePhone.ts"
import { ResendPhoneCode } from "../../core/ResendPhoneCode.ts"
import { SetPhone, type SetPhoneAnswer } from "../../core/SetPhone.ts"
import { TokenVerifier } from "../../core/TokenVerifier.ts"
import { UnlockPhoneVerification } from "../../core/UnlockPhoneVerification.ts"
import type { Details } from "../../core/UserStore.ts"
import { VerifyPhone } from "../../core/VerifyPhone.ts"
import { onExactPath } from "../Fallback.ts"
import { PhoneService } from "../gen/effectuserphone/v1/phone_service_pb.ts"
import { UserService } from "../gen/zitadel/user/v2/user_service_pb.ts"
import { UserService as UserServiceV2beta } from "../gen/zitadel/user/v2beta/user_service_pb.ts"
import * as RpcUnary from "./RpcUnary.ts"

interface ForUser {
  readonly userId: string
}

interface WithChoice extends ForUser {
  readonly verification: { readonly case: string | undefined; readonly value?: unknown }
}

/**
 * Adds all operations to a router, for callers who have a token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const register = Effect.fnUntraced(function*(router: HttpRouter.HttpRouter) {
  const gate = RpcUnary.withToken(yield* TokenVerifier)
  const { setPhone } = yield* SetPhone
  const { verifyPhone } = yield* VerifyPhone
  const { resendPhoneCode } = yield* ResendPhoneCode
  const { removePhone } = yield* RemovePhone
  const { getPhone } = yield* GetPhone
  const { unlockPhoneVerification } = yield* UnlockPhoneVerification

  const handleSetPhone = (
    { phone, userId, verification }: WithChoice & { readonly phone: string },
    headers: Headers.Headers
  ) =>
    setPhone({
      userId,
      phone: Redacted.make(phone, { label: "phone" }),
      verification: {
        _tag: verification.case === "returnCode"
          ? "ReturnCode"
          : verification.case === "isVerified" && verification.value === true
          ? "AlreadyVerified"
          : "SendCode"
      },
      idempotencyKey: headers["idempotency-key"]
    }).pipe(Effect.map(codeAnswer))

  const handleVerifyPhone = ({ userId, verificationCode }: ForUser & { readonly verificationCode: string }) =>
    Effect.map(
      verifyPhone({ userId, verificationCode: Redacted.make(verificationCode, { label: "code" }) }),
      detailsAnswer
    )

  const handleResendPhoneCode = ({ userId, verification }: WithChoice, headers: Headers.Headers) =>
    resendPhoneCode({
      userId,
      verification: { _tag: verification.case === "returnCode" ? "ReturnCode" : "SendCode" },
      idempotencyKey: headers["idempotency-key"]
    }).pipe(Effect.map(codeAnswer))

  const handleRemovePhone = ({ userId }: ForUser) => Effect.map(removePhone({ userId }), detailsAnswer)

  /** Serves all methods of a service; the type lets none be left out. */
  const addAll = <Methods extends Readonly<Record<string, DescMethodUnary>>>(
    { method: methods }: { readonly method: Methods },
    operations: {
      readonly [Name in keyof Methods]: RpcUnary.Operation<Methods[Name]["input"], Methods[Name]["output"], Actor>
    }
  ) =>
    Effect.forEach(
      Object.entries(methods),
      ([name, method]) =>
        router.add("*", RpcUnary.pathOf(method), onExactPath(RpcUnary.serve(method, gate, operations[name]!)))
    )

  const ofUserService = {
    setPhone: handleSetPhone,
    verifyPhone: handleVerifyPhone,
    resendPhoneCode: handleResendPhoneCode,
    removePhone: handleRemovePhone
  }
  yield* addAll(UserService, ofUserService)
  yield* addAll(UserServiceV2beta, ofUserService)
  yield* addAll(PhoneService, {
    getPhone: ({ userId }) => Effect.map(getPhone({ userId }), phoneAnswer),
    unlockPhoneVerification: ({ userId }) => Effect.map(unlockPhoneVerification({ userId }), detailsAnswer)
  })
})

const codeAnswer = ({ details, replayed, verificationCode }: SetPhoneAnswer) => ({
  message: {
    details: detailsOf(details),
    ...(verificationCode === undefined ? {} : { verificationCode: Redacted.value(verificationCode) })
  },
  ...(replayed && { headers: { "idempotency-replayed": "true" } })
})

const detailsAnswer = ({ details }: { readonly details: Details }) => ({ message: { details: detailsOf(details) } })

const detailsOf = ({ changeDate, resourceOwner, sequence }: GetPhoneAnswer["details"]) => ({
  sequence,
  ...(changeDate === undefined ? {} : { changeDate: timestampFromMs(changeDate.epochMilliseconds) }),
  resourceOwner
})

const phoneAnswer = ({ details, pendingCode, phone, verificationOff }: GetPhoneAnswer) => ({
  message: {
    details: detailsOf(details),
    phone: phone === undefined ? {} : { phone: Redacted.value<string>(phone.number), isVerified: phone.verified },
    ...(pendingCode === undefined ? {} : { pendingCode: pendingCodeOf(pendingCode) }),
    verificationOff
  }
})

const pendingCodeOf = ({ canResendAt, delivery, expiresAt, guessesLeft }: PendingCodeStatus) => ({
  expiresAt: timestampFromMs(expiresAt.epochMilliseconds),
  ...(guessesLeft === undefined ? {} : { guessesLeft }),
  canResendAt: timestampFromMs(canResendAt.epochMilliseconds),
  ...(delivery === undefined ? {} : {
    delivery: {
      state: delivery.state,
      attempts: delivery.attempts,
      ...(delivery.reason === undefined ? {} : { reason: delivery.reason })
    }
  })
})
