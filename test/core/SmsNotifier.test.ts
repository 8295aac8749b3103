/** Why a message was not handed over, as an operator reads it. */
import { assert, describe, it } from "@effect/vitest"
import { OptedOut, Permanent, SmsNotSent, Throttled, Transient } from "../../src/core/SmsNotifier.ts"

describe("SmsNotSent", () => {
  it("names its reason, and nothing that a provider said", () => {
    const cause = new Error("no route to +41791112233")
    const reasons = [new Transient({ cause }), new Throttled({}), new Permanent({ code: "21211" }), new OptedOut({})]
    assert.deepStrictEqual(reasons.map((reason) => new SmsNotSent({ reason }).message), [
      "SMS not sent: Transient",
      "SMS not sent: Throttled",
      "SMS not sent: Permanent",
      "SMS not sent: OptedOut"
    ])
  })

  it("keeps the cause of a transient failure", () => {
    const cause = new Error("no route")
    assert.strictEqual(new Transient({ cause }).cause, cause)
  })
})
