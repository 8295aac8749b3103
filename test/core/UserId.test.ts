/** Which texts can be the id of a user or of an organisation, and what is said of the others. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { isStorable, OrganizationId, UserId } from "../../src/core/UserId.ts"

for (const [name, schema] of [["UserId", UserId], ["OrganizationId", OrganizationId]] as const) {
  const decode = Schema.decodeUnknownEffect(schema as Schema.Codec<string, string>)

  describe(name, () => {
    it.effect("is any text of 1 to 200 code points", () =>
      Effect.gen(function*() {
        for (const text of ["a", " ", "x".repeat(200), "😀".repeat(200)]) assert.strictEqual(yield* decode(text), text)
      }))

    it.effect("is not empty or longer", () =>
      Effect.gen(function*() {
        for (const text of ["", "x".repeat(201), "😀".repeat(201)]) {
          const { message } = yield* Effect.flip(decode(text))
          assert.include(message, "value length must be between 1 and 200 runes, inclusive")
        }
      }))

    it.effect("is well-formed and without U+0000", () =>
      Effect.gen(function*() {
        for (const text of ["\u0000", "a\u0000b", "\uD800", "a\uDC00"]) {
          const { message } = yield* Effect.flip(decode(text))
          assert.include(message, "value must be well-formed text without the character U+0000")
        }
      }))
  })
}

describe("a text", () => {
  it("is storable when it is well-formed and without U+0000", () => {
    for (const text of ["", "a", "\u0001", "😀"]) assert.isTrue(isStorable(text))
    for (const text of ["\u0000", "a\u0000b", "\uD83D", "\uDE00\uD83D", "\uD800\u0000"]) {
      assert.isFalse(isStorable(text))
    }
  })
})
