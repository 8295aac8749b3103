/**
 * VerifyPhone: prove that the user's phone number is theirs, with the one-time code that was sent to it.
 *
 * A guess is checked only while the limits allow it, and the caller learns whether it was right only once that is
 * committed. Checking a guess and counting it are one step, so that callers never get more checks than the limits
 * allow, however many of them call at once. `internal/ProviderGuess.ts` is for codes that a provider checks.
 */
import * as Context from "effect/Context"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import { CodeGenerator } from "./CodeGenerator.ts"
import { type CodeBinding, CodeVault } from "./CodeVault.ts"
import {
  type InvalidArgument,
  type InvalidCode,
  type NotFound,
  type PermissionDenied,
  type TooManyRequests,
  type Unavailable,
  type UserNotInitialized,
  type VerificationOff
} from "./Errors.ts"
import { codesToCompare, deadCode, decideGuess, wrongGuess } from "./GuessDecision.ts"
import * as Numbers from "./internal/Numbers.ts"
import * as PhoneCommand from "./internal/PhoneCommand.ts"
import * as ProviderGuess from "./internal/ProviderGuess.ts"
import * as RequestShape from "./internal/RequestShape.ts"
import { inSpan } from "./internal/Span.ts"
import type { LimitsRefused } from "./Limits.ts"
import type { CodeRecord } from "./PendingCode.ts"
import type { UserPhone } from "./UserPhone.ts"
import type { Details, UserStore } from "./UserStore.ts"

/**
 * Whose number is proven, and with which code.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyPhoneRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
  /** The code as it was typed: 1 to 20 code points. */
  readonly verificationCode: Redacted.Redacted
}

/**
 * The event that records the proof.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerifyPhoneAnswer {
  readonly details: Details
}

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type VerifyPhoneError =
  | InvalidArgument
  | PermissionDenied
  | NotFound
  | UserNotInitialized
  | VerificationOff
  | InvalidCode
  | TooManyRequests
  | Unavailable

/**
 * Proves a number. Open to the user itself, and to a caller who holds `user.write` over the user. Of its errors, only
 * `InvalidCode` with `CODE_WRONG` has cost a guess; `guessesLeft` says how many are left. If the answer was lost,
 * GetPhone tells whether the number is verified.
 *
 * @category services
 * @since 0.1.0
 */
export class VerifyPhone extends Context.Service<VerifyPhone, {
  readonly verifyPhone: (request: VerifyPhoneRequest) => Effect.Effect<VerifyPhoneAnswer, VerifyPhoneError, Actor>
}>()("effect-user-phone/core/VerifyPhone") {}

const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand.PhoneCommand
  const generator = yield* CodeGenerator
  const vault = yield* CodeVault
  const limits = yield* PhoneCommand.limitsInForce
  const numbers = yield* Numbers.make
  const provider = yield* ProviderGuess.make

  /** Whether the guess is one of the codes. Each of them is compared, whatever the outcome for the others. */
  const isRight = Effect.fnUntraced(function*(
    guess: Redacted.Redacted,
    [current, ...previous]: readonly [CodeRecord, ...Array<CodeRecord>],
    binding: Omit<CodeBinding, "codeId">
  ) {
    const results = [yield* vault.matches(guess, current, { ...binding, codeId: current.codeId })]
    for (const code of previous) {
      const result = vault.matches(guess, code, { ...binding, codeId: code.codeId })
      results.push(yield* Effect.catchTag(result, "UnknownKey", () => Effect.succeed(false)))
    }
    return results.includes(true)
  })

  const lookAtOwn = Effect.fnUntraced(function*(
    user: UserPhone,
    fingerprint: string | undefined,
    guess: Redacted.Redacted,
    now: DateTime.Utc
  ) {
    const { codes, number } = yield* Effect.fromResult(codesToCompare(user, fingerprint, limits, now))
    // Without the key of the pending code nothing is counted, so nothing may be looked at either.
    const right = yield* isRight(guess, codes, { userId: user.userId, number }).pipe(
      Effect.catchTag("UnknownKey", ({ keyId }) =>
        Effect.andThen(
          Effect.logWarning("a code cannot be checked: its key is not held here", keyId),
          Effect.fail(deadCode("expired"))
        ))
    )
    const decision = decideGuess(user, { codes, right }, { limits, now })
    const { details } = yield* commands.commit({ ...decision, messages: [] })
    return right ? { details } : yield* wrongGuess(decision.after, limits, now)
  })

  const look = Effect.fnUntraced(function*(
    user: UserPhone,
    guess: Redacted.Redacted,
    countGuess: ProviderGuess.CountGuess
  ) {
    const now = yield* DateTime.now
    const fingerprint = user.phone && (yield* numbers.fingerprint(user.phone.number))
    return user.pending?._tag === "ProviderCode"
      ? yield* countGuess(user, fingerprint, now)
      : yield* lookAtOwn(user, fingerprint, guess, now)
  })

  return VerifyPhone.of({
    verifyPhone: Effect.fnUntraced(function*({ userId: id, verificationCode }) {
      const userId = yield* RequestShape.checkUserId("VerifyPhoneRequest", id)
      const guess = yield* RequestShape.checkCode("VerifyPhoneRequest", verificationCode, generator.read)

      return yield* provider.askAfter(
        userId,
        guess,
        (countGuess) => commands.onUser(userId, "SelfOrWriter", ({ user }) => look(user, guess, countGuess))
      )
    }, inSpan("VerifyPhone.verifyPhone"))
  })
})

/**
 * The operation over its ports.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  VerifyPhone,
  LimitsRefused,
  Access | UserStore | CodeGenerator | CodeVault | SecureRandom.SecureRandom
> = Layer.effect(VerifyPhone, make).pipe(Layer.provide(PhoneCommand.layer))
