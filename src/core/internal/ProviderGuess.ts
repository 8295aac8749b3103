/**
 * A guess at a code that a provider checks. The guess is counted as wrong, the provider is asked, and the outcome is
 * recorded: two commits with the provider between them, so that callers never get more answers than there are guesses,
 * however many of them call at once. A step that fails on the way is tried again; the attempt's id tells whether it was
 * already recorded.
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
import { isSettled } from "../Guesses.ts"
import type { PhoneNumber } from "../PhoneNumber.ts"
import type { UserId } from "../UserId.ts"
import type { UserPhone } from "../UserPhone.ts"
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

/** The number is verified. */
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

  /** `begin` gets the attempt before the commit, since afterwards it may be unknown whether the commit was made. */
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

  /** Records the outcome of an attempt. It may run twice, if it is unknown whether the first time was recorded. */
  const settle = Effect.fnUntraced(function*(user: UserPhone, attempt: AskedAttempt, outcome: CheckOutcome) {
    const now = yield* DateTime.now
    const recorded = isSettled(user.guesses, attempt.attemptId)
    if (recorded && outcome === "right" && isProvenBy(user, attempt)) {
      const { changeDate, resourceOwner, sequence } = user
      return { details: { sequence, changeDate: changeDate!, resourceOwner } }
    }
    if (outcome === "spent" || outcome === "expired") {
      // The provider has not checked the guess, and checks no more of them.
      if (!recorded) yield* commands.append(decideUnanswered(user, attempt, outcome, now))
      return yield* deadCode(outcome)
    }
    const right = outcome === "right"
    const decision = decideOutcome(user, attempt, right, now)
    if (Result.isFailure(decision)) {
      // The code is not pending any more, so the guess proves nothing; but a wrong guess was checked, and still counts.
      if (right && !recorded) yield* commands.append(decideUnanswered(user, attempt, undefined, now))
      return yield* decision.failure
    }
    if (recorded && !right) return yield* wrongGuess(user, limits, now)
    const details = yield* commands.append(decision.success)
    return right ? { details } : yield* wrongGuess(decision.success.after, limits, now)
  })

  /** Takes back a guess that was counted for nothing. If that cannot be recorded, the guess stays counted. */
  const takeBack = (userId: UserId, attempt: AskedAttempt) =>
    commands.onUser(userId, "SelfOrWriter", ({ user }) =>
      isSettled(user.guesses, attempt.attemptId)
        ? Effect.void
        : Effect.flatMap(DateTime.now, (now) => commands.append(decideUnanswered(user, attempt, undefined, now)))).pipe(
        whileUnavailable,
        Effect.ignore
      )

  // A provider says only once that a guess is right. That must not be lost if the caller has gone by then, or if the
  // store fails for a moment.
  const ask = (userId: UserId, guess: Redacted.Redacted, attempt: AskedAttempt) =>
    Effect.uninterruptible(Effect.suspend(() => {
      const { number: recipient, provider, verificationId } = attempt
      // In a fiber of its own, the provider's timeout can still interrupt it.
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
     * Runs `look`, which either proves the number itself or counts a guess at the user's pending code by `countGuess`;
     * in the latter case, asks the provider about the guess.
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
          // If the guess was counted all the same, that was for nothing.
          Effect.onExitIf(isUnknown, () => begun === undefined ? Effect.void : takeBack(userId, begun)),
          Effect.filterOrElse((looked) => "details" in looked, (looked) => ask(userId, guess, looked))
        )
      })
  }
})

/** Tries again for five seconds while the store is unavailable, or too many others wait for the user. */
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

/** Whether a commit may have been made without anybody being told. */
const isUnknown = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.hasInterrupts(exit) || Exit.match(exit, {
    onSuccess: () => false,
    onFailure: (cause) => cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "Unavailable")
  })

/** Whether the number that the attempt was about is verified now. */
const isProvenBy = ({ pending, phone, proven }: UserPhone, { proves }: AskedAttempt): boolean =>
  phone?.verified === true && pending === undefined && proven === proves
