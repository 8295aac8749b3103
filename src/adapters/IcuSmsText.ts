/**
 * Texts in many languages, from templates in ICU message syntax (`intl-messageformat`), with a last line that binds a
 * code to a host. An application replaces or adds templates; all of them are checked before the first text is made.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SmsText } from "../core/SmsText.ts"
import * as LanguageTag from "./internal/LanguageTag.ts"
import { builtIn } from "./internal/SmsTemplates.ts"
import * as Template from "./internal/Template.ts"
import * as TextOptions from "./internal/TextOptions.ts"

export type { IcuSmsTextOptions, LanguageTemplates, Templates, TextFault } from "./internal/TextOptions.ts"

/**
 * Texts cannot be made from these options; every fault is named. The error stops the startup, so no request can meet
 * it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TemplatesRefused extends Schema.TaggedError<TemplatesRefused>()("TemplatesRefused", {
  faults: Schema.Array(Schema.Struct({
    setting: Schema.String,
    language: Schema.optionalKey(Schema.String),
    message: Schema.optionalKey(Schema.String),
    rule: Schema.String,
    remedy: Schema.String
  }))
}) {
  override get message() {
    const lines = this.faults.map(({ remedy, rule, setting }) => `${setting}: ${rule}; ${remedy}`)
    return ["SMS texts refused", ...lines].join("\n  ")
  }
}

/**
 * The languages that ship, each with all three messages.
 *
 * @category constants
 * @since 0.1.0
 */
export const languages: ReadonlyArray<string> = Object.keys(builtIn)

/**
 * Texts in 32 languages, or from templates of your own; fails with `TemplatesRefused` if one cannot be rendered or is
 * too long.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: TextOptions.IcuSmsTextOptions = {}) {
  const { defaultLanguage, faults, host, sources, tooLong } = TextOptions.check(options)
  if (faults.length > 0) return yield* new TemplatesRefused({ faults })
  if (tooLong.length > 0) {
    yield* Effect.logWarning(`the host is so long that a code may take one SMS more in ${tooLong.join(", ")}`)
  }

  const parsed = new Map<string, Template.Template>()
  /** Parsed at its first use. */
  const parsedOf = (message: Template.MessageName, tag: string): Template.Template => {
    const key = `${tag} ${message}`
    const known = parsed.get(key)
    if (known !== undefined) return known
    const template = Result.getOrThrow(Template.parse(tag, sources.get(tag)![message]!))
    parsed.set(key, template)
    return template
  }

  /**
   * Looking up a language takes longer than making the text. Only the first lookups are remembered, since users may
   * have any language.
   */
  const found = new Map<string, Template.Template>()
  /** The default language has every message, so there always is one. */
  const templateOf = (message: Template.MessageName, language: string): Template.Template => {
    const key = `${language} ${message}`
    const known = found.get(key)
    if (known !== undefined) return known
    const tag = [language, defaultLanguage].flatMap(LanguageTag.lookup).find((tag) => sources.get(tag)?.[message])!
    const template = parsedOf(message, tag)
    if (found.size < mostFound && key.length < longestFound) found.set(key, template)
    return template
  }

  return SmsText.of({
    render: (input) =>
      Effect.sync(() => {
        const language = input.language ?? defaultLanguage
        const text = input.kind === "code"
          ? Template.codeText(
            templateOf("code", language),
            { code: Redacted.value(input.code), minutes: input.minutes },
            host
          )
          : Template.noticeText(templateOf(input.change, language))
        return Redacted.make(text, { label: "sms" })
      })
  })
})

/** How many lookups are remembered, and the longest key (a language and a message) that is. */
const mostFound = 1000
const longestFound = 100

/**
 * With these options, by default the built-in texts without a host.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: TextOptions.IcuSmsTextOptions): Layer.Layer<SmsText, TemplatesRefused> =>
  Layer.effect(SmsText, make(options))
