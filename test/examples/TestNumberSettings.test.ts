/** What the setting TEST_NUMBERS may say. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Redacted, Result } from "effect"
import { parse } from "../../examples/server/TestNumberSettings.ts"

const fits = (code: string) => /^\d{6}$/.test(code)

const text = "+15555550100=424242 until 1970-01-02, +41791234567=111111 until 1970-01-02 undeliverable, " +
  "+41791234568=222222 until 1970-01-02 opted-out,+41791234569 = 333333 until 1970-01-02 slow"
const numbers = Result.getOrThrow(parse(text, fits))
const [made, lost, silent, slow] = ["+15555550100", "+41791234567", "+41791234568", "+41791234569"]

describe("TEST_NUMBERS", () => {
  it("names numbers, their codes, their last day and what becomes of messages", () => {
    const told = numbers.map(({ code, number, outcome, until }) => [
      Redacted.value(number),
      Redacted.value(code),
      DateTime.formatIso(until),
      outcome
    ])
    const until = "1970-01-03T00:00:00.000Z"
    assert.deepStrictEqual(told, [
      [made, "424242", until, "delivered"],
      [lost, "111111", until, "undeliverable"],
      [silent, "222222", until, "opted-out"],
      [slow, "333333", until, "slow"]
    ])
    assert.notInclude(JSON.stringify(numbers), "424242")
  })

  it("is refused by the place of what is wrong, without its words", () => {
    const good = "+15555550100=424242 until 2027-01-31"
    const wrong: ReadonlyArray<readonly [entry: string, rule: RegExp]> = [
      ["", /must look like/],
      ["+15555550101", /must look like/],
      ["+15555550101=424242", /must look like/],
      ["+15555550101=424242 until", /must look like/],
      ["+15555550101=424242 until 2027-01-31 delivered twice", /must look like/],
      ["5555550101=424242 until 2027-01-31", /E\.164/],
      ["+410791230101=424242 until 2027-01-31", /E\.164/],
      ["+99955550101=424242 until 2027-01-31", /country that exists/],
      ["+05555550101=424242 until 2027-01-31", /E\.164/],
      ["+15555550101=42424 until 2027-01-31", /code/],
      ["+15555550101=42424x until 2027-01-31", /code/],
      ["+15555550101=424242 until 2027-02-30", /day that exists/],
      ["+15555550101=424242 until 31.1.2027", /day that exists/],
      ["+15555550101=424242 until 2027-01-31 lost", /delivered, slow, undeliverable, opted-out/],
      ["+15555550100=111111 until 2027-01-31", /earlier one/]
    ]
    for (const [entry, rule] of wrong) {
      const problem = Result.getOrThrow(Result.flip(parse(`${good}, ${entry}`, fits)))
      assert.match(problem, rule)
      assert.match(problem, /^entry 2 /)
      assert.notInclude(problem, "5550101")
    }
  })

  it("is refused for all that is wrong at once", () => {
    const entries = ["+15555550101=1 until 2027-01-31", "+15555550102=424242 until 2027-01-31", "x"]
    assert.strictEqual(
      Result.getOrThrow(Result.flip(parse(entries.join(","), fits))),
      "entry 1 must have a code of the length and the characters of other codes; " +
        "entry 3 must look like +15555550100=424242 until 2027-01-31 delivered"
    )
  })
})
