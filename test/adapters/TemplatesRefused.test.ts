/** Options of which no texts can be made: each fault, and how it is told. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as IcuSmsText from "../../src/adapters/IcuSmsText.ts"
import { rendererOf } from "../fixtures/Texts.ts"

describe("Texts", () => {
  const wide = "ж".repeat(63)
  const refused: ReadonlyArray<readonly [what: string, own: IcuSmsText.IcuSmsTextOptions, message: string]> = [
    [
      "an option that there is not",
      { defaultLang: "de" } as IcuSmsText.IcuSmsTextOptions,
      "defaultLang: it is no option; write one of defaultLanguage, host, maxParts, templates"
    ],
    [
      "options that are none",
      null as never,
      "options: they are no object; write one with any of defaultLanguage, host, maxParts, templates"
    ],
    [
      "a host that is no text",
      { host: 5 as never },
      "host: it is no text; write the domain name alone, such as example.com"
    ],
    [
      "a default language that is no text",
      { defaultLanguage: null as never },
      "defaultLanguage: it is not a language tag; write one of BCP 47, such as de or pt-BR"
    ],
    [
      "templates that are none",
      { templates: null as never },
      "templates: it is no object; write { code, replaced, removed } for each language"
    ],
    [
      "a text in place of the templates of a language",
      { templates: { de: "{code}" as never } },
      "templates.de: it is no object; write { code, replaced, removed } for each language"
    ],
    [
      "a template that is no text",
      { templates: { de: { code: 5 as never } } },
      "templates.de.code: it is no text; write a text, or leave it out"
    ],
    [
      "a brace that is left open",
      { templates: { de: { code: "Code {code" } } },
      "templates.de.code: it is not ICU message syntax: EXPECT_ARGUMENT_CLOSING_BRACE; close every brace, and give every plural a branch `other`"
    ],
    [
      "a plural without other",
      { templates: { de: { code: "{code} {minutes, plural, one {eine}}" } } },
      "templates.de.code: it is not ICU message syntax: MISSING_OTHER_CLAUSE; close every brace, and give every plural a branch `other`"
    ],
    [
      "an argument that is not known",
      { templates: { de: { code: "{code} {minuten} {name}" } } },
      "templates.de.code: it has no argument {minuten}; use {code} and {minutes} only\n  templates.de.code: it has no argument {name}; use {code} and {minutes} only"
    ],
    [
      "an argument that is not known, in a branch",
      { templates: { de: { code: "{code} {minutes, plural, one {{app}} other {#}}" } } },
      "templates.de.code: it has no argument {app}; use {code} and {minutes} only"
    ],
    [
      "an argument in a notice",
      { templates: { de: { removed: "Weg: {code}" } } },
      "templates.de.removed: it has no argument {code}; a notice has no arguments: say it in words"
    ],
    [
      "a code that is missing",
      { templates: { de: { code: "Code" } } },
      "templates.de.code: {code} occurs nowhere; write {code} exactly once, without quotes around it"
    ],
    [
      "a code that is quoted",
      { templates: { de: { code: "'{code}'" } } },
      "templates.de.code: {code} occurs nowhere; write {code} exactly once, without quotes around it"
    ],
    [
      "a code that is there twice",
      { templates: { de: { code: "{code} {code}" } } },
      "templates.de.code: {code} occurs 2 times; write {code} exactly once, without quotes around it"
    ],
    [
      "a code in a branch",
      { templates: { de: { code: "{minutes, plural, one {{code}} other {#}}" } } },
      "templates.de.code: {code} is in a branch; write {code} outside of every plural"
    ],
    [
      "a code in every branch",
      { templates: { de: { code: "{minutes, plural, one {{code}} other {{code}}}" } } },
      "templates.de.code: {code} is in a branch; write {code} outside of every plural"
    ],
    [
      "a code that is a number",
      { templates: { de: { code: "{code, number}" } } },
      "templates.de.code: {code} is formatted; write {code} and nothing else between its braces"
    ],
    [
      "a code that selects",
      { templates: { de: { code: "{code} {code, select, 1 {a} other {b}}" } } },
      "templates.de.code: {code} is formatted; write {code} and nothing else between its braces"
    ],
    ...["{minutes, number}", "{minutes, date}", "{minutes, selectordinal, other {#}}", "{minutes, select, other {x}}"]
      .concat("{minutes, plural, offset:1 other {#}}").map((minutes) =>
        [
          `minutes as ${minutes}`,
          { templates: { de: { code: `{code} ${minutes}` } } },
          "templates.de.code: {minutes} is formatted; write {minutes}, or {minutes, plural, …} with # for the number"
        ] as const
      ),
    [
      "an empty text",
      { templates: { de: { removed: " " } } },
      "templates.de.removed: it is empty; write a text, or leave it out"
    ],
    [
      "a language that is none",
      { templates: { german: { code: "{code}" }, de_CH: { code: "{code}" } } },
      "templates.german: it is not a language tag; write one of BCP 47, such as de or pt-BR\n  templates.de_CH: it is not a language tag; write one of BCP 47, such as de or pt-BR"
    ],
    [
      "a language in two spellings",
      { templates: { "de-ch": { code: "{code}" }, "de-CH": { removed: "weg" } } },
      "templates.de-CH: de-CH is there twice; put its templates together"
    ],
    [
      "a message that is none",
      { templates: { de: { deleted: "weg" } as IcuSmsText.LanguageTemplates } },
      "templates.de.deleted: there is no such message; write one of code, replaced, removed"
    ],
    [
      "a code's text that is too long",
      { templates: { de: { code: `${wide}{code}` } } },
      "templates.de.code: it takes up to 2 SMS (71 units of UCS-2); shorten it, or raise maxParts, which is 1"
    ],
    [
      "a notice that is too long",
      { templates: { de: { removed: `${wide}${wide}${wide}` } }, maxParts: 2 },
      "templates.de.removed: it takes up to 3 SMS (189 units of UCS-2); shorten it, or raise maxParts, which is 2"
    ],
    [
      "a text that is too long with its host",
      { templates: { de: { code: `${"a".repeat(136)}{code}` } }, host: "a.io" },
      "templates.de.code: it takes up to 2 SMS (161 units of GSM-7); shorten it, or raise maxParts, which is 1"
    ],
    [
      "a text that is too long at a time of its own",
      { templates: { de: { code: `{code} {minutes, plural, =90 {${"a".repeat(160)}} other {#}}` } } },
      "templates.de.code: it takes up to 2 SMS (169 units of GSM-7); shorten it, or raise maxParts, which is 1"
    ],
    [
      "a text that is too long in a plural that few times have",
      { templates: { ru: { code: `{code} {minutes, plural, few {${wide}} other {#}}` } } },
      "templates.ru.code: it takes up to 2 SMS (72 units of UCS-2); shorten it, or raise maxParts, which is 1"
    ],
    [
      "a default that is no tag",
      { defaultLanguage: "de_CH" },
      "defaultLanguage: it is not a language tag; write one of BCP 47, such as de or pt-BR"
    ],
    [
      "a default that lacks messages",
      { defaultLanguage: "sw-KE", templates: { sw: { code: "{code}" } } },
      "defaultLanguage: sw-KE has no template for replaced; add templates.sw-KE.replaced, or choose another language\n  defaultLanguage: sw-KE has no template for removed; add templates.sw-KE.removed, or choose another language"
    ],
    ...[0, 1.5, NaN].map((maxParts) =>
      [
        `${maxParts} parts`,
        { maxParts, templates: { de: { code: "{code}" } } },
        "maxParts: it is not a whole number from 1; write how many SMS to allow"
      ] as const
    ),
    ...([
      ["https://example.com", "has a scheme"],
      ["example.com/login", "has a path"],
      ["example.com:8443", "has a port"],
      ["me@example.com", "has a user"],
      ["münchen.de", "is not written in ASCII (as xn--…)"],
      ["", "is not a domain name"],
      ["example", "is not a domain name"],
      ["example.com.", "is not a domain name"],
      ["exa mple.com", "is not a domain name"],
      ["example.com\n", "is not a domain name"],
      ["-example.com", "is not a domain name"],
      ["example-.com", "is not a domain name"],
      ["ex_ample.com", "is not a domain name"],
      [`${"a".repeat(64)}.com`, "is not a domain name"],
      [`${"a.".repeat(126)}com`, "is not a domain name"],
      ["[::1]", "is not a domain name"],
      ["127.0.0.1", "is an address"]
    ] as const).map(([host, rule]) =>
      [
        `the host ${JSON.stringify(host.slice(0, 20))}`,
        { host },
        `host: it ${rule}; write the domain name alone, such as example.com`
      ] as const
    )
  ]
  for (const [what, options, message] of refused) {
    it.effect(`are refused for ${what}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Layer.build(IcuSmsText.layer(options)))
        assert.strictEqual(error._tag, "TemplatesRefused")
        assert.strictEqual(error.message, `SMS texts refused\n  ${message}`)
      }).pipe(Effect.scoped))
  }

  it.effect("are accepted right below each limit", () =>
    Effect.gen(function*() {
      yield* rendererOf({ templates: { de: { code: `${wide.slice(1)}{code}` } } })
      yield* rendererOf({ templates: { de: { code: `${wide}{code}` } }, maxParts: 2 })
      yield* rendererOf({ templates: { de: { code: `${"a".repeat(135)}{code}` } }, host: "a.io" })
      yield* rendererOf({ templates: { de: { removed: wide + "жжжжжжж" } } })
      yield* rendererOf({ host: "a-1.xn--mnchen-3ya.example" })
      yield* rendererOf({ host: "EXAMPLE.com" })
    }))

  it.effect("have all their faults named at once, with language and message", () =>
    Effect.gen(function*() {
      const { faults } = yield* Effect.flip(rendererOf({
        host: "https://example.com",
        maxParts: -1,
        defaultLanguage: "xx",
        templates: { de: { code: "{code", removed: "{code}" }, "?": { replaced: "{x}" } }
      }))
      assert.deepStrictEqual(faults.map(({ setting, language, message }) => [setting, language, message]), [
        ["host", undefined, undefined],
        ["maxParts", undefined, undefined],
        ["templates.de.code", "de", "code"],
        ["templates.de.removed", "de", "removed"],
        ["templates.?", "?", undefined],
        ["templates.?.replaced", "?", "replaced"],
        ["defaultLanguage", "xx", "code"],
        ["defaultLanguage", "xx", "replaced"],
        ["defaultLanguage", "xx", "removed"]
      ])
    }))
})
