/** Codes: what they look like, how they are spread, and what is too weak. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import * as CodeGenerator from "../../src/core/CodeGenerator.ts"

const draw = (format: CodeGenerator.CodeFormat, count: number) =>
  Effect.gen(function*() {
    const generator = yield* CodeGenerator.make(format)
    return (yield* Effect.replicateEffect(generator.next, count)).map((code) => Redacted.value(code))
  }).pipe(Effect.provide(SecureRandom.layerWebCrypto))

describe("CodeGenerator", () => {
  for (const [name, pattern, minutes] of [["digits6", /^\d{6}$/, 10], ["zitadel", /^[A-Z0-9]{6}$/, 60]] as const) {
    it.effect(`makes codes of the preset ${name}`, () =>
      Effect.gen(function*() {
        for (const code of yield* draw(CodeGenerator.presets[name], 500)) assert.match(code, pattern)
        const { lifetime } = yield* CodeGenerator.CodeGenerator
        assert.deepStrictEqual(lifetime, Duration.minutes(minutes))
      }).pipe(Effect.provide(CodeGenerator.layerPreset(name).pipe(Layer.provide(SecureRandom.layerWebCrypto)))))
  }

  it.effect("draws every character equally often at every place", () =>
    Effect.gen(function*() {
      // 36 does not divide 256: a generator that takes bytes modulo 36 favours four characters by an eighth.
      const { alphabet, length } = CodeGenerator.presets.zitadel
      const codes = yield* draw(CodeGenerator.presets.zitadel, 36_000)
      for (let place = 0; place < length; place++) {
        let chiSquare = 0
        for (const character of alphabet) {
          const seen = codes.filter((code) => code[place] === character).length
          chiSquare += (seen - 1000) ** 2 / 1000
        }
        // 35 degrees of freedom: above 90 once in some millions of fair runs; the biased one is at about 200.
        assert.isBelow(chiSquare, 90)
      }
    }))

  it.effect("draws long codes in parts, each place from the whole alphabet", () =>
    Effect.gen(function*() {
      const alphabet = "\u{1F600}\u{1F601}\u{1F602}abcdefghijklmnopqrstuvwxyz"
      const codes = yield* draw({ alphabet, length: 20, lifetime: "10 minutes" }, 2000)
      for (const code of codes) assert.strictEqual(Array.from(code).length, 20)
      for (let place = 0; place < 20; place++) {
        const seen = new Set(codes.map((code) => Array.from(code)[place]))
        assert.deepStrictEqual([...seen].toSorted(), Array.from(alphabet).toSorted())
      }
    }))

  it.effect("keeps leading zeros", () =>
    Effect.gen(function*() {
      const codes = yield* draw(CodeGenerator.presets.digits6, 2000)
      assert.isTrue(codes.some((code) => code.startsWith("0")))
    }))

  const strong: CodeGenerator.CodeFormat = { alphabet: "0123456789", length: 6, lifetime: "10 minutes" }
  const weak: ReadonlyArray<readonly [string, Partial<CodeGenerator.CodeFormat>, string]> = [
    ["fewer than a million codes", { length: 5 }, "there must be at least 1000000 different codes"],
    ["a character twice", { alphabet: "01234567899" }, "the alphabet must not contain a character twice"],
    [
      "a space in the alphabet",
      { alphabet: "0123456789 " },
      "the alphabet must not contain spaces or control characters"
    ],
    ["codes longer than the wire takes", { length: 21 }, "the length must be a whole number from 1 to 20"],
    ["codes without characters", { length: 0 }, "the length must be a whole number from 1 to 20"],
    ["codes of one character", { length: 1 }, "there must be at least 1000000 different codes"],
    ["a length that is no whole number", { length: 6.5 }, "the length must be a whole number from 1 to 20"],
    ["a lifetime over a day", { lifetime: "25 hours" }, "the lifetime must be more than nothing and at most a day"],
    ["no lifetime", { lifetime: 0 }, "the lifetime must be more than nothing and at most a day"]
  ]
  for (const [name, change, rule] of weak) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(draw({ ...strong, ...change }, 1))
        assert.strictEqual(error.rule, rule)
        assert.strictEqual(error.message, `code format refused: ${rule}`)
      }))
  }

  it.effect("leaves out what would make some characters likelier than others, and draws again for it", () =>
    Effect.gen(function*() {
      // 65,536 is 3,276 times 20 and 16 more: from 65,520 on nothing is taken.
      const drawn = [[65_519, 65_520, 65_535, 0, 65_535, 20], [65_533, 39, 1], [2]]
      const asked: Array<number> = []
      const random = yield* SecureRandom.SecureRandom
      const scripted = {
        ...random,
        randomBytes: (size: number) =>
          Effect.sync(() => {
            asked.push(size)
            return Uint8Array.from(drawn.shift()!.flatMap((two) => [two >> 8, two & 255]))
          })
      }
      const { next } = yield* CodeGenerator.make({ ...strong, alphabet: "ABCDEFGHIJKLMNOPQRST" }).pipe(
        Effect.provideService(SecureRandom.SecureRandom, scripted)
      )
      assert.strictEqual(Redacted.value(yield* next), "TAATBC")
      assert.deepStrictEqual(asked, [12, 6, 2])
    }).pipe(Effect.provide(SecureRandom.layerWebCrypto)))

  const read = (format: CodeGenerator.CodeFormat, typed: string) =>
    CodeGenerator.make(format).pipe(
      Effect.map((generator) => Redacted.value(generator.read(Redacted.make(typed)))),
      Effect.provide(SecureRandom.layerWebCrypto)
    )
  const { digits6, zitadel } = CodeGenerator.presets
  const forgiven: ReadonlyArray<readonly [typed: string, read: string, CodeGenerator.CodeFormat]> = [
    ["012345", "012345", digits6],
    [" 012 345\n", "012345", digits6],
    ["012\u00A0345", "012345", digits6],
    ["012-3\u20114\u20145", "012345", digits6],
    ["\uFF10\uFF11\uFF12\uFF0D\uFF13\uFF14\uFF15", "012345", digits6],
    ["\u200F\u0660\u0661\u0662\u0663\u0664\u0669", "012349", digits6],
    ["\u06F0\u06F9 \u0966\u096F \u0E50\u0E59", "090909", digits6],
    ["\u{1D7CE}\u{1D7FF}", "09", digits6],
    ["\u{116D0}\u{116D9}\u{116DA}\u{116E3}", "0909", digits6],
    ["123\u2212456", "123456", digits6],
    ["ab 1-2C\uFF58", "AB12CX", zitadel],
    ["0O1l", "0O1L", zitadel],
    ["- \u200B", "", digits6],
    ["", "", digits6],
    ["\u00BD x.", "1\u20442X.", digits6]
  ]
  for (const [typed, expected, format] of forgiven) {
    it.effect(`reads ${JSON.stringify(typed)} as ${JSON.stringify(expected)}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* read(format, typed), expected)
      }))
  }

  it.effect("never touches a character of the alphabet", () =>
    Effect.gen(function*() {
      const mixed = { ...strong, alphabet: "abcdefABCDEF0-\u0661\uFF12", length: 8 }
      assert.strictEqual(yield* read(mixed, "aB-\u0661\uFF12 g\uFF13"), "aB-\u0661\uFF12g3")
      const lower = { ...strong, alphabet: "abcdefghijklmnopqrstuvwxyz" }
      assert.strictEqual(yield* read(lower, "Ab"), "Ab")
      for (const format of [digits6, zitadel, mixed, lower, unambiguous]) {
        for (const code of yield* draw(format, 50)) assert.strictEqual(yield* read(format, code), code)
      }
    }))

  const unambiguous: CodeGenerator.CodeFormat = {
    alphabet: CodeGenerator.unambiguous,
    length: 6,
    lifetime: "10 minutes"
  }

  it.effect("has an alphabet in which nothing looks alike, no vowel, and 47 million codes of six", () =>
    Effect.gen(function*() {
      for (const group of ["0OQD", "1IL", "2Z", "5S", "8B", "UV", "6G", "CG"]) {
        const together = Array.from(group).filter((character) => CodeGenerator.unambiguous.includes(character))
        assert.isAtMost(together.length, 1, group)
      }
      assert.notMatch(CodeGenerator.unambiguous, /[AEIOU]/)
      assert.strictEqual(Math.floor(CodeGenerator.unambiguous.length ** 6 / 1e6), 47)
      for (const code of yield* draw(unambiguous, 100)) assert.match(code, /^[34679CFHJKMNPRTVWXY]{6}$/)
    }))

  it.effect("takes a million codes and a lifetime of a day", () => draw({ ...strong, lifetime: "1 day" }, 1))

  it.effect("makes codes of twenty characters, and no longer ones", () =>
    Effect.gen(function*() {
      for (const code of yield* draw({ ...strong, length: 20 }, 10)) assert.match(code, /^\d{20}$/)
    }))

  it.effect("hides its codes, and what was typed for one, where they are printed", () =>
    Effect.gen(function*() {
      const { next, read } = yield* CodeGenerator.CodeGenerator
      assert.strictEqual(String(yield* next), "<redacted:code>")
      assert.strictEqual(String(read(Redacted.make("123456"))), "<redacted:code>")
    }).pipe(Effect.provide(CodeGenerator.layer(strong).pipe(Layer.provide(SecureRandom.layerWebCrypto)))))
})
