/**
 * ResendPhoneCode: make a new one-time code for the number that a user is proving, and send or return it.
 *
 * The code before it stays accepted for a little while longer, since a late SMS is what people complain about most.
 */
import * as Context from "effect/Context"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import type { CodeGenerator } from "./CodeGenerator.ts"
import type { CodeVault } from "./CodeVault.ts"
import { decideResend } from "./Decision.ts"
import type {
  CodeNotReturnable,
  IdempotencyKeyReused,
  InvalidArgument,
  InvalidPhoneNumber,
  NoPendingCode,
  NotFound,
  PermissionDenied,
  TooManyRequests,
  Unavailable,
  UserNotInitialized,
  VerificationOff
} from "./Errors.ts"
import * as CodeCommand from "./internal/CodeCommand.ts"
import * as Numbers from "./internal/Numbers.ts"
import * as PhoneCommand from "./internal/PhoneCommand.ts"
import * as RequestShape from "./internal/RequestShape.ts"
import { inSpan } from "./internal/Span.ts"
import type { LimitsRefused } from "./Limits.ts"
import type { UserStore } from "./UserStore.ts"
import { type CodeAnswer, sendCode, type Verification } from "./Verification.ts"

/**
 * For whom, and whether the new code is sent or returned.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResendPhoneCodeRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
  /** `SendCode` by default. */
  readonly verification?: Verification<"SendCode" | "ReturnCode"> | undefined
  /** As for SetPhone. */
  readonly idempotencyKey?: string | undefined
}

/**
 * The event that records the new code, and the code where it was to be returned.
 *
 * @category models
 * @since 0.1.0
 */
export type ResendPhoneCodeAnswer = CodeAnswer

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type ResendPhoneCodeError =
  | InvalidArgument
  | PermissionDenied
  | NotFound
  | UserNotInitialized
  | CodeNotReturnable
  | VerificationOff
  | NoPendingCode
  | InvalidPhoneNumber
  | TooManyRequests
  | IdempotencyKeyReused
  | Unavailable

/**
 * Makes a new code for the number that a user is proving. Open to the user itself, and to a caller who holds
 * `user.write` over the user; `ReturnCode` needs `user.write`. `SendCode` queues the message and answers before it is
 * sent; the limits on codes apply to it. The previous code stays accepted for as long as `Grace` says.
 *
 * @category services
 * @since 0.1.0
 */
export class ResendPhoneCode extends Context.Service<ResendPhoneCode, {
  readonly resendPhoneCode: (
    request: ResendPhoneCodeRequest
  ) => Effect.Effect<ResendPhoneCodeAnswer, ResendPhoneCodeError, Actor>
}>()("effect-user-phone/core/ResendPhoneCode") {}

/**
 * How long the previous code stays accepted after a new one, at most until its own expiry; 60 seconds by default, zero
 * for not at all. It is read when the operation is built.
 *
 * @category references
 * @since 0.1.0
 */
export const Grace = Context.Reference<Duration.Duration>("effect-user-phone/core/ResendPhoneCode/Grace", {
  defaultValue: () => Duration.seconds(60)
})

const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand.PhoneCommand
  const codes = yield* CodeCommand.make
  const numbers = yield* Numbers.make
  const grace = yield* Grace

  const resend = Effect.fnUntraced(function*(
    target: PhoneCommand.Target,
    verification: Verification,
    idempotencyKey: string | undefined
  ) {
    const now = yield* DateTime.now
    const number = target.user.phone?.number
    return yield* codes.run(target, now, {
      operation: "ResendPhoneCode",
      idempotencyKey,
      verification,
      parameters: [],
      proves: number && { number, fingerprint: yield* numbers.fingerprint(number) },
      // The policy may have been narrowed since the number was set.
      decide: (code, situation) =>
        Result.flatMap(
          decideResend(target.user, { code, grace }, situation),
          (decision) =>
            Result.map(
              Result.all(decision.messages.map(({ recipient }) => numbers.read(recipient, now))),
              () => decision
            )
        )
    })
  })

  return ResendPhoneCode.of({
    resendPhoneCode: Effect.fnUntraced(function*({
      idempotencyKey,
      userId: id,
      verification = sendCode
    }) {
      const userId = yield* RequestShape.checkUserId("ResendPhoneCodeRequest", id)
      yield* RequestShape.checkVerification("ResendPhoneCodeRequest", verification, ["SendCode", "ReturnCode"])
      yield* RequestShape.checkIdempotencyKey("ResendPhoneCodeRequest", idempotencyKey)

      return yield* commands.onUser(
        userId,
        verification._tag === "SendCode" ? "SelfOrWriter" : "Writer",
        (target) => resend(target, verification, idempotencyKey)
      )
    }, inSpan("ResendPhoneCode.resendPhoneCode"))
  })
})

/**
 * The operation over its ports.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  ResendPhoneCode,
  LimitsRefused,
  Access | UserStore | CodeGenerator | CodeVault | SecureRandom.SecureRandom
> = Layer.effect(ResendPhoneCode, make).pipe(Layer.provide(PhoneCommand.layer))
