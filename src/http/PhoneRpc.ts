/**
 * From the protocol buffers to the use cases and back, as `PhoneHandlers` does it for JSON. Nothing is decided here.
 */
import { timestampFromMs } from "@bufbuild/protobuf/wkt"
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { GetPhone, type GetPhoneAnswer, type PendingCodeStatus } from "../core/GetPhone.ts"
import { RemovePhone } from "../core/RemovePhone.ts"
import { ResendPhoneCode } from "../core/ResendPhoneCode.ts"
import { SetPhone, type SetPhoneAnswer } from "../core/SetPhone.ts"
import { UnlockPhoneVerification } from "../core/UnlockPhoneVerification.ts"
import type { Details } from "../core/UserStore.ts"
import { VerifyPhone } from "../core/VerifyPhone.ts"
import { PhoneService } from "./gen/effectuserphone/v1/phone_service_pb.ts"
import { UserService } from "./gen/zitadel/user/v2/user_service_pb.ts"
import { UserService as UserServiceV2beta } from "./gen/zitadel/user/v2beta/user_service_pb.ts"
import { register } from "./RpcCall.ts"

interface ForUser {
  readonly userId: string
}

interface WithChoice extends ForUser {
  readonly verification: { readonly case: string | undefined; readonly value?: unknown }
}

/**
 * Registers all operations, once the use cases are there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const { setPhone } = yield* SetPhone
  const { verifyPhone } = yield* VerifyPhone
  const { resendPhoneCode } = yield* ResendPhoneCode
  const { removePhone } = yield* RemovePhone
  const { getPhone } = yield* GetPhone
  const { unlockPhoneVerification } = yield* UnlockPhoneVerification

  const handleSetPhone = (
    { phone, userId, verification }: WithChoice & { readonly phone: string },
    handler: HandlerContext
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
      idempotencyKey: idempotencyKeyOf(handler)
    }).pipe(Effect.map(codeAnswer(handler)))

  const handleVerifyPhone = ({ userId, verificationCode }: ForUser & { readonly verificationCode: string }) =>
    Effect.map(
      verifyPhone({ userId, verificationCode: Redacted.make(verificationCode, { label: "code" }) }),
      detailsAnswer
    )

  const handleResendPhoneCode = ({ userId, verification }: WithChoice, handler: HandlerContext) =>
    resendPhoneCode({
      userId,
      verification: { _tag: verification.case === "returnCode" ? "ReturnCode" : "SendCode" },
      idempotencyKey: idempotencyKeyOf(handler)
    }).pipe(Effect.map(codeAnswer(handler)))

  const handleRemovePhone = ({ userId }: ForUser) => Effect.map(removePhone({ userId }), detailsAnswer)

  return (router: ConnectRouter): void => {
    register(router, UserService.method.setPhone, handleSetPhone)
    register(router, UserService.method.verifyPhone, handleVerifyPhone)
    register(router, UserService.method.resendPhoneCode, handleResendPhoneCode)
    register(router, UserService.method.removePhone, handleRemovePhone)
    register(router, UserServiceV2beta.method.setPhone, handleSetPhone)
    register(router, UserServiceV2beta.method.verifyPhone, handleVerifyPhone)
    register(router, UserServiceV2beta.method.resendPhoneCode, handleResendPhoneCode)
    register(router, UserServiceV2beta.method.removePhone, handleRemovePhone)
    const { method } = PhoneService
    register(router, method.getPhone, ({ userId }) => Effect.map(getPhone({ userId }), phoneAnswer))
    register(
      router,
      method.unlockPhoneVerification,
      ({ userId }) => Effect.map(unlockPhoneVerification({ userId }), detailsAnswer)
    )
  }
})

const idempotencyKeyOf = ({ requestHeader }: HandlerContext): string | undefined =>
  requestHeader.get("idempotency-key") ?? undefined

const codeAnswer =
  ({ responseHeader }: HandlerContext) => ({ details, replayed, verificationCode }: SetPhoneAnswer) => {
    if (replayed) responseHeader.set("idempotency-replayed", "true")
    return {
      details: detailsOf(details),
      ...(verificationCode === undefined ? {} : { verificationCode: Redacted.value(verificationCode) })
    }
  }

const detailsAnswer = ({ details }: { readonly details: Details }) => ({ details: detailsOf(details) })

const detailsOf = ({ changeDate, resourceOwner, sequence }: GetPhoneAnswer["details"]) => ({
  sequence,
  ...(changeDate === undefined ? {} : { changeDate: timestampFromMs(changeDate.epochMilliseconds) }),
  resourceOwner
})

const phoneAnswer = ({ details, pendingCode, phone, verificationOff }: GetPhoneAnswer) => ({
  details: detailsOf(details),
  phone: phone === undefined ? {} : { phone: Redacted.value<string>(phone.number), isVerified: phone.verified },
  ...(pendingCode === undefined ? {} : { pendingCode: pendingCodeOf(pendingCode) }),
  verificationOff
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
