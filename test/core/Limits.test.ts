/** The rules of the limits: windows that roll, guesses, waits, and what a code costs. */
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { type Charge, fullUntil, longest, remembered } from "../../src/core/Counters.ts"
import {
  defaults,
  faultOf,
  guessesFullUntil,
  guessesLeft,
  isOff,
  isSpent,
  type Limits,
  off,
  waitAfter,
  waitedUntil,
  waitingUntil
} from "../../src/core/Limits.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { at } from "../fixtures/Aggregate.ts"

const charge = (seconds: number): Charge => ({
  counter: "c",
  reason: "R",
  at: at(seconds),
  windows: [{ max: 2, within: Duration.seconds(10) }, { max: 3, within: Duration.seconds(60) }]
})

describe("windows", () => {
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

describe("guesses", () => {
  const times = (count: number, from = 0) => Array.from({ length: count }, (_, index) => at(from + count - 1 - index))
  const guesses = (count: number, wrongInARow = count) => ({ wrongInARow, wrongAt: times(count) })

  it("are five on a code by default, any number where that is off", () => {
    assert.deepStrictEqual([4, 5, 6].map((count) => isSpent(defaults, count)), [false, true, true])
    assert.isFalse(isSpent(off, 1000))
  })

  it("are a hundred in a row by default, any number where that is off", () => {
    assert.deepStrictEqual([99, 100, 101].map((row) => isOff(defaults, guesses(0, row))), [false, true, true])
    assert.isFalse(isOff(off, guesses(0, 1000)))
  })

  it("are ten a day by default: none while the tenth-youngest is under a day old", () => {
    assert.strictEqual(guessesFullUntil(defaults, guesses(9), at(100)), undefined)
    assertSame(guessesFullUntil(defaults, guesses(10), at(86_399.999)), at(86_400))
    assert.strictEqual(guessesFullUntil(defaults, guesses(10), at(86_400)), undefined)
    assertSame(guessesFullUntil(defaults, guesses(12), at(86_400)), at(86_402))
    assert.strictEqual(guessesFullUntil(off, guesses(100), at(100)), undefined)
  })

  it("are a hundred in the window at most, since no more are remembered", () => {
    const limits: Limits = { ...off, wrongGuessesPerUser: { max: 150, within: Duration.hours(1) } }
    assert.strictEqual(guessesFullUntil(limits, guesses(99), at(100)), undefined)
    assertSame(guessesFullUntil(limits, guesses(100), at(100)), at(3600))
    assert.strictEqual(guessesLeft(limits, 0, guesses(100), at(100)), 0)
    assert.strictEqual(guessesLeft(limits, 0, guesses(40), at(100)), 60)
  })

  it("are left as long as every limit leaves some", () => {
    assert.strictEqual(guessesLeft(defaults, 0, guesses(0), at(0)), 5)
    assert.strictEqual(guessesLeft(defaults, 3, guesses(3), at(10)), 2)
    assert.strictEqual(guessesLeft(defaults, 1, guesses(8), at(10)), 2)
    assert.strictEqual(guessesLeft(defaults, 1, guesses(8, 97), at(86_401)), 3)
    assert.strictEqual(guessesLeft(defaults, 7, guesses(12, 120), at(10)), 0)
    assert.strictEqual(guessesLeft(off, 7, guesses(100), at(10)), undefined)
    assert.strictEqual(guessesLeft({ ...off, guessesPerCode: 5 }, 1, guesses(100), at(10)), 4)
    assert.strictEqual(guessesLeft({ ...off, wrongGuessesInARow: 100 }, 1, guesses(10), at(10)), 90)
  })

  it("of a day count until they are exactly a day old", () => {
    assert.strictEqual(guessesLeft(defaults, 0, guesses(8), at(86_399.999)), 2)
    assert.strictEqual(guessesLeft(defaults, 0, guesses(8), at(86_400)), 3)
  })
})

describe("limits", () => {
  const window = { max: 1, within: Duration.seconds(1) }
  const wait = { first: Duration.seconds(30), longest: Duration.seconds(30), jitter: 0 }

  it("are in order by default, and where they are off", () => {
    assert.deepStrictEqual([defaults, off].map((limits) => faultOf(limits, true)), [undefined, undefined])
  })

  it("per number and per user's codes need a store that counts, and no others do", () => {
    const { codesPerNumber, codesPerUser, noticesPerNumber, wrongGuessesPerNumber, ...others } = defaults
    const counted = [{ codesPerNumber }, { codesPerUser }, { wrongGuessesPerNumber }, { noticesPerNumber }]
    for (const limit of counted) {
      assert.match(faultOf({ ...off, ...limit }, false) ?? "", /need a store with counters/)
      assert.isUndefined(faultOf({ ...off, ...limit }, true))
    }
    assert.isUndefined(faultOf({ ...off, ...others }, false))
  })

  it("are whole numbers from 1", () => {
    for (const max of [0, -1, 1.5, Number.NaN, Infinity, 1_000_000_001, Number.MAX_SAFE_INTEGER]) {
      const faults: ReadonlyArray<Partial<Limits>> = [
        { guessesPerCode: max },
        { wrongGuessesInARow: max },
        { wrongGuessesPerUser: { ...window, max } },
        { wrongGuessesPerNumber: { ...window, max } },
        { noticesPerNumber: [{ ...window, max }] },
        { codesPerNumber: [window, { ...window, max }] },
        { codesPerUser: [{ ...window, max }] }
      ]
      for (const fault of faults) {
        assert.match(faultOf({ ...off, ...fault }, true) ?? "", /whole number from 1/)
      }
    }
    assert.isUndefined(faultOf({ ...off, guessesPerCode: 1, wrongGuessesInARow: 1, codesPerUser: [window] }, true))
  })

  it("have windows that last, and end", () => {
    for (const key of ["codesPerNumber", "codesPerUser", "noticesPerNumber"] as const) {
      assert.match(faultOf({ ...off, [key]: [] }, true) ?? "", /^a list of windows must have one/)
    }
    for (const within of [Duration.zero, Duration.infinity, Duration.days(3_700_000)]) {
      for (const key of ["codesPerNumber", "codesPerUser"] as const) {
        assert.match(faultOf({ ...off, [key]: [window, { max: 1, within }] }, true) ?? "", /^a window must/)
      }
      for (const key of ["wrongGuessesPerUser", "wrongGuessesPerNumber"] as const) {
        assert.match(faultOf({ ...off, [key]: { max: 1, within } }, true) ?? "", /^a window must/)
      }
    }
  })

  it("make waits that last, end, and do not get shorter", () => {
    const wrong = [
      { ...wait, first: Duration.zero },
      { ...wait, longest: Duration.infinity },
      { ...wait, first: Duration.infinity, longest: Duration.infinity },
      { ...wait, longest: Duration.seconds(29) }
    ]
    for (const waitBetweenCodes of wrong) {
      assert.match(faultOf({ ...off, waitBetweenCodes }, true) ?? "", /^waitBetweenCodes must/)
    }
    for (const jitter of [-0.1, 1.1, Number.NaN]) {
      const fault = faultOf({ ...off, waitBetweenCodes: { ...wait, jitter } }, true)
      assert.strictEqual(fault, "the jitter of waitBetweenCodes must be from 0 to 1")
    }
    for (const jitter of [0, 1]) assert.isUndefined(faultOf({ ...off, waitBetweenCodes: { ...wait, jitter } }, true))
  })
})

describe("waits", () => {
  const last = (step: number) => ({ step, sentAt: at(0), until: at(30) })
  const next = (step: number, seconds: number, chance = 0) => {
    const wait = waitAfter(defaults, last(step), at(seconds), chance)!
    return [wait.step, (wait.until.epochMilliseconds - wait.sentAt.epochMilliseconds) / 1000]
  }

  it("begin at 30 seconds and double up to 32 minutes", () => {
    assertSame(waitAfter(defaults, undefined, at(0), 0), { step: 0, sentAt: at(0), until: at(30) })
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5, 6].map((step) => next(step, 60)), [
      [1, 60],
      [2, 120],
      [3, 240],
      [4, 480],
      [5, 960],
      [6, 1920],
      [6, 1920]
    ])
  })

  it("fall by a step for each whole hour without a code, not below the first", () => {
    assert.deepStrictEqual([3599.999, 3600, 7199.999, 7200, 14_400, 500_000].map((span) => next(2, span)), [
      [3, 240],
      [2, 120],
      [2, 120],
      [1, 60],
      [0, 30],
      [0, 30]
    ])
  })

  it("are a tenth longer at most, by chance, and never longer than the longest", () => {
    assert.deepStrictEqual([0, 0.25, 0.999].map((chance) => next(0, 60, chance)[1]), [60, 61.5, 65.994])
    assert.deepStrictEqual([4, 5, 6].map((step) => next(step, 60, 0.5)[1]), [1008, 1920, 1920])
  })

  it("hold up until the moment that they end, and not where they are off", () => {
    assertSame(waitingUntil(defaults, last(0), at(29.999)), at(30))
    assert.strictEqual(waitingUntil(defaults, last(0), at(30)), undefined)
    assert.strictEqual(waitingUntil(defaults, undefined, at(0)), undefined)
    assert.strictEqual(waitingUntil(off, last(0), at(0)), undefined)
  })

  it("are not believed that a clock has fixed which was ahead", () => {
    const longest = { step: 6, sentAt: at(3600), until: at(3600 + 32 * 60) }
    assertSame(waitingUntil(defaults, longest, at(3598)), longest.until)
    assert.strictEqual(waitingUntil(defaults, longest, at(3597)), undefined)
    assert.strictEqual(waitedUntil(defaults, longest, at(3597)), undefined)
    assertSame(waitedUntil(defaults, longest, at(99_999)), longest.until)
    assert.strictEqual(waitingUntil(defaults, longest, at(99_999)), undefined)
  })

  it("take a clock that is a little behind for no time gone by", () => {
    assert.deepStrictEqual(next(2, -2), [3, 240])
  })

  it("end at the longest, also where that is no doubling of the first", () => {
    const limits: Limits = {
      ...defaults,
      waitBetweenCodes: { first: Duration.seconds(10), longest: Duration.seconds(50), jitter: 0 }
    }
    let wait = waitAfter(limits, undefined, at(0), 0.5)
    const spans = [10, 20, 40, 50, 50, 50].map((expected) => {
      const span = (wait!.until.epochMilliseconds - wait!.sentAt.epochMilliseconds) / 1000
      wait = waitAfter(limits, wait, wait!.until, 0.5)
      return [span, expected]
    })
    for (const [span, expected] of spans) assert.strictEqual(span, expected)
    const constant: Limits = {
      ...defaults,
      waitBetweenCodes: { first: Duration.seconds(30), longest: Duration.seconds(30), jitter: 0 }
    }
    assertSame(waitAfter(constant, last(0), at(60), 0), { step: 0, sentAt: at(60), until: at(90) })
  })

  it("are none where they are off", () => {
    assert.strictEqual(waitAfter(off, last(3), at(0), 0), undefined)
  })
})
