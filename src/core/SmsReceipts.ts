/**
 * SmsReceipts: what providers report of messages that they took. A report counts when it names a message by the receipt
 * id that was given out with it, comes from the provider, and is the first that is final; anything else changes
 * nothing.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CodeVault } from "./CodeVault.ts"
import type { Unavailable } from "./Errors.ts"
import { keepable } from "./internal/Printable.ts"
import * as ReceiptId from "./internal/ReceiptId.ts"
import { Outbox } from "./Outbox.ts"
import { type ReceiptCallback, SmsNotifier } from "./SmsNotifier.ts"

/**
 * Takes the reports that providers make on messages.
 *
 * @category services
 * @since 0.1.0
 */
export class SmsReceipts extends Context.Service<SmsReceipts, {
  /** Takes a report from the provider of that name, and answers whether anything was recorded. */
  readonly take: (provider: string, callback: ReceiptCallback) => Effect.Effect<boolean, Unavailable>
}>()("effect-user-phone/core/SmsReceipts") {}

const make = Effect.gen(function*() {
  const outbox = yield* Outbox
  const { receipts } = yield* SmsNotifier
  const receiptIds = yield* ReceiptId.make

  return SmsReceipts.of({
    take: Effect.fn("SmsReceipts.take")(function*(provider, callback) {
      const messageId = yield* receiptIds.read(callback.receiptId)
      const receipt = yield* receipts.get(provider)?.(callback) ?? Effect.undefined
      if (messageId === undefined || receipt === undefined) return false
      return yield* outbox.report(messageId, keepable(receipt), yield* DateTime.now)
    })
  })
})

/**
 * Over the notifier that reads the reports, and the outbox that knows the messages.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SmsReceipts, never, SmsNotifier | Outbox | CodeVault> = Layer.effect(SmsReceipts, make)
