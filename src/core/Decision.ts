/**
 * What a command comes to: pure functions from a user's state to the events, messages and charges that are to be committed,
 * or to the error that the caller meets.
 */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Result from "effect/Result"
import type { Charge } from "./Counters.ts"
import { InvalidCode, NoPendingCode, NoPhone, PhoneNotChanged, TooManyRequests, VerificationOff } from "./Errors.ts"
import * as Charges from "./internal/Charges.ts"
import * as Limits from "./Limits.ts"
import type { PhoneNumber } from "./PhoneNumber.ts"
import {
  type CodeRecord,
  evolve,
  nextEvent,
  type PendingCode,
  type PhoneChange,
  type SendWait,
  type UserPhone,
  type UserPhoneEvent
} from "./UserPhone.ts"

/**
 * A message that a decision calls for, before its text is sealed.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageIntent {
  readonly kind: "code"
  readonly recipient: PhoneNumber
  readonly codeId: string
  readonly expiresAt: DateTime.Utc
}

/**
 * What a command comes to: the events to append, the state after them, the messages to send, and what that costs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decision {
  readonly before: UserPhone
  readonly events: readonly [UserPhoneEvent, ...Array<UserPhoneEvent>]
  readonly after: UserPhone
  readonly messages: ReadonlyArray<MessageIntent>
  readonly charges: ReadonlyArray<Charge>
}

/**
 * What every decision depends on beside the user and the command.
 *
 * @category models
 * @since 0.1.0
 */
export interface Situation {
  readonly now: DateTime.Utc
  readonly limits: Limits.Limits
  /** Whether the caller is the user. */
  readonly bySelf: boolean
  /** Drawn anew for each decision, from 0 up to 1. */
  readonly chance: number
}

/**
 * The command behind SetPhone: the number, and the code that will prove it unless the host vouches for the number.
 *
 * @category models
 * @since 0.1.0
 */
export interface SetPhoneCommand {
  readonly number: PhoneNumber
  readonly fingerprint: string
  readonly proof: "Vouched" | CodeRecord
}

/**
 * A new number replaces the old one at once, unverified, and takes any pending code with it.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideSetPhone = (
  user: UserPhone,
  { fingerprint, number, proof }: SetPhoneCommand,
  situation: Situation
): Result.Result<Decision, VerificationOff | PhoneNotChanged | TooManyRequests> => {
  if (isClosed(user, situation)) return Result.fail(new VerificationOff())
  if (user.phone !== undefined && Equal.equals(user.phone.number, number)) return Result.fail(new PhoneNotChanged())
  const changed: PhoneChange = { type: "user.human.phone.changed", number }
  if (proof === "Vouched") {
    const verified: PhoneChange = { type: "user.human.phone.verified", proven: fingerprint, vouched: true }
    return Result.succeed(record(user, [changed, verified], situation.now))
  }
  return addCode(user, { changed, code: proof, recipient: number }, situation)
}

/**
 * A new code follows the pending one, expired or spent as that may be. A code that is still good is accepted for the
 * grace beside the new one, since it may be on its way; both count wrong guesses together, from nothing. `code` is
 * undefined where there is no number to make one for.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideResend = (
  user: UserPhone,
  { code, grace }: { readonly code: CodeRecord | undefined; readonly grace: Duration.Duration },
  situation: Situation
): Result.Result<Decision, VerificationOff | NoPendingCode | TooManyRequests> => {
  if (isClosed(user, situation)) return Result.fail(new VerificationOff())
  if (user.phone === undefined || user.pending === undefined || code === undefined) {
    return Result.fail(new NoPendingCode())
  }
  const recipient = user.phone.number
  const previous = graced(user.pending, code, grace, situation)
  return addCode(user, { code, previous, recipient }, situation)
}

/**
 * The codes that a guess may be compared with now: the pending one, and the one before it while that is accepted; and the
 * number that they prove. `fingerprint` is that of the user's number: a code proves no other.
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
  if (Limits.isOff(limits, guesses)) return Result.fail(new VerificationOff())
  const until = Limits.guessesFullUntil(limits, guesses, now)
  if (until !== undefined) return Result.fail(new TooManyRequests({ reason: "WRONG_GUESSES_PER_USER", until }))
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
 * What a guess comes to that was compared: the number is verified, or the wrong guess counts. Its commit may still be
 * refused for the number's own count, which says nothing of whether the guess was right.
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
      ? { type: "user.human.phone.verified", proven: codes[0].number, vouched: false }
      : { type: "user.human.phone.verification.failed", codeId: codes[0].codeId }
  ], now),
  charges: Charges.forGuess(limits, user, { codes, right }, now)
})

/**
 * The number goes, and any pending code with it. The counts stay.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideRemove = (user: UserPhone, now: DateTime.Utc): Result.Result<Decision, NoPhone> =>
  user.phone === undefined
    ? Result.fail(new NoPhone())
    : Result.succeed(record(user, [{ type: "user.human.phone.removed" }], now))

/**
 * The row of wrong guesses ends, long enough to be off or not. The wrong guesses of the last day still count.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideUnlock = (user: UserPhone, now: DateTime.Utc): Decision =>
  record(user, [{ type: "user.human.phone.verification.unlocked" }], now)

const isLive = ({ expiresAt }: CodeRecord, now: DateTime.Utc): boolean => DateTime.isGreaterThan(expiresAt, now)

/** Whether verification is off for this caller's attempts to start one. Others with user.write may still help. */
const isClosed = ({ guesses }: UserPhone, { bySelf, limits }: Situation): boolean =>
  bySelf && Limits.isOff(limits, guesses)

