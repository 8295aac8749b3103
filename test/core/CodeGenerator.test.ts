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
    ["a length that is no whole number", { length: 6.5 }, "the length must be a whole number from 1 to 20"],
    ["a lifetime over a day", { lifetime: "25 hours" }, "the lifetime must be more than nothing and at most a day"],
    ["no lifetime", { lifetime: 0 }, "the lifetime must be more than nothing and at most a day"]
  ]
  for (const [name, change, rule] of weak) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(draw({ ...strong, ...change }, 1))
        assert.strictEqual(error.rule, rule)
      }))
  }

  it.effect("takes a million codes and a lifetime of a day", () => draw({ ...strong, lifetime: "1 day" }, 1))
})
