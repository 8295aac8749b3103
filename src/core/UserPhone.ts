/**
 * The aggregate: a user as this module sees it, the events of its phone, and what an event does to the state (`evolve`).
 * All of it is pure. What a command comes to is in `Decision.ts`; stores only load and commit.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { PhoneNumber } from "./PhoneNumber.ts"
import type { OrganizationId, UserId } from "./UserId.ts"

/**
 * What is kept of a one-time code that we made: never the code itself.
 *
 * @category models
 * @since 0.1.0
 */
export const CodeRecord = Schema.Struct({
  codeId: Schema.String,
  /** The fingerprint of the number that the code proves; not necessarily the user's current one. */
  number: Schema.String,
  /** The keyed digest, base64url. */
  digest: Schema.String,
  /** The key that made the digest. */
  keyId: Schema.String,
  /** Whether it goes out by SMS, rather than back to the caller. */
  sent: Schema.Boolean,
  createdAt: Schema.DateTimeUtc,
  expiresAt: Schema.DateTimeUtc
})

/**
 * @category models
 * @since 0.1.0
 */
export type CodeRecord = typeof CodeRecord.Type

/**
 * The code that a user is expected to enter: our own, with the one before it while that is still accepted, or one that a
 * provider made and checks.
 *
 * @category models
 * @since 0.1.0
 */
export const PendingCode = Schema.TaggedUnion({
  OwnCode: {
    current: CodeRecord,
    previous: Schema.optionalKey(CodeRecord),
    /** Wrong guesses on this code and the previous one together. */
    wrongGuesses: Schema.Natural
  },
  ProviderCode: {
    codeId: Schema.String,
    number: Schema.String,
    providerId: Schema.String,
    verificationId: Schema.String,
    wrongGuesses: Schema.Natural
  }
})

/**
 * @category models
 * @since 0.1.0
 */
export type PendingCode = typeof PendingCode.Type

/**
 * A user's wrong guesses. Only a right one, or an unlock, ends the row; nothing clears the times.
 *
 * @category models
 * @since 0.1.0
 */
export const Guesses = Schema.Struct({
  wrongInARow: Schema.Natural,
  /** The times of the youngest hundred wrong guesses, youngest first. */
  wrongAt: Schema.Array(Schema.DateTimeUtc)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Guesses = typeof Guesses.Type

/** No guess yet. */
export const noGuesses: Guesses = { wrongInARow: 0, wrongAt: [] }

/**
 * How many times of wrong guesses a user's state keeps: the most that a limit on them can count.
 *
 * @category constants
 * @since 0.1.0
 */
export const rememberedGuesses = 100

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
  /** The fingerprint of the number that was last verified: it stays when that number is changed or removed. */
  readonly proven: string | undefined
  readonly guesses: Guesses
  /** Undefined before the first code was sent. */
  readonly wait: SendWait | undefined
}

/**
 * What can happen to a phone, by the wire's event types; `verification.unlocked` is an addition.
 *
 * @category models
 * @since 0.1.0
 */
export const PhoneChange = Schema.Union([
  Schema.Struct({ type: Schema.tag("user.human.phone.changed"), number: PhoneNumber }),
  Schema.Struct({ type: Schema.tag("user.human.phone.removed") }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.verified"),
    /** The fingerprint of the number. */
    proven: Schema.String,
    /** Whether the host vouched for the number, rather than the user proving it. */
    vouched: Schema.Boolean
  }),
  Schema.Struct({ type: Schema.tag("user.human.phone.verification.failed"), codeId: Schema.String }),
  Schema.Struct({ type: Schema.tag("user.human.phone.verification.unlocked") }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.code.added"),
    pending: PendingCode,
    /** For a code that is sent, while there is a limit on how soon the next may be. */
    wait: Schema.optionalKey(SendWait)
  }),
  Schema.Struct({
    type: Schema.tag("user.human.phone.code.sent"),
    codeId: Schema.String,
    messageId: Schema.String
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
        guesses: change.vouched ? user.guesses : { ...user.guesses, wrongInARow: 0 }
      }
    case "user.human.phone.verification.failed":
      return {
        pending: user.pending && { ...user.pending, wrongGuesses: user.pending.wrongGuesses + 1 },
        guesses: {
          wrongInARow: user.guesses.wrongInARow + 1,
          wrongAt: [at, ...user.guesses.wrongAt].slice(0, rememberedGuesses)
        }
      }
    case "user.human.phone.verification.unlocked":
      return { guesses: { ...user.guesses, wrongInARow: 0 } }
    case "user.human.phone.code.added":
      return change.wait === undefined ? { pending: change.pending } : { pending: change.pending, wait: change.wait }
    case "user.human.phone.code.sent":
      return {}
  }
}
