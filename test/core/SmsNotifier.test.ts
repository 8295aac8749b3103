/** Why a message was not handed over, as an operator reads it. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import {
  AccountRefused,
  DestinationRefused,
  OptedOut,
  Paused,
  Permanent,
  SmsNotSent,
  Throttled,
  Transient
} from "../../src/core/SmsNotifier.ts"

describe("SmsNotSent", () => {
  it("names its reason, and nothing that a provider said", () => {
    const reasons = [
      new Transient({ cause: "no route to +41791112233" }),
      new Throttled({}),
      new Permanent({ code: "21211" }),
      new OptedOut({}),
      new AccountRefused({ code: "20003" }),
      new DestinationRefused({ code: "21408" }),
      new Paused({ until: DateTime.makeUnsafe(0) })
    ]
    assert.deepStrictEqual(reasons.map((reason) => new SmsNotSent({ reason }).message), [
      "SMS not sent: Transient",
      "SMS not sent: Throttled",
      "SMS not sent: Permanent",
      "SMS not sent: OptedOut",
      "SMS not sent: AccountRefused",
      "SMS not sent: DestinationRefused",
      "SMS not sent: Paused"
    ])
  })
})
