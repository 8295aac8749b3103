/** Texts by ICU templates: which language is taken, templates of an application, and what the documentation says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { IntlMessageFormat } from "intl-messageformat"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as IcuSmsText from "../../src/adapters/IcuSmsText.ts"
import * as SmsSegments from "../../src/adapters/SmsSegments.ts"
import { SmsText } from "../../src/core/index.ts"
import { record } from "../fixtures/Telemetry.ts"
import { longHost, rendererOf } from "../fixtures/Texts.ts"

const root = join(import.meta.dirname, "../..")

describe("The choice of a language", () => {
  it.effect("takes the tag, then its parents, then the default", () =>
    Effect.gen(function*() {
      const { code, notice } = yield* rendererOf({
        defaultLanguage: "fr",
        templates: { "de-AT": { code: "Dein Code, gell: {code}" } }
      })
      const table: ReadonlyArray<readonly [string | undefined, string]> = [
        ["de", "de"],
        ["DE", "de"],
        ["de-CH", "de"],
        ["de-Latn-CH-1996", "de"],
        ["de_CH", "de"],
        ["de-u-co-phonebk", "de"],
        ["de-x-formal", "de"],
        ["de-at", "de-AT"],
        ["de-AT-1996", "de-AT"],
        ["pt-BR", "pt"],
        ["es-419", "es"],
        ["zh", "zh"],
        ["zh-CN", "zh"],
        ["zh-Hans-SG", "zh"],
        ["zh-Hant", "zh-Hant"],
        ["zh-Hant-TW", "zh-Hant"],
        ["zh-TW", "zh-Hant"],
        ["zh-HK", "zh-Hant"],
        ["iw", "he"],
        ["in-ID", "id"],
        ["no", "nb"],
        ["nn-NO", "nb"],
        ["en-GB", "en"],
        ["sw", "fr"],
        ["und", "fr"],
        [undefined, "fr"],
        ["", "fr"],
        ["d", "fr"],
        ["de-", "fr"],
        ["de--CH", "fr"],
        ["x-de", "fr"],
        ["*", "fr"],
        ["German", "fr"],
        ["de,en;q=0.8", "fr"],
        ["de\u0000", "fr"],
        ["__proto__", "fr"],
        ["constructor", "fr"],
        ["-".repeat(100_000), "fr"],
        ["de-x" + "-abcde".repeat(16), "de"],
        ["de-x" + "-abcde".repeat(17), "fr"]
      ]
      for (const [language, expected] of table) {
        assert.strictEqual(yield* code(language), yield* code(expected), language)
        assert.strictEqual(yield* notice(language, "removed"), yield* notice(expected, "removed"), language)
      }
      assert.strictEqual(yield* code("de-AT"), "Dein Code, gell: 747723")
      assert.strictEqual(yield* notice("de-AT", "removed"), yield* notice("de", "removed"))
    }))

  it.effect("defaults to English", () =>
    Effect.gen(function*() {
      const { code, notice } = yield* rendererOf()
      assert.strictEqual(yield* code("sw"), yield* code("en"))
      assert.strictEqual(yield* notice(undefined, "replaced"), yield* notice("en", "replaced"))
    }))
})

it.effect("English is worded as the core words it", () =>
  Effect.gen(function*() {
    const core = yield* Effect.provide(SmsText.SmsText, SmsText.layerEnglish)
    const icu = yield* IcuSmsText.make()
    const code = Redacted.make("747723")
    const inputs: ReadonlyArray<SmsText.SmsTextInput> = [
      ...[1, 2, 10, 60, 1440].map((minutes) => ({ kind: "code", code, minutes, language: "en" } as const)),
      ...(["replaced", "removed"] as const).map((change) => ({ kind: "notice", change, language: "en" } as const))
    ]
    for (const input of inputs) {
      assert.strictEqual(Redacted.value(yield* icu.render(input)), Redacted.value(yield* core.render(input)))
    }
  }))

describe("An application's templates", () => {
  it.effect("replace built-in ones and add to them, one message at a time", () =>
    Effect.gen(function*() {
      const { code, notice } = yield* rendererOf({
        host: "example.com",
        templates: {
          de: { code: "Dein Code: {code}, {minutes, plural, =1 {eine Minute} other {# Minuten}}", removed: undefined },
          "SW-ke": { replaced: "Nambari hii imebadilishwa." }
        }
      })
      const builtInTexts = yield* rendererOf({ host: "example.com" })
      assert.strictEqual(yield* code("de", 1440), "Dein Code: 747723, 1440 Minuten\n\n@example.com #747723")
      assert.strictEqual(yield* code("de", 1), "Dein Code: 747723, eine Minute\n\n@example.com #747723")
      for (const change of ["replaced", "removed"] as const) {
        assert.strictEqual(yield* notice("de", change), yield* builtInTexts.notice("de", change))
      }
      assert.strictEqual(yield* notice("sw-KE", "replaced"), "Nambari hii imebadilishwa.")
      assert.strictEqual(yield* notice("sw-KE", "removed"), yield* builtInTexts.notice("en", "removed"))
      assert.strictEqual(yield* code("sw-KE"), yield* builtInTexts.code("en"))
    }))

  it.effect("may have quotes and tags, and print minutes as plain digits whatever the language", () =>
    Effect.gen(function*() {
      const { code } = yield* rendererOf({
        templates: {
          fr: { code: "L'code '{'d''app'}': {code} <b>{minutes}</b>" },
          "ar-EG": { code: "رمز: {code}\n{minutes, plural, other {#}} {minutes}" },
          "de-CH": { code: "{minutes, plural, one {#} other {# = {minutes}}} {code}" }
        }
      })
      assert.strictEqual(yield* code("fr", 1440), "L'code {d'app}: 747723 <b>1440</b>")
      assert.strictEqual(yield* code("ar-EG", 1440), "رمز: 747723\n1440 1440")
      assert.strictEqual(yield* code("de-CH", 1440), "1440 = 1440 747723")
    }))

  it("take plural rules of English where their language has none, whatever the machine speaks", () => {
    const script = `
      import { Effect, Redacted } from "effect"
      import { make } from ${JSON.stringify(join(root, "src/adapters/IcuSmsText.ts"))}
      const code = Redacted.make("747723")
      const templates = { tlh: { code: "{code} {minutes, plural, one {one} other {other}}" } }
      const { render } = Effect.runSync(make({ templates }))
      const text = (minutes) => Redacted.value(Effect.runSync(render({ kind: "code", code, minutes, language: "tlh" })))
      console.log(new Intl.PluralRules().resolvedOptions().locale, text(1), text(21))`
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "ru_RU.UTF-8" }
    })
    assert.strictEqual(output, "ru-RU 747723 one 747723 other\n")
  })

  it.effect("put a code in as it is", () =>
    Effect.gen(function*() {
      const { code } = yield* rendererOf({ host: "example.com" })
      for (const odd of ["{code}", "'#'", "$&", "<b>", "00000001"]) {
        const text = yield* code("en", 10, odd)
        assert.isTrue(text.startsWith(`${odd} is your`), text)
        assert.isTrue(text.endsWith(`\n\n@example.com #${odd}`), text)
      }
    }))
})

describe("The layer", () => {
  it.effect("keeps texts hidden where they are printed", () =>
    Effect.gen(function*() {
      const { render } = yield* SmsText.SmsText
      const code = Redacted.make("747723")
      assert.strictEqual(
        String(yield* render({ kind: "code", code, minutes: 10, language: "de" })),
        "<redacted:sms>"
      )
      assert.strictEqual(
        JSON.stringify(yield* render({ kind: "notice", change: "removed", language: "de" })),
        "\"<redacted:sms>\""
      )
    }).pipe(Effect.provide(IcuSmsText.layer())))

  it.effect("parses a template at its first use, once", () =>
    Effect.gen(function*() {
      const parse = IntlMessageFormat.__parse!
      let calls = 0
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          IntlMessageFormat.__parse = (...args) => {
            calls++
            return parse(...args)
          }
        }),
        () => Effect.sync(() => void (IntlMessageFormat.__parse = parse))
      )
      const { code, notice } = yield* rendererOf({ host: "example.com" })
      assert.strictEqual(calls, 0)
      for (let minutes = 1; minutes < 100; minutes++) yield* code(minutes % 2 === 0 ? "de" : "de-CH", minutes)
      assert.strictEqual(calls, 1)
      yield* notice("de", "removed")
      yield* code("fr")
      assert.strictEqual(calls, 3)
    }))

  it.effect("makes a text of any minutes", () =>
    Effect.gen(function*() {
      const { code } = yield* rendererOf()
      for (const language of IcuSmsText.languages) {
        for (const minutes of [0, -1, 1.5, NaN, Infinity, 1e21]) {
          assert.include(yield* code(language, minutes), "747723")
        }
      }
      assert.include(yield* code("de", 123_456_789), "123456789 Minuten")
    }))

  it.effect("warns where a long host makes codes longer than allowed, and only then", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      yield* rendererOf({ host: longHost })
      yield* rendererOf({ host: `x${longHost}`, maxParts: 2 })
      assert.deepStrictEqual(logs, [])
      yield* rendererOf({ host: `x${longHost}` })
      assert.deepStrictEqual(logs, [
        ["Warn", "the host is so long that a code may take one SMS more in bg, el, he, hi, pt, ru, vi"]
      ])
    }).pipe(Effect.provide(layer))
  })
})

describe("docs/sms-texts.md", () => {
  const page = readFileSync(join(root, "docs/sms-texts.md"), "utf8")

  it("says how many languages there are, as the README does", () => {
    for (const text of [page, readFileSync(join(root, "README.md"), "utf8")]) {
      const numbers = Array.from(text.matchAll(/(\S+) languages\b/g), ([, word]) => Number(word)).filter((n) => n > 0)
      assert.deepStrictEqual([...new Set(numbers)], [IcuSmsText.languages.length])
    }
  })

  it("shows an example that runs and prints what it says", () => {
    const file = join(root, "examples/04-texts-of-your-own.ts")
    const [, example] = /```ts\n([\s\S]*?)```/.exec(page)!
    assert.strictEqual(example, readFileSync(file, "utf8"))
    const [, printed] = /```text\n([\s\S]*?)```/.exec(page)!
    const output = execFileSync(process.execPath, [file], { cwd: root, encoding: "utf8" })
    assert.strictEqual(output, printed)
  })

  it.effect("lists every language with the encoding of its codes and notices", () =>
    Effect.gen(function*() {
      const rows = Array.from(
        page.matchAll(/^\| `([\w-]+)` +\| [^|]+ \| (GSM-7|UCS-2) +\| (GSM-7|UCS-2) +\|$/gm),
        ([, ...cells]) => cells
      )
      const { code, notice } = yield* rendererOf()
      const encodingOf = (text: string) => SmsSegments.count(text).encoding
      for (const change of ["replaced", "removed"] as const) {
        const expected = yield* Effect.forEach(IcuSmsText.languages, (language) =>
          Effect.zipWith(
            code(language),
            notice(language, change),
            (code, notice) => [language, encodingOf(code), encodingOf(notice)]
          ))
        assert.deepStrictEqual(rows, expected)
      }
    }))
})
