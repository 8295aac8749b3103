/** Rolling windows over the times of charges. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import { type Charge, fullUntil, longest, remembered } from "../../src/core/Limits.ts"

const at = (seconds: number) => DateTime.makeUnsafe(Date.UTC(2030, 0, 1) + seconds * 1000)

const charge = (seconds: number): Charge => ({
  counter: "c",
  reason: "R",
  at: at(seconds),
  windows: [{ max: 2, within: Duration.seconds(10) }, { max: 3, within: Duration.seconds(60) }]
})

describe("Limits", () => {
  it("has room while a window holds fewer than its maximum", () => {
    assert.strictEqual(fullUntil([], charge(0)), undefined)
    assert.strictEqual(fullUntil([at(0)], charge(0)), undefined)
  })

  it("is full until the oldest that counts leaves the window, and not a moment longer", () => {
    assert.deepStrictEqual(fullUntil([at(5), at(1)], charge(9)), at(11))
    assert.deepStrictEqual(fullUntil([at(5), at(1)], charge(10.999)), at(11))
    assert.strictEqual(fullUntil([at(5), at(1)], charge(11)), undefined)
  })

  it("names the time at which the last of several full windows opens", () => {
    assert.deepStrictEqual(fullUntil([at(9), at(8), at(1)], charge(10)), at(61))
    assert.deepStrictEqual(fullUntil([at(58), at(57), at(1)], charge(59)), at(67))
  })

  it("remembers as many charges as its widest window counts, for as long as its longest lasts", () => {
    assert.strictEqual(remembered(charge(0)), 3)
    assert.deepStrictEqual(longest(charge(0)), Duration.seconds(60))
  })
})
