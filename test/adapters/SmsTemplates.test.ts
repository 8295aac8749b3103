/** The texts that ship: every language and message at its extremes, and plurals word by word. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as IcuSmsText from "../../src/adapters/IcuSmsText.ts"
import { builtIn } from "../../src/adapters/internal/SmsTemplates.ts"
import * as SmsSegments from "../../src/adapters/SmsSegments.ts"
import { longHost, rendererOf } from "../fixtures/Texts.ts"

const codes = ["W0W1W2W3", "12345678", "4R8TKQ2Z"]

/** Texts that are there more than once, with whose they are. */
const duplicates = (texts: ReadonlyArray<readonly [language: string, text: string]>) =>
  texts.filter(([, text], index) => texts.findIndex(([, other]) => other === text) !== index)

/** What is left in a text of its template's syntax. */
const leftOver = (text: string) => text.split("\n\n@")[0]!.match(/[{}#<>]|plural|minutes,/g)

describe("The built-in texts", () => {
  it("are in ZITADEL's twenty languages, and more", () => {
    const zitadel = "bg cs de en es fr hu id it ja ko mk nl pl pt ro ru sv tr zh".split(" ")
    assert.includeMembers([...IcuSmsText.languages], zitadel)
    assert.deepStrictEqual(
      IcuSmsText.languages.filter((language) => !zitadel.includes(language)),
      "ar da el fi he hi nb sk th uk vi zh-Hant".split(" ")
    )
    assert.deepStrictEqual([...IcuSmsText.languages], IcuSmsText.languages.toSorted())
  })

  for (const language of IcuSmsText.languages) {
    it.effect(`fit one SMS in ${language}, with the longest code, host and time`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(Object.keys(builtIn[language]!), ["code", "replaced", "removed"])
        assert.strictEqual(longHost.length, 20)
        const bound = yield* rendererOf({ host: longHost })
        const plain = yield* rendererOf()
        for (const code of codes) {
          for (const minutes of [1, 2, 5, 10, 22, 60, 1431, 1434, 1440]) {
            const text = yield* bound.code(language, minutes, code)
            const [body, ...rest] = text.split("\n\n")
            assert.deepStrictEqual(rest, [`@${longHost} #${code}`])
            assert.strictEqual(body, yield* plain.code(language, minutes, code))
            assert.strictEqual(body!.split(code).length, 2, body)
            // Between letters that are not Latin, or spaces and signs: nothing that could be taken for a part of it.
            assert.match(body!, new RegExp(`(?<![A-Za-z0-9])${code}(?![A-Za-z0-9])`))
            assert.strictEqual(SmsSegments.count(text).parts, 1, text)
            assert.isNull(leftOver(text), text)
            assert.strictEqual(text.normalize("NFC"), text)
            assert.notMatch(body!, /https?:|www\.|@/)
            // Arabic and Hebrew have words for one and two.
            if (minutes > 2) assert.match(body!.replace(code, ""), new RegExp(`(?<!\\d)${minutes}(?!\\d)`))
          }
        }
        const notices = [yield* bound.notice(language, "replaced"), yield* bound.notice(language, "removed")]
        for (const text of notices) {
          assert.strictEqual(SmsSegments.count(text).parts, 1, text)
          assert.isNull(leftOver(text), text)
          assert.strictEqual(text.normalize("NFC"), text)
          assert.notMatch(text, /\d|https?:|www\.|@|\n/)
        }
      }))
  }

  it.effect("pass the check of an application's own, for the longest host", () =>
    Effect.gen(function*() {
      yield* rendererOf({ host: longHost, templates: builtIn })
      const { faults } = yield* Effect.flip(rendererOf({ host: `x${longHost}`, templates: builtIn }))
      assert.deepInclude(faults, {
        setting: "templates.ru.code",
        language: "ru",
        message: "code",
        rule: "it takes up to 2 SMS (71 units of UCS-2)",
        remedy: "shorten it, or raise maxParts, which is 1"
      })
      yield* rendererOf({ host: `x${longHost}`, templates: builtIn, maxParts: 2 })
    }))

  it.effect("differ from language to language and message to message", () =>
    Effect.gen(function*() {
      const { code, notice } = yield* rendererOf({ defaultLanguage: "en" })
      const texts: Array<readonly [string, string]> = []
      for (const language of IcuSmsText.languages) {
        texts.push([language, yield* code(language)])
        texts.push([language, yield* notice(language, "replaced")])
        texts.push([language, yield* notice(language, "removed")])
      }
      assert.deepStrictEqual(duplicates(texts), [])
      assert.strictEqual(texts.length, 3 * IcuSmsText.languages.length)
      assert.deepStrictEqual(duplicates([...texts, ["planted", texts[7]![1]]]), [["planted", texts[7]![1]]])
    }))

  it("would show what is left of a template's syntax", () => {
    assert.deepStrictEqual(
      ["{code} is it", "valid for # minutes", "{minutes, plural, one {a}}", "fine\n\n@example.com #747723"].map(
        leftOver
      ),
      [["{", "}"], ["#"], ["{", "minutes,", "plural", "{", "}", "}"], null]
    )
  })

  const plurals: Readonly<Record<string, readonly [string, string, string, string]>> = {
    // For 1, 2, 5 and 22 minutes.
    ru: ["Действует 1 минуту.", "Действует 2 минуты.", "Действует 5 минут.", "Действует 22 минуты."],
    uk: ["Діє 1 хвилину.", "Діє 2 хвилини.", "Діє 5 хвилин.", "Діє 22 хвилини."],
    cs: ["Platí 1 minutu.", "Platí 2 minuty.", "Platí 5 minut.", "Platí 22 minut."],
    sk: ["Platí 1 minútu.", "Platí 2 minúty.", "Platí 5 minút.", "Platí 22 minút."],
    pl: ["Wygasa po 1 minucie.", "Wygasa po 2 minutach.", "Wygasa po 5 minutach.", "Wygasa po 22 minutach."],
    bg: ["Важи 1 минута.", "Важи 2 минути.", "Важи 5 минути.", "Важи 22 минути."],
    mk: ["Важи 1 минута.", "Важи 2 минути.", "Важи 5 минути.", "Важи 22 минути."],
    ro: ["Valabil 1 minut.", "Valabil 2 minute.", "Valabil 5 minute.", "Valabil 22 de minute."],
    ar: ["صالح لمدة دقيقة واحدة", "صالح لمدة دقيقتين", "صالح لمدة 5 دقائق", "صالح لمدة 22 دقيقة"],
    he: ["בתוקף לדקה אחת", "בתוקף לשתי דקות", "בתוקף ל-5 דקות", "בתוקף ל-22 דקות"],
    fi: ["voimassa 1 minuutin.", "voimassa 2 minuuttia.", "voimassa 5 minuuttia.", "voimassa 22 minuuttia."],
    de: ["gilt 1 Minute.", "gilt 2 Minuten.", "gilt 5 Minuten.", "gilt 22 Minuten."],
    hu: ["1 percig érvényes.", "2 percig érvényes.", "5 percig érvényes.", "22 percig érvényes."]
  }
  for (const [language, expected] of Object.entries(plurals)) {
    it.effect(`count minutes as one does in ${language}`, () =>
      Effect.gen(function*() {
        const { code } = yield* rendererOf()
        for (const [index, minutes] of [1, 2, 5, 22].entries()) {
          assert.include(yield* code(language, minutes), expected[index]!)
        }
      }))
  }

  it.effect("count on where languages do: 11, 21 and 101 minutes", () =>
    Effect.gen(function*() {
      const { code } = yield* rendererOf()
      assert.include(yield* code("ru", 11), "11 минут.")
      assert.include(yield* code("ru", 21), "21 минуту.")
      assert.include(yield* code("uk", 1431), "1431 хвилину.")
      assert.include(yield* code("mk", 21), "21 минута.")
      assert.include(yield* code("bg", 21), "21 минути.")
      assert.include(yield* code("ro", 19), "19 minute.")
      assert.include(yield* code("ro", 101), "101 minute.")
      assert.include(yield* code("ar", 11), "11 دقيقة")
      assert.include(yield* code("ar", 103), "103 دقائق")
      assert.include(yield* code("ar", 1440), "1440 دقيقة")
    }))

  it.effect("have the signs of their scripts", () =>
    Effect.gen(function*() {
      const { code, notice } = yield* rendererOf()
      const textsOf = (language: string) =>
        Effect.map(
          Effect.all([code(language), notice(language, "replaced"), notice(language, "removed")]),
          (texts) => texts.join("")
        )
      for (const language of ["zh", "zh-Hant", "ja"]) assert.notMatch(yield* textsOf(language), /[,.;:?!()]/)
      assert.notMatch(yield* textsOf("ar"), /[,;?]/)
      // Comma below, not cedilla; and no full stop of another script.
      assert.notMatch(yield* textsOf("ro"), /[\u015e\u015f\u0162\u0163]/)
      assert.notMatch(yield* textsOf("hi"), /\./)
      const scripts: Readonly<Record<string, RegExp>> = {
        Latn: /\p{Script=Latin}/u,
        Cyrl: /\p{Script=Cyrillic}/u,
        Grek: /\p{Script=Greek}/u,
        Arab: /\p{Script=Arabic}/u,
        Hebr: /\p{Script=Hebrew}/u,
        Deva: /\p{Script=Devanagari}/u,
        Thai: /\p{Script=Thai}/u,
        Kore: /\p{Script=Hangul}/u,
        Hans: /\p{Script=Han}/u,
        Hant: /\p{Script=Han}/u,
        Jpan: /[\p{Script=Han}\p{scx=Hira}\p{scx=Kana}]/u
      }
      // A letter of another script that looks the same would make a text dearer, or not to be found.
      for (const language of IcuSmsText.languages) {
        const own = scripts[new Intl.Locale(language).maximize().script!]!
        const letters = (yield* textsOf(language)).replace("OTP", "").match(/\p{L}/gu)!
        assert.deepStrictEqual(letters.filter((letter) => !own.test(letter)), [], language)
      }
    }))

  it.effect("have the code first in English, and at the end of a line where words run from right to left", () =>
    Effect.gen(function*() {
      const { code } = yield* rendererOf({ host: "example.com" })
      assert.strictEqual(
        yield* code("en"),
        "747723 is your verification code. It is valid for 10 minutes. Do not share it.\n\n@example.com #747723"
      )
      for (const language of ["ar", "he"]) {
        assert.match(yield* code(language, 10, "A1B2C3D4"), /^[^A-Za-z0-9\n]+ A1B2C3D4\n/)
      }
    }))
})
