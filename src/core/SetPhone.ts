/**
 * SetPhone: change the phone number of a user, and start proving the new one unless the caller vouches for it.
 *
 * The checks come in the order that tells a stranger least: shape, permission, user, number, decision, commit. A
 * message leaves through the outbox that the commit writes, so there is no change without its message and no message
 * without its change. The limits on sent codes are checked and raised in that same commit. What SetPhone has in common
 * with ResendPhoneCode, from the idempotency key to the answer, is in `internal/CodeCommand.ts`.
 */
import * as Context from "effect/Context"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import type { CodeGenerator } from "./CodeGenerator.ts"
import type { CodeVault } from "./CodeVault.ts"
import { decideSetPhone } from "./Decision.ts"
import type {
  CodeNotReturnable,
  IdempotencyKeyReused,
  InvalidArgument,
  InvalidPhoneNumber,
  NotFound,
  PermissionDenied,
  PhoneNotChanged,
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
 * Whose phone is set to what, and how the number is proven.
 *
 * @category models
 * @since 0.1.0
 */
export interface SetPhoneRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
  /** The number as it was written: 1 to 200 code points. */
  readonly phone: Redacted.Redacted
  /** `SendCode` by default. */
  readonly verification?: Verification | undefined
  /**
   * Makes it safe to repeat the request for 24 hours: 1 to 255 visible ASCII characters, unique per caller, operation
   * and user.
   */
  readonly idempotencyKey?: string | undefined
}

/**
 * The event that records the change, and the code where it was to be returned.
 *
 * @category models
 * @since 0.1.0
 */
export type SetPhoneAnswer = CodeAnswer

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type SetPhoneError =
  | InvalidArgument
  | PermissionDenied
  | NotFound
  | UserNotInitialized
  | InvalidPhoneNumber
  | CodeNotReturnable
  | VerificationOff
  | PhoneNotChanged
  | TooManyRequests
  | IdempotencyKeyReused
  | Unavailable

/**
 * Sets a phone. Open to the user itself, and to a caller who holds `user.write` over the user; `ReturnCode` and
 * `AlreadyVerified` need `user.write`. `SendCode` queues the message and answers before it is sent; the limits on codes
 * apply to it.
 *
 * @category services
 * @since 0.1.0
 */
export class SetPhone extends Context.Service<SetPhone, {
  readonly setPhone: (request: SetPhoneRequest) => Effect.Effect<SetPhoneAnswer, SetPhoneError, Actor>
}>()("effect-user-phone/core/SetPhone") {}

const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand.PhoneCommand
  const codes = yield* CodeCommand.make
  const numbers = yield* Numbers.make

  const change = Effect.fnUntraced(function*(
    target: PhoneCommand.Target,
    written: Redacted.Redacted,
    verification: Verification,
    idempotencyKey: string | undefined
  ) {
    const now = yield* DateTime.now
    const number = yield* Effect.fromResult(numbers.read(written, now))
    const proves = { number, fingerprint: yield* numbers.fingerprint(number) }
    return yield* codes.run(target, now, {
      operation: "SetPhone",
      idempotencyKey,
      verification,
      parameters: [Redacted.value(number)],
      proves,
      decide: (code, situation) => decideSetPhone(target.user, { ...proves, code }, situation)
    })
  })

  return SetPhone.of({
    setPhone: Effect.fnUntraced(function*({
      idempotencyKey,
      phone: written,
      userId: id,
      verification = sendCode
    }) {
      const userId = yield* RequestShape.checkUserId("SetPhoneRequest", id)
      yield* RequestShape.checkPhone("SetPhoneRequest", written)
      yield* RequestShape.checkVerification("SetPhoneRequest", verification, [
        "SendCode",
        "ReturnCode",
        "AlreadyVerified"
      ])
      yield* RequestShape.checkIdempotencyKey("SetPhoneRequest", idempotencyKey)

      return yield* commands.onUser(
        userId,
        verification._tag === "SendCode" ? "SelfOrWriter" : "Writer",
        (target) => change(target, written, verification, idempotencyKey)
      )
    }, inSpan("SetPhone.setPhone"))
  })
})

/**
 * The operation over its ports.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  SetPhone,
  LimitsRefused,
  Access | UserStore | CodeGenerator | CodeVault | SecureRandom.SecureRandom
> = Layer.effect(SetPhone, make).pipe(Layer.provide(PhoneCommand.layer))
