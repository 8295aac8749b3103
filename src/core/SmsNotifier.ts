/**
 * The port that hands one message to whoever delivers it, and reads their later reports on it.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { UserId } from "./UserId.ts"

/** It may work later: the provider is down, slow or unreachable. */
export class Transient extends Schema.TaggedClass<Transient>()("Transient", {
  /** What went wrong, in the adapter's own words, such as `HTTP 500`; never the number or the text. */
  cause: Schema.String,
  /** How long the provider asked to wait, if it said so. */
  retryAfter: Schema.optionalKey(Schema.DurationFromMillis)
}) {}

/** It will work later: too many messages for now. */
export class Throttled extends Schema.TaggedClass<Throttled>()("Throttled", {
  /** How long the provider asked to wait, if it said so. */
  retryAfter: Schema.optionalKey(Schema.DurationFromMillis)
}) {}

/** It will never work for this message: the number cannot be reached, or the message is refused. */
export class Permanent extends Schema.TaggedClass<Permanent>()("Permanent", {
  /** The provider's error code or a word for it; never the number or the text. */
  code: Schema.String
}) {}

/** The holder of the number has asked this sender to stop. Unlike `Permanent`, only the holder can change that. */
export class OptedOut extends Schema.TaggedClass<OptedOut>()("OptedOut", {}) {}

/**
 * The provider takes no message of this account: wrong credentials, no funds, a closed account. Unlike `Transient`,
 * only the operator can change that, whatever the message.
 */
export class AccountRefused extends Schema.TaggedClass<AccountRefused>()("AccountRefused", {
  /** The provider's error code or a word for it. */
  code: Schema.String
}) {}

/**
 * The account, or its sender, does not reach this destination: the region is not switched on, or the sender is not
 * meant for it. Another provider may reach it. The error says nothing about other messages, since anyone may set a
 * number that is not reached.
 */
export class DestinationRefused extends Schema.TaggedClass<DestinationRefused>()("DestinationRefused", {
  /** The provider's error code or a word for it; never the number or the text. */
  code: Schema.String
}) {}

/** No provider takes messages now, and none was asked, so the attempt does not count. */
export class Paused extends Schema.TaggedClass<Paused>()("Paused", {
  /** When it makes sense to ask again. */
  until: Schema.DateTimeUtc
}) {}

/**
 * A message was not handed over. The reason says whether to try again.
 *
 * @category errors
 * @since 0.1.0
 */
export class SmsNotSent extends Schema.TaggedError<SmsNotSent>()("SmsNotSent", {
  reason: Schema.Union([Transient, Throttled, Permanent, OptedOut, AccountRefused, DestinationRefused, Paused])
}) {
  override get message() {
    return `SMS not sent: ${this.reason._tag}`
  }
}

/**
 * What a message says, for a receiver that words it itself.
 *
 * @category models
 * @since 0.1.0
 */
export type SmsContent =
  | { readonly kind: "code"; readonly code: Redacted.Redacted }
  | { readonly kind: "notice"; readonly change: NoticeOf }

/**
 * What became of the verified number whose holder is told.
 *
 * @category models
 * @since 0.1.0
 */
export type NoticeOf = "replaced" | "removed"

/**
 * A rendered message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sms {
  /** The same for every attempt at one message: the idempotency key for providers that take one. */
  readonly messageId: string
  readonly userId: UserId
  readonly recipient: PhoneNumber
  readonly text: Redacted.Redacted
  readonly content: SmsContent
  /** The language that the user prefers as a BCP 47 tag, if known. */
  readonly language: string | undefined
  /** When the message can no longer help. */
  readonly expiresAt: DateTime.Utc
  /**
   * How often a code was asked for again before this one: a message that did not arrive one way may arrive another way.
   */
  readonly resends: number
  /** The id that a provider has to name when it reports on the message: safe in a URL, and impossible to guess. */
  readonly receiptId: string
}

/**
 * A message is in a provider's hands.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandOver {
  /** The provider's name, such as `twilio`. */
  readonly provider: string
  /** The provider's own id of the message, if it gives one. */
  readonly reference: string | undefined
  /** What became of it, if that is known at once. */
  readonly receipt?: Receipt | undefined
}

/**
 * A provider's report as it came in, over HTTP.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceiptCallback {
  /** The receipt id of the message that the report is about. */
  readonly receiptId: string
  /** The query, without its question mark. */
  readonly query: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/**
 * What became of a message after its hand-over.
 *
 * @category models
 * @since 0.1.0
 */
export type Receipt =
  | { readonly status: "delivered" }
  /** `code` is the provider's error code or a word for it. */
  | { readonly status: "failed"; readonly code: string }

/**
 * What a report says; undefined if it says nothing final, or does not come from the provider.
 *
 * @category models
 * @since 0.1.0
 */
export type ReadReceipt = (callback: ReceiptCallback) => Effect.Effect<Receipt | undefined>

/**
 * Contract:
 *
 * - `send` succeeds once the provider has the message. It may be called again with the same `messageId`. It may be
 *   interrupted, and then ends at once. It needs no timeout of its own: the worker gives up an attempt after half of
 *   its lease.
 * - Its errors and references quote neither the number nor the text.
 *
 * @category services
 * @since 0.1.0
 */
export class SmsNotifier extends Context.Service<SmsNotifier, {
  readonly send: (sms: Sms) => Effect.Effect<HandOver, SmsNotSent>
  /** How to read reports, by the name of the provider that makes them. */
  readonly receipts: ReadonlyMap<string, ReadReceipt>
}>()("effect-user-phone/core/SmsNotifier") {}
