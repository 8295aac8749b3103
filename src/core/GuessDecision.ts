/**
 * What a guess results in: pure functions from a user's state to the codes that the guess may be compared with, and
 * from the outcome of the comparison to the events to commit.
 */
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import type { Charge } from "./Counters.ts"
import type { Decision, Situation } from "./Decision.ts"
import { InvalidCode, TooManyRequests, VerificationOff } from "./Errors.ts"
import * as Charges from "./internal/Charges.ts"
import { record } from "./internal/Record.ts"
import * as Limits from "./Limits.ts"
import type { CodeRecord, Dead, ProviderCode } from "./PendingCode.ts"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { UserPhone } from "./UserPhone.ts"

/**
 * The codes that a guess may be compared with now, and the number that they prove: the pending code, and the one before
 * it while that is still accepted. `fingerprint` is that of the user's number: a code proves no other number.
 *
 * @category decisions
 * @since 0.1.0
 */
export const codesToCompare = (
  { guesses, pending, phone }: UserPhone,
  fingerprint: string | undefined,
  limits: Limits.Limits,
  now: DateTime.Utc
): Result.Result<
  { readonly number: PhoneNumber; readonly codes: readonly [CodeRecord, ...Array<CodeRecord>] },
  VerificationOff | TooManyRequests | InvalidCode
> => {
  const closed = guessRefused(guesses, limits, now)
  if (closed !== undefined) return Result.fail(closed)
  if (phone === undefined || pending?._tag !== "OwnCode" || pending.current.number !== fingerprint) {
    return refuse("NO_CODE")
  }
  if (Limits.isSpent(limits, pending.wrongGuesses)) return refuse("CODE_SPENT")
  const { current, previous } = pending
  if (!isLive(current, now)) return refuse("CODE_EXPIRED")
  return Result.succeed({
    number: phone.number,
    codes: previous?.number === fingerprint && isLive(previous, now) ? [current, previous] : [current]
  })
}

/**
 * What a compared guess results in: the number is verified, or the wrong guess counts. The number's own count may still
 * refuse the commit, which says nothing about whether the guess was right.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideGuess = (
  user: UserPhone,
  { codes, right }: { readonly codes: readonly [CodeRecord, ...Array<CodeRecord>]; readonly right: boolean },
  { limits, now }: Pick<Situation, "limits" | "now">
): Decision => ({
  ...record(user, [
    right
      ? { type: "user.human.phone.verified", proven: provenBy(codes), vouched: false }
      : { type: "user.human.phone.verification.failed", codeId: codes[0].codeId }
  ], now),
  charges: Charges.forGuess(limits, user, { codes, right }, now)
})

/** A returned code proves only that whoever received it vouches for the number, not that anybody has the number. */
const provenBy = (codes: readonly [CodeRecord, ...Array<CodeRecord>]): string =>
  codes.every(({ sent }) => sent) ? codes[0].number : Charges.vouchedFor(codes[0].number)

/**
 * The code that a provider may be asked about now, and the number that it proves. `fingerprint` is that of the user's
 * number. Until the provider has been asked for the code, nobody can know it.
 *
 * @category decisions
 * @since 0.1.0
 */
export const codeToAskAbout = (
  { guesses, pending, phone }: UserPhone,
  fingerprint: string | undefined,
  limits: Limits.Limits,
  now: DateTime.Utc
): Result.Result<
  { readonly number: PhoneNumber; readonly code: ProviderCode; readonly verificationId: string },
  VerificationOff | TooManyRequests | InvalidCode
> => {
  const closed = guessRefused(guesses, limits, now)
  if (closed !== undefined) return Result.fail(closed)
  if (phone === undefined || pending?._tag !== "ProviderCode" || pending.number !== fingerprint) {
    return refuse("NO_CODE")
  }
  if (Limits.isSpent(limits, pending.wrongGuesses)) return refuse("CODE_SPENT")
  if (!isLive(pending, now)) return refuse("CODE_EXPIRED")
  const { dead, verificationId } = pending
  if (dead !== undefined) return Result.fail(deadCode(dead))
  return verificationId === undefined
    ? refuse("NO_CODE")
    : Result.succeed({ number: phone.number, code: pending, verificationId })
}

