/**
 * The aggregate: a user as this module sees it, the events of its phone, and what an event does to the state
 * (`evolve`). All of it is pure. `Decision.ts` says what a command results in; stores only load and commit.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as Guesses from "./Guesses.ts"
import { Dead, PendingCode } from "./PendingCode.ts"
import { PhoneNumber } from "./PhoneNumber.ts"
import type { OrganizationId, UserId } from "./UserId.ts"

/**
 * When the next code may be sent to a user, as it was fixed when the latest one was.
 *
 * @category models
 * @since 0.1.0
 */
export const SendWait = Schema.Struct({
  /** How often the first wait has been doubled. */
  step: Schema.Natural,
  sentAt: Schema.DateTimeUtc,
  until: Schema.DateTimeUtc
})

/**
 * @category models
 * @since 0.1.0
 */
export type SendWait = typeof SendWait.Type

/**
 * A user as this module sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserPhone {
  readonly userId: UserId
  readonly resourceOwner: OrganizationId
  readonly kind: "human" | "machine"
  /** `initial` until the user has finished signing up. */
  readonly state: "initial" | "active"
  /** The preferred language as a BCP 47 tag, if known. */
  readonly language: string | undefined
  /** The sequence of the last event, 0 before the first. */
  readonly sequence: bigint
  /** The time of the last event. */
  readonly changeDate: DateTime.Utc | undefined
  readonly phone: { readonly number: PhoneNumber; readonly verified: boolean } | undefined
  readonly pending: PendingCode | undefined
  /**
   * The number that was last verified; it stays when the phone is changed or removed. It is the number's fingerprint if
   * a code sent to the number proved it, or `vouched/` and the fingerprint if a host vouched for the number or had the
   * code returned.
   */
  readonly proven: string | undefined
  readonly guesses: Guesses.Guesses
  /** Undefined before the first code was sent. */
  readonly wait: SendWait | undefined
}

/**
 * What can happen to a phone, by the wire's event types. `verification.attempted`, `.unanswered` and `.unlocked`, and
 * the events about a code after it was sent, are additions.
 *
 * @category models
 * @since 0.1.0
 */
export const PhoneChange = Schema.Union([
  Schema.Struct({ type: Schema.tag("user.human.phone.changed"), number: PhoneNumber }),
  Schema.Struct({ type: Schema.tag("user.human.phone.removed") }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.verified"),
    /** The same as `proven` in the state. */
    proven: Schema.String,
    /** Whether the host vouched for the number, rather than the user proving it. */
    vouched: Schema.Boolean,
    /** For a code that a provider checked: the attempt that was right, and no longer counts. */
    attemptId: Schema.optionalKey(Schema.String)
  }),
  /** A guess that a provider is about to be asked about. It counts as wrong until it is known to be right. */
  Schema.Struct({
    type: Schema.tag("user.human.phone.verification.attempted"),
    codeId: Schema.String,
    attemptId: Schema.String
  }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.verification.failed"),
    codeId: Schema.String,
    /** For a code that a provider checked: the attempt under which the guess was already counted. */
    attemptId: Schema.optionalKey(Schema.String)
  }),
  /** The provider gave no answer to an attempt, which no longer counts: nobody has learnt anything from it. */
  Schema.Struct({
    type: Schema.tag("user.human.phone.verification.unanswered"),
    codeId: Schema.String,
    attemptId: Schema.String,
    /** Why the provider checks no more guesses at this code, if it said so. */
    dead: Schema.optionalKey(Dead)
  }),
  Schema.Struct({ type: Schema.tag("user.human.phone.verification.unlocked") }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.code.added"),
    pending: PendingCode,
    /** For a code that is sent, if there is a limit on how soon the next one may be. */
    wait: Schema.optionalKey(SendWait)
  }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.code.sent"),
    codeId: Schema.String,
    messageId: Schema.String,
    /** For a code that a provider makes: the provider's own id. */
    verificationId: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.code.delivered"),
    codeId: Schema.String,
    messageId: Schema.String
  }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.code.undelivered"),
    codeId: Schema.String,
    messageId: Schema.String,
    /** The provider's error code or a word for it. */
    code: Schema.String
  })
])

