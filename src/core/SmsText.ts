/**
 * The port that words a message, and the English text that ships with the core.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { NoticeOf } from "./SmsNotifier.ts"

/**
 * What a text is made from.
 *
 * @category models
 * @since 0.1.0
 */
export type SmsTextInput =
  & {
    /** The user's preferred language as a BCP 47 tag; a renderer falls back to one that it knows. */
    readonly language: string | undefined
  }
  & (
    | {
      readonly kind: "code"
      readonly code: Redacted.Redacted
      /** For how many more minutes the code is good, at least 1. */
      readonly minutes: number
    }
    | {
      readonly kind: "notice"
      /** What became of the verified number that the message goes to. */
      readonly change: NoticeOf
    }
  )

/**
 * Words a message. It never fails: if it does not know a language, it takes another.
 *
 * @category services
 * @since 0.1.0
 */
export class SmsText extends Context.Service<SmsText, {
  readonly render: (input: SmsTextInput) => Effect.Effect<Redacted.Redacted>
}>()("effect-user-phone/core/SmsText") {}

/**
 * English, whatever the user prefers, and without a last line for a host.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEnglish: Layer.Layer<SmsText> = Layer.succeed(SmsText, {
  render: (input) => Effect.sync(() => Redacted.make(english(input), { label: "sms" }))
})

const english = (input: SmsTextInput): string => {
  if (input.kind === "notice") {
    const done = { replaced: "replaced in", removed: "removed from" }[input.change]
    return `This phone number was ${done} your account. If this was not you, contact support.`
  }
  const unit = input.minutes === 1 ? "minute" : "minutes"
  return `${
    Redacted.value(input.code)
  } is your verification code. It is valid for ${input.minutes} ${unit}. Do not share it.`
}