/**
 * A guess that a provider is asked about, with the charges made for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  /** The attempt's own id, so that its outcome is recorded only once. */
  readonly attemptId: string
  readonly codeId: string
  readonly charges: ReadonlyArray<Charge>
}

/**
 * A guess counts as wrong from just before the provider is asked about it, so that callers never get more answers than
 * there are guesses, however many of them call at once.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideAttempt = (
  user: UserPhone,
  { code: { codeId, number }, attemptId }: { readonly code: ProviderCode; readonly attemptId: string },
  { limits, now }: Pick<Situation, "limits" | "now">
): Decision => ({
  ...record(user, [{ type: "user.human.phone.verification.attempted", codeId, attemptId }], now),
  charges: Charges.forAttempt(limits, user, number, now)
})

/**
 * What a provider's answer to an attempt results in: the number is verified and the attempt no longer counts, or the
 * guess was indeed wrong. An answer about a code that is no longer pending proves nothing.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideOutcome = (
  user: UserPhone,
  { attemptId, charges, codeId }: Attempt,
  right: boolean,
  now: DateTime.Utc
): Result.Result<Decision, InvalidCode> => {
  const { pending } = user
  if (pending?._tag !== "ProviderCode" || pending.codeId !== codeId) return refuse("NO_CODE")
  return Result.succeed({
    ...record(user, [
      right
        ? { type: "user.human.phone.verified", proven: pending.number, vouched: false, attemptId }
        : { type: "user.human.phone.verification.failed", codeId, attemptId }
    ], now),
    charges: right ? Charges.refunded(charges) : []
  })
}

/**
 * An attempt that the provider did not answer no longer counts, since nobody has learnt anything from it. If the
 * provider says that it checks no more guesses at this code, it is not asked about the code again.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideUnanswered = (
  user: UserPhone,
  { attemptId, charges, codeId }: Attempt,
  dead: Dead | undefined,
  now: DateTime.Utc
): Decision => ({
  ...record(user, [{
    type: "user.human.phone.verification.unanswered",
    codeId,
    attemptId,
    ...(dead && { dead })
  }], now),
  charges: Charges.refunded(charges)
})

/**
 * The answer to a wrong guess, from the user's state after the guess was counted.
 *
 * @category decisions
 * @since 0.1.0
 */
export const wrongGuess = ({ guesses, pending }: UserPhone, limits: Limits.Limits, now: DateTime.Utc): InvalidCode => {
  const guessesLeft = Limits.guessesLeft(limits, pending?.wrongGuesses ?? 0, guesses, now)
  return new InvalidCode({ reason: "CODE_WRONG", ...(guessesLeft === undefined ? {} : { guessesLeft }) })
}

/**
 * The answer to a guess at a code for which no guess is checked any more, here or at the provider.
 *
 * @category decisions
 * @since 0.1.0
 */
export const deadCode = (dead: Dead): InvalidCode =>
  new InvalidCode({ reason: dead === "spent" ? "CODE_SPENT" : "CODE_EXPIRED", guessesLeft: 0 })

const isLive = ({ expiresAt }: { readonly expiresAt: DateTime.Utc }, now: DateTime.Utc): boolean =>
  DateTime.isGreaterThan(expiresAt, now)

/** Why none of a user's guesses is checked now, whatever the code; undefined if they are. */
const guessRefused = (
  guesses: UserPhone["guesses"],
  limits: Limits.Limits,
  now: DateTime.Utc
): VerificationOff | TooManyRequests | undefined => {
  if (Limits.isOff(limits, guesses)) return new VerificationOff()
  const until = Limits.guessesFullUntil(limits, guesses, now)
  return until && new TooManyRequests({ reason: "WRONG_GUESSES_PER_USER", until })
}

const refuse = (reason: InvalidCode["reason"]) => Result.fail(new InvalidCode({ reason, guessesLeft: 0 }))
