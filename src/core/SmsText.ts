/**
 * The port that words a message, and the English text that ships with the core.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/**
 * What a text is made from.
 *
 * @category models
 * @since 0.1.0
 */
export interface SmsTextInput {
  readonly kind: "code"
  /** The user's preferred language as a BCP 47 tag; a renderer falls back to one that it knows. */
  readonly language: string | undefined
  readonly code: Redacted.Redacted
  /** How many minutes the code will still be good, at least 1. */
  readonly minutes: number
}

/**
 * @category services
 * @since 0.1.0
 */
export class SmsText extends Context.Service<SmsText, {
  readonly render: (input: SmsTextInput) => Effect.Effect<Redacted.Redacted>
}>()("effect-user-phone/core/SmsText") {}

/**
 * English, whatever the user prefers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEnglish: Layer.Layer<SmsText> = Layer.succeed(SmsText, {
  render: ({ code, minutes }) =>
    Effect.sync(() =>
      Redacted.make(
        `${Redacted.value(code)} is your verification code. It is valid for ${minutes} ${
          minutes === 1 ? "minute" : "minutes"
        }. Do not share it.`,
        { label: "sms" }
      )
    )
})
