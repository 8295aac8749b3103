/** How a number comes in from a row or a message and goes out again: hidden on the way, and refused without being quoted. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { secret } from "../../src/core/internal/Secret.ts"
import { PhoneNumber } from "../../src/core/PhoneNumber.ts"

const decode = Schema.decodeUnknownEffect(PhoneNumber)
const encode = Schema.encodeUnknownEffect(PhoneNumber)

describe("a secret", () => {
  it.effect("is hidden once it is decoded, and comes out as it went in", () =>
    Effect.gen(function*() {
      const number = yield* decode("+41791234567")
      assert.isTrue(Redacted.isRedacted(number))
      assert.notInclude(JSON.stringify({ number, text: String(number) }), "1234567")
      assert.strictEqual(Redacted.value(number), "+41791234567")
      assert.strictEqual(yield* encode(number), "+41791234567")
    }))

  it.effect("is refused where its value is not one, in either direction, without being quoted", () =>
    Effect.gen(function*() {
      for (
        const refused of [
          Effect.asVoid(decode("0791234567")),
          Effect.asVoid(encode(Redacted.make("0791234567"))),
          Effect.asVoid(encode("+41791234567")),
          Effect.asVoid(encode(Redacted.make(41791234567)))
        ]
      ) {
        const { message } = yield* Effect.flip(refused)
        assert.include(message, "Expected")
        assert.notInclude(message, "1234567")
      }
    }))

  it.effect("bears its label", () =>
    Effect.gen(function*() {
      const code = yield* Schema.decodeUnknownEffect(secret(Schema.String, { label: "code" }))("123456")
      assert.strictEqual(String(code), "<redacted:code>")
    }))
})
