/**
 * A guess at a code that a provider checks. It is counted as wrong, the provider is asked, and what came of it is recorded:
 * two commits, with the provider between them, so that no number of callers gets more answers than there are guesses. What is
 * lost on the way is tried again, and told from what was recorded by the attempt's id.
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { InvalidCode, TooManyRequests, Unavailable, VerificationOff } from "../Errors.ts"
import {
  type Attempt,
  codeToAskAbout,
  deadCode,
  decideAttempt,
  decideOutcome,
  decideUnanswered,
  wrongGuess
} from "../GuessDecision.ts"
import type { PhoneNumber } from "../PhoneNumber.ts"
import type { UserId } from "../UserId.ts"
import { isSettled, type UserPhone } from "../UserPhone.ts"
import type { Details } from "../UserStore.ts"
import { type CheckOutcome, VerificationProvider } from "../VerificationProvider.ts"
import { limitsInForce, type LostRace, PhoneCommand } from "./PhoneCommand.ts"

/** A guess that has been counted, and what a provider is asked about it. */
interface AskedAttempt extends Attempt {
  readonly provider: VerificationProvider
  readonly verificationId: string
  readonly number: PhoneNumber
  /** The fingerprint of the number. */
  readonly proves: string
}

/** That the number is verified. */
export interface Proven {
  readonly details: Details
}

/** Counts a guess at the pending code of a user whose number has this fingerprint. */
export type CountGuess = (
  user: UserPhone,
  fingerprint: string | undefined,
  now: DateTime.Utc
) => Effect.Effect<
  AskedAttempt,
  VerificationOff | TooManyRequests | InvalidCode | LostRace | Unavailable
>

export const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand
  const limits = yield* limitsInForce
  const provider = yield* VerificationProvider
  const random = yield* SecureRandom.SecureRandom

  /** `begin` gets the attempt before it is committed: nobody may know afterwards whether it was. */
  const count = Effect.fnUntraced(function*(
    user: UserPhone,
    fingerprint: string | undefined,
    now: DateTime.Utc,
    begin: (attempt: AskedAttempt) => void
  ) {
    const { code, number, verificationId } = yield* Effect.fromResult(codeToAskAbout(user, fingerprint, limits, now))
    const { codeId, number: proves, providerId } = code
    if (provider?.id !== providerId) {
      yield* Effect.logWarning("a code cannot be checked: the provider that made it is not set up here", providerId)
      return yield* deadCode("expired")
    }
    const attemptId = yield* random.uuidV4()
    const decision = decideAttempt(user, { attemptId, code }, { limits, now })
    const attempt = { attemptId, codeId, charges: decision.charges, provider, verificationId, number, proves }
    begin(attempt)
    yield* commands.commit({ ...decision, messages: [] })
    return attempt
  })

  /** What came of an attempt, also when it is told again since nobody knows whether the first time was recorded. */
  const settle = Effect.fnUntraced(function*(user: UserPhone, attempt: AskedAttempt, outcome: CheckOutcome) {
    const now = yield* DateTime.now
    const recorded = isSettled(user.guesses, attempt.attemptId)
    if (recorded && outcome === "right" && isProvenBy(user, attempt)) {
      const { changeDate, resourceOwner, sequence } = user
      return { details: { sequence, changeDate: changeDate!, resourceOwner } }
    }
    if (outcome === "spent" || outcome === "expired") {
      // The provider has not looked at the guess, and looks at no more of them.
      if (!recorded) yield* commands.append(decideUnanswered(user, attempt, outcome, now))
      return yield* deadCode(outcome)
    }
    const right = outcome === "right"
    const decision = decideOutcome(user, attempt, right, now)
    if (Result.isFailure(decision)) {
      // The code is not pending any more, so the guess proves nothing; a wrong one still was a look.
      if (right && !recorded) yield* commands.append(decideUnanswered(user, attempt, undefined, now))
      return yield* decision.failure
    }
    if (recorded && !right) return yield* wrongGuess(user, limits, now)
    const details = yield* commands.append(decision.success)
    return right ? { details } : yield* wrongGuess(decision.success.after, limits, now)
  })

  /** What was counted for nothing. Where that cannot be recorded, it stays counted. */
  const takeBack = (userId: UserId, attempt: AskedAttempt) =>
    commands.onUser(userId, "SelfOrWriter", ({ user }) =>
      isSettled(user.guesses, attempt.attemptId)
        ? Effect.void
        : Effect.flatMap(DateTime.now, (now) => commands.append(decideUnanswered(user, attempt, undefined, now)))).pipe(
        whileUnavailable,
        Effect.ignore
      )

  // A provider says once that a guess is right: neither a caller who has gone by then nor a store that fails for a moment
  // may make that be lost.
  const ask = (userId: UserId, guess: Redacted.Redacted, attempt: AskedAttempt) =>
    Effect.uninterruptible(Effect.suspend(() => {
      const { number: recipient, provider, verificationId } = attempt
      // In a fiber of its own, what bounds it in time can still interrupt it.
      return Effect.interruptible(provider.check({ verificationId, recipient, guess })).pipe(
        Effect.forkDetach,
        Effect.flatMap(Fiber.join),
        Effect.tapCause(() => takeBack(userId, attempt)),
        Effect.flatMap((outcome) =>
          commands.onUser(userId, "SelfOrWriter", ({ user }) => settle(user, attempt, outcome)).pipe(whileUnavailable)
        )
      )
    }))

  return {
    /**
     * Runs `look`, which either proves the number itself or counts a guess at the user's pending code by `count`, and in that
     * case asks the provider about it.
     */
    askAfter: <E extends { readonly _tag: string }, R>(
      userId: UserId,
      guess: Redacted.Redacted,
      look: (countGuess: CountGuess) => Effect.Effect<Proven | AskedAttempt, E, R>
    ) =>
      Effect.uninterruptibleMask((restore) => {
        let begun: AskedAttempt | undefined
        const countGuess: CountGuess = (user, fingerprint, now) =>
          Effect.uninterruptible(count(user, fingerprint, now, (attempt) => begun = attempt))
        return restore(look(countGuess)).pipe(
          // Where it was committed all the same, nothing came of it.
          Effect.onExitIf(isUnknown, () => begun === undefined ? Effect.void : takeBack(userId, begun)),
          Effect.filterOrElse((looked) => "details" in looked, (looked) => ask(userId, guess, looked))
        )
      })
  }
})

/** Tries again for five seconds where the store is unavailable, or too many others wait for the user. */
const whileUnavailable = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(DateTime.now, (begun) => {
    const until = DateTime.add(begun, { seconds: 5 })
    return Effect.retry(effect, {
      while: ({ _tag }) => Effect.map(DateTime.now, (now) => _tag === "Unavailable" && DateTime.isLessThan(now, until)),
      schedule: Schedule.spaced("200 millis")
    })
  })

/** Whether a commit may have been made that nobody was told of. */
const isUnknown = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.hasInterrupts(exit) || Exit.match(exit, {
    onSuccess: () => false,
    onFailure: (cause) => cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "Unavailable")
  })

/** Whether the number stands verified that the attempt was about. */
const isProvenBy = ({ pending, phone, proven }: UserPhone, { proves }: AskedAttempt): boolean =>
  phone?.verified === true && pending === undefined && proven === proves