/**
 * @category models
 * @since 0.1.0
 */
export type PhoneChange = typeof PhoneChange.Type

/**
 * One change in a user's log. Sequences start at 1 and have no gaps; times never go back.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserPhoneEvent {
  readonly sequence: bigint
  readonly at: DateTime.Utc
  readonly change: PhoneChange
}

/**
 * The event that records a change as the next of a user's log. Its time is never before the last one's, whatever the
 * clocks of the processes say.
 *
 * @category events
 * @since 0.1.0
 */
export const nextEvent = (user: UserPhone, change: PhoneChange, now: DateTime.Utc): UserPhoneEvent => ({
  sequence: user.sequence + 1n,
  at: user.changeDate === undefined ? now : DateTime.max(now, user.changeDate),
  change
})

/**
 * The state after an event. Folding a user's whole log over its state before the first event gives its current state.
 *
 * @category events
 * @since 0.1.0
 */
export const evolve = (user: UserPhone, event: UserPhoneEvent): UserPhone => ({
  ...user,
  ...effectOf(user, event),
  sequence: event.sequence,
  changeDate: event.at
})

const effectOf = (user: UserPhone, { at, change }: UserPhoneEvent): Partial<UserPhone> => {
  switch (change.type) {
    case "user.human.phone.changed":
      return { phone: { number: change.number, verified: false }, pending: undefined }
    case "user.human.phone.removed":
      return { phone: undefined, pending: undefined }
    case "user.human.phone.verified":
      return {
        phone: user.phone && { ...user.phone, verified: true },
        pending: undefined,
        proven: change.proven,
        guesses: change.vouched ? user.guesses : Guesses.proven(user.guesses, change.attemptId)
      }
    case "user.human.phone.verification.attempted":
      return counted(user, at, change.attemptId)
    case "user.human.phone.verification.failed":
      return change.attemptId === undefined
        ? counted(user, at)
        : { guesses: Guesses.settled(user.guesses, change.attemptId) }
    case "user.human.phone.verification.unanswered":
      return takenBack(user, change)
    case "user.human.phone.verification.unlocked":
      return { guesses: Guesses.withoutRow(user.guesses) }
    case "user.human.phone.code.added":
      return change.wait === undefined ? { pending: change.pending } : { pending: change.pending, wait: change.wait }
    case "user.human.phone.code.sent": {
      const { pending } = user
      const { codeId, verificationId } = change
      return pending?._tag === "ProviderCode" && pending.codeId === codeId && verificationId !== undefined
        ? { pending: { ...pending, verificationId } }
        : {}
    }
    case "user.human.phone.code.delivered":
    case "user.human.phone.code.undelivered":
      return {}
  }
}

/** Adds a wrong guess to the pending code and to the user; with an `attemptId` if its outcome is not known yet. */
const counted = ({ guesses, pending }: UserPhone, at: DateTime.Utc, attemptId?: string): Partial<UserPhone> => ({
  pending: pending && { ...pending, wrongGuesses: pending.wrongGuesses + 1 },
  guesses: Guesses.counted(guesses, at, attemptId)
})

/**
 * Takes one wrong guess back from the user, and from the pending code if it is still the same. Changes nothing if the
 * attempt is already settled.
 */
const takenBack = (
  { guesses, pending }: UserPhone,
  { attemptId, codeId, dead }: { readonly attemptId: string; readonly codeId: string; readonly dead?: Dead }
): Partial<UserPhone> =>
  Guesses.isSettled(guesses, attemptId) ? {} : {
    pending: pending?._tag === "ProviderCode" && pending.codeId === codeId
      ? { ...pending, wrongGuesses: Math.max(0, pending.wrongGuesses - 1), ...(dead && { dead }) }
      : pending,
    guesses: Guesses.takenBack(guesses, attemptId)
  }