const refuse = (reason: InvalidCode["reason"]) => Result.fail(new InvalidCode({ reason, guessesLeft: 0 }))

/** The pending code as it is still accepted after a new one, if it is. */
const graced = (
  pending: PendingCode,
  next: CodeRecord,
  grace: Duration.Duration,
  { limits, now }: Situation
): CodeRecord | undefined => {
  if (pending._tag !== "OwnCode" || pending.current.number !== next.number) return undefined
  if (Limits.isSpent(limits, pending.wrongGuesses)) return undefined
  const { current } = pending
  const accepted = { ...current, expiresAt: DateTime.min(current.expiresAt, DateTime.addDuration(now, grace)) }
  return isLive(accepted, now) ? accepted : undefined
}

/** Adds a code, and the message that carries it unless it is returned, if the user need not wait for that. */
const addCode = (
  user: UserPhone,
  { changed, code, previous, recipient }: {
    readonly changed?: PhoneChange
    readonly code: CodeRecord
    readonly previous?: CodeRecord | undefined
    readonly recipient: PhoneNumber
  },
  situation: Situation
): Result.Result<Decision, TooManyRequests> => {
  const { chance, limits, now } = situation
  const pending: PendingCode = {
    _tag: "OwnCode",
    current: code,
    ...(previous === undefined ? {} : { previous }),
    wrongGuesses: 0
  }
  const recorded = (wait?: SendWait) => {
    const added: PhoneChange = { type: "user.human.phone.code.added", pending, ...(wait && { wait }) }
    return record(user, changed === undefined ? [added] : [changed, added], now)
  }
  if (!code.sent) return Result.succeed(recorded())

  const until = Limits.waitingUntil(limits, user.wait, now)
  if (until !== undefined) return Result.fail(new TooManyRequests({ reason: "WAIT_BETWEEN_CODES", until }))
  return Result.succeed({
    ...recorded(Limits.waitAfter(limits, user.wait, now, chance)),
    messages: [{ kind: "code", recipient, codeId: code.codeId, expiresAt: code.expiresAt }],
    charges: Charges.forCode(limits, user, code.number, now)
  })
}

const record = (
  before: UserPhone,
  [first, ...rest]: readonly [PhoneChange, ...Array<PhoneChange>],
  now: DateTime.Utc
): Decision => {
  const event = nextEvent(before, first, now)
  const events: [UserPhoneEvent, ...Array<UserPhoneEvent>] = [event]
  let after = evolve(before, event)
  for (const change of rest) {
    const next = nextEvent(after, change, now)
    events.push(next)
    after = evolve(after, next)
  }
  return { before, events, after, messages: [], charges: [] }
}
