/**
 * The port that hands one message to whoever delivers it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { PhoneNumber } from "./PhoneNumber.ts"

/** It may work later: the provider is down, slow or unreachable. */
export class Transient extends Schema.TaggedClass<Transient>()("Transient", { cause: Schema.Defect() }) {}

/** It will work later: too many messages for now. */
export class Throttled extends Schema.TaggedClass<Throttled>()("Throttled", {
  /** What the provider asked to wait, if it said. */
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
 * A message was not handed over. The reason says whether to try again.
 *
 * @category errors
 * @since 0.1.0
 */
export class SmsNotSent extends Schema.TaggedError<SmsNotSent>()("SmsNotSent", {
  reason: Schema.Union([Transient, Throttled, Permanent, OptedOut])
}) {
  override get message() {
    return `SMS not sent: ${this.reason._tag}`
  }
}

/**
 * A rendered message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sms {
  /** The same for every attempt at one message: the idempotency key for providers that take one. */
  readonly messageId: string
  readonly recipient: PhoneNumber
  readonly text: Redacted.Redacted
}

/**
 * @category services
 * @since 0.1.0
 */
export class SmsNotifier extends Context.Service<SmsNotifier, {
  /** Answers the provider's own id of the message, if it gives one. */
  readonly send: (sms: Sms) => Effect.Effect<string | undefined, SmsNotSent>
}>()("effect-user-phone/core/SmsNotifier") {}
