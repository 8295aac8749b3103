/**
 * VerifyPhone: prove that the user's phone number is theirs, with the one-time code that was sent to it.
 *
 * A guess is looked at only while the limits allow it, and whether it was right is told only once that is committed: the
 * counts of wrong guesses and the look are one step, so that no number of callers gets more looks than there are. Where a
 * provider checks the code, the guess is counted first, and the provider is asked between two commits.
 */
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import { CodeGenerator } from "./CodeGenerator.ts"
import { type CodeBinding, CodeVault } from "./CodeVault.ts"
import {
  type InvalidArgument,
  InvalidCode,
  type NotFound,
  type PermissionDenied,
  type TooManyRequests,
  type Unavailable,
  type UserNotInitialized,
  type VerificationOff
} from "./Errors.ts"
import {
  type Attempt,
  codesToCompare,
  codeToAskAbout,
  deadCode,
  decideAttempt,
  decideGuess,
  decideOutcome,
  decideUnanswered
} from "./GuessDecision.ts"
import * as PhoneCommand from "./internal/PhoneCommand.ts"
import * as RequestShape from "./internal/RequestShape.ts"
import { inSpan } from "./internal/Span.ts"
import * as Limits from "./Limits.ts"
import type { CodeRecord } from "./PendingCode.ts"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { UserId } from "./UserId.ts"
import { isSettled, type UserPhone } from "./UserPhone.ts"
import type { Details, UserStore } from "./UserStore.ts"
import { type CheckOutcome, VerificationProvider } from "./VerificationProvider.ts"

/**
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
 * @category services
 * @since 0.1.0
 */
export class VerifyPhone extends Context.Service<VerifyPhone, {
  readonly verifyPhone: (request: VerifyPhoneRequest) => Effect.Effect<VerifyPhoneAnswer, VerifyPhoneError, Actor>
}>()("effect-user-phone/core/VerifyPhone") {}

const make = Effect.gen(function*() {
  const phone = yield* PhoneCommand.PhoneCommand
  const generator = yield* CodeGenerator
  const vault = yield* CodeVault
  const limits = yield* PhoneCommand.limitsInForce
  const provider = yield* VerificationProvider
  const random = yield* SecureRandom.SecureRandom

  /** Whether the guess is one of the codes, each of which is compared, whatever the others come to. */
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

  /** `begin` gets the attempt before it is committed: nobody may know afterwards whether it was. */
  const attempt = Effect.fnUntraced(function*(
    user: UserPhone,
    fingerprint: string | undefined,
    now: DateTime.Utc,
    begin: (attempt: AskedAttempt) => void
  ) {
    const { code, number, verificationId } = yield* Effect.fromResult(codeToAskAbout(user, fingerprint, limits, now))
    const { codeId, providerId } = code
    if (provider?.id !== providerId) {
      return yield* refuseUncounted("the provider that made it is not set up here", providerId)
    }
    const attemptId = yield* random.uuidV4()
    const decision = decideAttempt(user, { attemptId, code }, { limits, now })
    const { charges } = decision
    const made: AskedAttempt = { attemptId, codeId, charges, provider, verificationId, number, proves: code.number }
    begin(made)
    yield* phone.commit({ ...decision, messages: [] })
    return made
  })

  /** What came of an attempt, also when it is told again since nobody knows whether the first time was recorded. */
  const settleAttempt = Effect.fnUntraced(function*(user: UserPhone, attempted: AskedAttempt, outcome: CheckOutcome) {
    const now = yield* DateTime.now
    const recorded = isSettled(user.guesses, attempted.attemptId)
    if (recorded && outcome === "right" && isProvenBy(user, attempted)) {
      const { changeDate, resourceOwner, sequence } = user
      return { details: { sequence, changeDate: changeDate!, resourceOwner } }
    }
    if (outcome === "spent" || outcome === "expired") {
      // The provider has not looked at the guess, and looks at no more of them.
      if (!recorded) yield* phone.append(decideUnanswered(user, attempted, outcome, now))
      return yield* deadCode(outcome)
    }
    const right = outcome === "right"
    const decision = decideOutcome(user, attempted, right, now)
    if (Result.isFailure(decision)) {
      // The code is not pending any more, so the guess proves nothing; a wrong one still was a look.
      if (right && !recorded) yield* phone.append(decideUnanswered(user, attempted, undefined, now))
      return yield* decision.failure
    }
    if (recorded && !right) return yield* wrongGuess(user, limits, now)
    const details = yield* phone.append(decision.success)
    return right ? { details } : yield* wrongGuess(decision.success.after, limits, now)
  })

  /** What was counted for nothing. Where that cannot be recorded, it stays counted. */
  const takeBack = (userId: UserId, attempted: AskedAttempt) =>
    phone.onUser(userId, "SelfOrWriter", ({ user }) =>
      isSettled(user.guesses, attempted.attemptId)
        ? Effect.void
        : Effect.flatMap(DateTime.now, (now) => phone.append(decideUnanswered(user, attempted, undefined, now)))).pipe(
        insisting,
        Effect.ignore
      )

  // A provider says once that a guess is right: neither a caller who has gone by then nor a store that fails for a moment
  // may make that be lost.
  const ask = (userId: UserId, guess: Redacted.Redacted, attempted: AskedAttempt) =>
    Effect.uninterruptible(Effect.suspend(() => {
      const { number: recipient, provider, verificationId } = attempted
      // In a fiber of its own, what bounds it in time can still interrupt it.
      return Effect.interruptible(provider.check({ verificationId, recipient, guess })).pipe(
        Effect.forkDetach,
        Effect.flatMap(Fiber.join),
        Effect.tapCause(() => takeBack(userId, attempted)),
        Effect.flatMap((outcome) =>
          phone.onUser(userId, "SelfOrWriter", ({ user }) => settleAttempt(user, attempted, outcome)).pipe(insisting)
        )
      )
    }))

  const lookAtOwn = Effect.fnUntraced(function*(
    user: UserPhone,
    fingerprint: string | undefined,
    guess: Redacted.Redacted,
    now: DateTime.Utc
  ) {
    const { codes, number } = yield* Effect.fromResult(codesToCompare(user, fingerprint, limits, now))
    // Without the key of the pending code nothing is counted, so nothing may be looked at either.
    const right = yield* isRight(guess, codes, { userId: user.userId, number }).pipe(
      Effect.catchTag("UnknownKey", ({ keyId }) => refuseUncounted("its key is not held here", keyId))
    )
    const decision = decideGuess(user, { codes, right }, { limits, now })
    const { details } = yield* phone.commit({ ...decision, messages: [] })
    return right ? { details } : yield* wrongGuess(decision.after, limits, now)
  })

  return VerifyPhone.of({
    verifyPhone: Effect.fnUntraced(function*({ userId: id, verificationCode }) {
      const userId = yield* RequestShape.checkUserId("VerifyPhoneRequest", id)
      const guess = yield* RequestShape.checkCode("VerifyPhoneRequest", verificationCode, generator.read)

      let attempted: AskedAttempt | undefined
      const look = Effect.fnUntraced(function*(user: UserPhone) {
        const now = yield* DateTime.now
        const fingerprint = user.phone && (yield* vault.fingerprint("number", [Redacted.value(user.phone.number)]))
        if (user.pending?._tag !== "ProviderCode") return yield* lookAtOwn(user, fingerprint, guess, now)
        return yield* Effect.uninterruptible(attempt(user, fingerprint, now, (made) => attempted = made))
      })
      return yield* Effect.uninterruptibleMask((restore) =>
        restore(phone.onUser(userId, "SelfOrWriter", ({ user }) => look(user))).pipe(
          // Where it was committed all the same, nothing came of it.
          Effect.onExitIf(isUnknown, () => attempted === undefined ? Effect.void : takeBack(userId, attempted)),
          Effect.filterOrElse((looked) => "details" in looked, (looked) => ask(userId, guess, looked))
        )
      )
    }, inSpan("VerifyPhone.verifyPhone"))
  })
})

