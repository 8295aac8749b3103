/**
 * What a command results in: pure functions from a user's state to the events, messages and charges to commit, or to
 * the error that the caller gets.
 */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Charge } from "./Counters.ts"
import { NoPendingCode, NoPhone, PhoneNotChanged, TooManyRequests, VerificationOff } from "./Errors.ts"
import * as Charges from "./internal/Charges.ts"
import { record } from "./internal/Record.ts"
import * as Limits from "./Limits.ts"
import type { Notices } from "./Notices.ts"
import { type Route, routeOfProvider } from "./Outbox.ts"
import type { CodeRecord, PendingCode, ProviderCode } from "./PendingCode.ts"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { NoticeOf } from "./SmsNotifier.ts"
import { type PhoneChange, type SendWait, type UserPhone, type UserPhoneEvent } from "./UserPhone.ts"

/**
 * A message that a decision calls for, before its text is sealed.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageIntent =
  | {
    readonly kind: "code"
    readonly route: Route
    readonly recipient: PhoneNumber
    readonly codeId: string
    readonly expiresAt: DateTime.Utc
    readonly resends: number
  }
  | {
    readonly kind: "notice"
    readonly recipient: PhoneNumber
    readonly change: NoticeOf
    readonly expiresAt: DateTime.Utc
  }

/**
 * A new code: our own, or one that a provider is to make.
 *
 * @category models
 * @since 0.1.0
 */
export type NewCode = CodeRecord | Omit<ProviderCode, "_tag" | "verificationId" | "wrongGuesses" | "dead">

/**
 * What a command results in: the events to append, the state after them, the messages to send, and what that costs.
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
 * What every decision depends on besides the user and the command.
 *
 * @category models
 * @since 0.1.0
 */
export interface Situation {
  readonly now: DateTime.Utc
  readonly limits: Limits.Limits
  readonly notices: Notices | "off"
  /** Whether the caller is the user. */
  readonly bySelf: boolean
  /** Drawn anew for each decision, from 0 up to 1. */
  readonly chance: number
}

/**
 * The command behind SetPhone: the number, and the code that will prove it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SetPhoneCommand {
  readonly number: PhoneNumber
  readonly fingerprint: string
  /** Undefined where the host vouches for the number. */
  readonly code: NewCode | undefined
}

/**
 * A new number replaces the old one at once, unverified unless the host vouches for it, and takes any pending code with
 * it. If the old number was verified, its holder is told.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideSetPhone = (
  user: UserPhone,
  { code, fingerprint, number }: SetPhoneCommand,
  situation: Situation
): Result.Result<Decision, VerificationOff | PhoneNotChanged | TooManyRequests> => {
  if (isClosed(user, situation)) return Result.fail(new VerificationOff())
  if (user.phone !== undefined && Redacted.value(user.phone.number) === Redacted.value(number)) {
    return Result.fail(new PhoneNotChanged())
  }
  const changed: PhoneChange = { type: "user.human.phone.changed", number }
  if (code === undefined) {
    const proven = Charges.vouchedFor(fingerprint)
    const verified: PhoneChange = { type: "user.human.phone.verified", proven, vouched: true }
    return Result.succeed(noticed(record(user, [changed, verified], situation.now), "replaced", situation))
  }
  return Result.map(
    addCode(user, { changed, code, recipient: number, resends: 0 }, situation),
    (decision) => noticed(decision, "replaced", situation)
  )
}

/**
 * A new code follows the pending one, even if that one is expired or spent. A pending code that is still good stays
 * accepted beside the new one for the grace period, since it may still be on its way. Wrong guesses at the two are
 * counted together, starting from zero. `code` is undefined if there is no number to make one for.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideResend = (
  user: UserPhone,
  { code, grace }: { readonly code: NewCode | undefined; readonly grace: Duration.Duration },
  situation: Situation
): Result.Result<Decision, VerificationOff | NoPendingCode | TooManyRequests> => {
  if (isClosed(user, situation)) return Result.fail(new VerificationOff())
  if (user.phone === undefined || user.pending === undefined || code === undefined) {
    return Result.fail(new NoPendingCode())
  }
  const { pending, phone: { number: recipient } } = user
  const previous = graced(pending, code, grace, situation)
  const resends = pending._tag === "OwnCode" ? pending.resends + 1 : 1
  return addCode(user, { code, previous, recipient, resends }, situation)
}

/**
 * Removes the number and any pending code. If the number was verified, its holder is told. The counts stay.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideRemove = (
  user: UserPhone,
  situation: Pick<Situation, "limits" | "notices" | "now">
): Result.Result<Decision, NoPhone> =>
  user.phone === undefined
    ? Result.fail(new NoPhone())
    : Result.succeed(noticed(record(user, [{ type: "user.human.phone.removed" }], situation.now), "removed", situation))

/**
 * Ends the row of wrong guesses, whether or not it has switched verification off. The wrong guesses of the last day
 * still count.
 *
 * @category decisions
 * @since 0.1.0
 */
