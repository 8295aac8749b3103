/** The English texts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SmsText } from "../../src/core/index.ts"

const code = Redacted.make("314159")
const common = { language: "de" } as const

const render = (input: SmsText.SmsTextInput) =>
  SmsText.SmsText.use((texts) => texts.render(input)).pipe(Effect.provide(SmsText.layerEnglish))

describe("SmsText in English", () => {
  it.effect("says the code and how long it is valid", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        Redacted.value(yield* render({ ...common, kind: "code", code, minutes: 10 })),
        "314159 is your verification code. It is valid for 10 minutes. Do not share it."
      )
      assert.strictEqual(
        Redacted.value(yield* render({ ...common, kind: "code", code, minutes: 1 })),
        "314159 is your verification code. It is valid for 1 minute. Do not share it."
      )
    }))

  it.effect("tells the holder of a number that it was replaced or removed", () =>
    Effect.gen(function*() {
      for (const [change, done] of [["replaced", "replaced in"], ["removed", "removed from"]] as const) {
        assert.strictEqual(
          Redacted.value(yield* render({ ...common, kind: "notice", change })),
          `This phone number was ${done} your account. If this was not you, contact support.`
        )
      }
    }))

  it.effect("stays hidden where it is printed", () =>
    Effect.gen(function*() {
      assert.strictEqual(String(yield* render({ ...common, kind: "code", code, minutes: 10 })), "<redacted:sms>")
    }))
})