/** Tries again for five seconds where the store is unavailable, or too many others wait for the user. */
const insisting = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(DateTime.now, (begun) => {
    const until = DateTime.add(begun, { seconds: 5 })
    return Effect.retry(effect, {
      while: ({ _tag }) => Effect.map(DateTime.now, (now) => _tag === "Unavailable" && DateTime.isLessThan(now, until)),
      schedule: Schedule.spaced("200 millis")
    })
  })

/** Whether nobody knows if what was to be committed was. */
const isUnknown = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.hasInterrupts(exit) || Exit.match(exit, {
    onSuccess: () => false,
    onFailure: (cause) => cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "Unavailable")
  })

/** Whether the number stands verified that the attempt was about. */
const isProvenBy = ({ pending, phone, proven }: UserPhone, { proves }: AskedAttempt): boolean =>
  phone?.verified === true && pending === undefined && proven === proves

/** A guess that has been counted, and what a provider is asked about it. */
interface AskedAttempt extends Attempt {
  readonly provider: VerificationProvider
  readonly verificationId: string
  readonly number: PhoneNumber
  /** The fingerprint of the number. */
  readonly proves: string
}

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  VerifyPhone,
  Limits.LimitsRefused,
  Access | UserStore | CodeGenerator | CodeVault | SecureRandom.SecureRandom
> = Layer.effect(VerifyPhone, make).pipe(Layer.provide(PhoneCommand.layer))

const refuseUncounted = (why: string, id: string) =>
  Effect.andThen(
    Effect.logWarning(`a code cannot be checked: ${why}`, id),
    Effect.fail(new InvalidCode({ reason: "CODE_EXPIRED", guessesLeft: 0 }))
  )

const wrongGuess = ({ guesses, pending }: UserPhone, limits: Limits.Limits, now: DateTime.Utc): InvalidCode => {
  const guessesLeft = Limits.guessesLeft(limits, pending?.wrongGuesses ?? 0, guesses, now)
  return new InvalidCode({ reason: "CODE_WRONG", ...(guessesLeft === undefined ? {} : { guessesLeft }) })
}
