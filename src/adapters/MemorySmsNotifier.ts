/**
 * An inbox instead of a provider: every message is delivered at once and kept for a test or example to read.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { PhoneNumber } from "../core/PhoneNumber.ts"
import { type Sms, SmsNotifier } from "../core/SmsNotifier.ts"

/**
 * What was sent, for tests to read.
 *
 * @category services
 * @since 0.1.0
 */
export class SmsInbox extends Context.Service<SmsInbox, {
  /** What was sent to a number, oldest first. */
  readonly messagesTo: (number: PhoneNumber) => Effect.Effect<ReadonlyArray<Sms>>
  /** Everything that was sent, oldest first. */
  readonly all: Effect.Effect<ReadonlyArray<Sms>>
}>()("effect-user-phone/adapters/MemorySmsNotifier/SmsInbox") {}

/**
 * A notifier that keeps each message in an `SmsInbox`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SmsNotifier | SmsInbox> = Layer.effectContext(Effect.sync(() => {
  const messages: Array<Sms> = []
  return Context.make(SmsNotifier, {
    send: (sms) =>
      Effect.sync(() => {
        messages.push(sms)
        return { provider: "memory", reference: sms.messageId }
      }),
    receipts: new Map()
  }).pipe(Context.add(SmsInbox, {
    messagesTo: (number) =>
      Effect.sync(() => messages.filter(({ recipient }) => Redacted.value(recipient) === Redacted.value(number))),
    all: Effect.sync(() => [...messages])
  }))
}))