export const decideUnlock = (user: UserPhone, now: DateTime.Utc): Decision =>
  record(user, [{ type: "user.human.phone.verification.unlocked" }], now)

/** Whether verification is off, so that this caller may not start one. Others with user.write may still help. */
const isClosed = ({ guesses }: UserPhone, { bySelf, limits }: Situation): boolean =>
  bySelf && Limits.isOff(limits, guesses)

/** The pending code in the form in which it stays accepted beside a new one; undefined if it does not. */
const graced = (
  pending: PendingCode,
  next: NewCode,
  grace: Duration.Duration,
  { limits, now }: Situation
): CodeRecord | undefined => {
  if (!isOwn(next) || pending._tag !== "OwnCode" || pending.current.number !== next.number) return undefined
  if (Limits.isSpent(limits, pending.wrongGuesses)) return undefined
  const { current } = pending
  const accepted = { ...current, expiresAt: DateTime.min(current.expiresAt, DateTime.addDuration(now, grace)) }
  return DateTime.isGreaterThan(accepted.expiresAt, now) ? accepted : undefined
}

const isOwn = (code: NewCode): code is CodeRecord => "digest" in code

/**
 * Adds a code and, unless the code is returned, the message that carries it. Refuses to send a code while the user has
 * to wait for the next one.
 */
const addCode = (
  user: UserPhone,
  { changed, code, previous, recipient, resends }: {
    readonly changed?: PhoneChange
    readonly code: NewCode
    readonly previous?: CodeRecord | undefined
    readonly recipient: PhoneNumber
    readonly resends: number
  },
  situation: Situation
): Result.Result<Decision, TooManyRequests> => {
  const { chance, limits, now } = situation
  const pending: PendingCode = isOwn(code)
    ? { _tag: "OwnCode", current: code, ...(previous && { previous }), resends, wrongGuesses: 0 }
    : {
      _tag: "ProviderCode",
      ...code,
      wrongGuesses: changed === undefined ? guessesAtSame(user.pending, code, limits) : 0
    }
  const recorded = (wait?: SendWait) => {
    const added: PhoneChange = { type: "user.human.phone.code.added", pending, ...(wait && { wait }) }
    return record(user, changed === undefined ? [added] : [changed, added], now)
  }
  if (isOwn(code) && !code.sent) return Result.succeed(recorded())

  const until = Limits.waitingUntil(limits, user.wait, now)
  if (until !== undefined) return Result.fail(new TooManyRequests({ reason: "WAIT_BETWEEN_CODES", until }))
  return Result.succeed({
    ...recorded(Limits.waitAfter(limits, user.wait, now, chance)),
    messages: [{
      kind: "code",
      route: routeOf(code),
      recipient,
      codeId: code.codeId,
      expiresAt: code.expiresAt,
      resends
    }],
    charges: Charges.forCode(limits, user, code.number, now)
  })
}

const routeOf = (code: NewCode): Route => isOwn(code) ? "sms" : routeOfProvider(code.providerId)

/**
 * The wrong guesses that a resent code starts with. The provider may send the same code again, so its guesses keep
 * counting until it is spent or the provider checks no more of them. A resend helps then, unless a limit of the
 * provider prevents it. Guesses by the user and at the number are counted in any case.
 */
const guessesAtSame = (
  pending: PendingCode | undefined,
  { providerId }: { readonly providerId: string },
  limits: Limits.Limits
): number =>
  pending?._tag === "ProviderCode" && pending.providerId === providerId && pending.dead === undefined &&
    !Limits.isSpent(limits, pending.wrongGuesses)
    ? pending.wrongGuesses
    : 0

/** The same decision with a notice to the number that the change takes from the user, if that number was verified. */
const noticed = (
  decision: Decision,
  change: NoticeOf,
  { limits, notices, now }: Pick<Situation, "limits" | "notices" | "now">
): Decision => {
  const { charges, messages, before: { phone, proven } } = decision
  if (notices === "off" || phone?.verified !== true || proven === undefined) return decision
  const expiresAt = DateTime.addDuration(now, notices.lifetime)
  return {
    ...decision,
    messages: [...messages, { kind: "notice", recipient: phone.number, change, expiresAt }],
    charges: [...charges, ...Charges.forNotice(limits, proven, now)]
  }
}
