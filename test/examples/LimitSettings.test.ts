/** What the setting LIMITS may say. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Result } from "effect"
import { Limits } from "effect-user-phone"
import { durationOf, parse } from "../../examples/server/LimitSettings.ts"

const { defaults, off } = Limits

const accepted: ReadonlyArray<readonly [text: string, change: Partial<Limits.Limits>]> = [
  ["", {}],
  [" ; ", {}],
  ["guesses-per-code=3", { guessesPerCode: 3 }],
  ["guesses-per-code = off", { guessesPerCode: "off" }],
  ["wrong-guesses-per-user=100/1h", { wrongGuessesPerUser: { max: 100, within: Duration.hours(1) } }],
  ["wrong-guesses-per-number=20/24h", { wrongGuessesPerNumber: { max: 20, within: Duration.hours(24) } }],
  ["wrong-guesses-per-number=101/24h", { wrongGuessesPerNumber: { max: 101, within: Duration.hours(24) } }],
  ["wrong-guesses-per-number=off", { wrongGuessesPerNumber: "off" }],
  ["wrong-guesses-per-user=off", { wrongGuessesPerUser: "off" }],
  ["wrong-guesses-in-a-row=50", { wrongGuessesInARow: 50 }],
  ["wait-between-codes=1m-1h", {
    waitBetweenCodes: { first: Duration.minutes(1), longest: Duration.hours(1), jitter: 0.1 }
  }],
  ["wait-between-codes=30s-30s", {
    waitBetweenCodes: { first: Duration.seconds(30), longest: Duration.seconds(30), jitter: 0.1 }
  }],
  ["codes-per-number=1/90s, 3 / 2d", {
    codesPerNumber: [{ max: 1, within: Duration.seconds(90) }, { max: 3, within: Duration.days(2) }]
  }],
  ["codes-per-user=off; codes-per-number=off;", { codesPerUser: "off", codesPerNumber: "off" }]
]

const refused: ReadonlyArray<readonly [text: string, rule: RegExp]> = [
  ["on", /^on is no limit; write off, or a list of name=value with semicolons; the names are guesses-per-code, /],
  ["codes=5/1h", /^codes=5\/1h is no limit; write off, or a list/],
  ["toString=1", /^toString=1 is no limit/],
  ["guesses-per-code=3; guesses-per-code=4", /^guesses-per-code must be named once$/],
  ["guesses-per-code=0", /^guesses-per-code must be off, or a whole number from 1$/],
  ["guesses-per-code=-1", /^guesses-per-code must/],
  ["guesses-per-code=1.5", /^guesses-per-code must/],
  [
    "wrong-guesses-per-user=101/24h",
    /^wrong-guesses-per-user must be off, or a window of at most 100, such as 10\/24h$/
  ],
  ["wrong-guesses-per-number=0/24h", /^wrong-guesses-per-number must be off, or a window, such as 10\/24h$/],
  ["wrong-guesses-per-user=10", /^wrong-guesses-per-user must/],
  ["wait-between-codes=0s-32m", /^wait-between-codes must/],
  ["wait-between-codes=2m-1m", /^wait-between-codes must be off, or the first and the longest wait, such as 30s-32m$/],
  ["wait-between-codes=30s", /^wait-between-codes must/],
  ["wait-between-codes=30s-1m-2m", /^wait-between-codes must/],
  ["codes-per-number=", /^codes-per-number must be off, or windows with commas, such as 5\/10m,20\/24h$/],
  ["codes-per-number=5/10m,", /^codes-per-number must/],
  ["codes-per-number=0/10m", /^codes-per-number must/],
  ["codes-per-number=5/0m", /^codes-per-number must/],
  ["codes-per-user=5/10m/1h", /^codes-per-user must/],
  ["codes-per-user=5/1w", /^codes-per-user must/],
  ["codes-per-user=2/1h; wait-between-codes=off; codes-per-user=off", /^codes-per-user must be named once$/]
]

describe("LIMITS", () => {
  for (const [text, change] of accepted) {
    it(`takes ${JSON.stringify(text)}`, () => {
      assert.deepStrictEqual(Result.getOrThrow(parse(text)), { ...defaults, ...change })
    })
  }

  it("switches all of them off", () => {
    assert.deepStrictEqual(Result.getOrThrow(parse(" off ")), off)
  })

  for (const [text, rule] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const result = parse(text)
      const faults = Result.isFailure(result) ? result.failure : []
      assert.lengthOf(faults, 1)
      assert.match(faults[0]!, rule)
    })
  }

  it("names everything that is wrong at once", () => {
    const result = parse("codes-per-number=3/10m; foo=1; guesses-per-code=0; wrong-guesses-per-user=200/24h")
    const faults = Result.isFailure(result) ? result.failure : []
    assert.deepStrictEqual(faults.map((fault) => fault.split(/ |=/)[0]), [
      "foo",
      "guesses-per-code",
      "wrong-guesses-per-user"
    ])
  })

  it("reads durations in seconds, minutes, hours and days, and as Effect writes them", () => {
    assert.deepStrictEqual(
      ["0s", "5 m", " 24h", "30d", "30 seconds", "1.5 hours"].map((text) => Duration.toSeconds(durationOf(text)!)),
      [0, 300, 86_400, 2_592_000, 30, 5400]
    )
    for (const text of ["", "5", "m", "-5s", "1.5h", "5S", "-5 seconds", "Infinity", "soon"]) {
      assert.isUndefined(durationOf(text), text)
    }
  })
})
