/**
 * Writes each SMS to the console instead of sending it: for development only, since number and code are then in clear
 * text.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SmsNotifier } from "../core/SmsNotifier.ts"

/**
 * The notifier itself, for a failover over several.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: SmsNotifier["Service"] = {
  send: ({ messageId, recipient, text }) =>
    Effect.as(Console.log(`SMS to ${Redacted.value(recipient)}: ${Redacted.value(text)}`), {
      provider: "console",
      reference: messageId
    }),
  receipts: new Map()
}

/**
 * Writes each message, number and code included, to standard output: for development only.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SmsNotifier> = Layer.succeed(SmsNotifier, make)
