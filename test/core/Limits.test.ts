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
  const names = Object.keys(defaults) as ReadonlyArray<keyof Limits>
  const faultWith = (name: keyof Limits, limit: unknown) => faultOf({ ...off, [name]: limit }, true) ?? ""
  const [counts, windows, lists] = ["number", "object", "list"].map((kind) =>
    names.filter((name) => (Array.isArray(defaults[name]) ? "list" : typeof defaults[name]) === kind)
  ) as unknown as readonly [typeof names, typeof names, typeof names]

  it("are in order by default, and where they are off", () => {
    assert.deepStrictEqual([defaults, off].map((limits) => faultOf(limits, true)), [undefined, undefined])
    assert.sameMembers(Object.keys(off), [...names])
    assert.sameMembers([...counts, ...windows, ...lists], [...names])
  })

  it("per number and per user's codes need a store that counts, and no others do", () => {
    const needing = names.filter((name) => faultOf({ ...off, [name]: defaults[name] }, false) !== undefined)
    assert.sameMembers(needing, ["codesPerNumber", "codesPerUser", "wrongGuessesPerNumber", "noticesPerNumber"])
    assert.strictEqual(
      faultOf({ ...defaults, codesPerNumber: "off" }, false),
      "wrongGuessesPerNumber, codesPerUser, noticesPerNumber need a store with counters: switch them off, or take another store"
    )
  })

  it("are whole numbers from 1", () => {
    for (const max of [0, -1, 1.5, Number.NaN, Infinity, 1_000_000_001, Number.MAX_SAFE_INTEGER, "5", undefined]) {
      const faults = [
        ...counts.map((name) => [name, max] as const),
        ...windows.filter((name) => name !== "waitBetweenCodes").map((name) => [name, { ...window, max }] as const),
        ...lists.map((name) => [name, [window, { ...window, max }]] as const)
      ]
      assert.lengthOf(faults, 7)
      for (const [name, limit] of faults) {
        assert.match(
          faultWith(name, limit),
          new RegExp(`^${name} must be .*a whole number from 1 to [\\d,]+, or "off"$`)
        )
      }
    }
    assert.isUndefined(faultOf({ ...off, guessesPerCode: 1, wrongGuessesInARow: 1, codesPerUser: [window] }, true))
  })

  it("on a user's wrong guesses are a hundred at most, since no more are remembered", () => {
    assert.strictEqual(faultWith("wrongGuessesPerUser", { ...window, max: 100 }), "")
    assert.match(faultWith("wrongGuessesPerUser", { ...window, max: 101 }), /^wrongGuessesPerUser must be .*1 to 100,/)
    assert.strictEqual(faultWith("wrongGuessesPerNumber", { ...window, max: 101 }), "")
  })

  it("have windows that last, and end", () => {
    const spans = [Duration.zero, Duration.infinity, Duration.days(3_700_000), "1 hour", 3_600_000, undefined]
    for (const within of spans) {
      for (const name of lists) {
        assert.match(
          faultWith(name, [window, { max: 1, within }]),
          new RegExp(`^${name} must be a list of windows, each whose within is a Duration`)
        )
      }
      for (const name of ["wrongGuessesPerUser", "wrongGuessesPerNumber"] as const) {
        assert.match(faultWith(name, { max: 1, within }), new RegExp(`^${name} must be a window whose within`))
      }
    }
  })

  it("are of their kind, and none is missing", () => {
    for (const name of names) {
      const others = [counts, windows, lists].find((kind) => !kind.includes(name))!
      for (const limit of [defaults[others[0]!], undefined, null, "on", true, []]) {
        assert.match(faultWith(name, limit), new RegExp(`^${name} must be .*, or "off"$`), JSON.stringify(limit))
      }
    }
  })

  it("make waits that last, end, and do not get shorter", () => {
    const wrong = [
      { ...wait, first: Duration.zero },
      { ...wait, longest: Duration.infinity },
      { ...wait, first: Duration.infinity, longest: Duration.infinity },
      { ...wait, longest: Duration.seconds(29) },
      { ...wait, first: 30 }
    ]
    for (const limit of wrong) {
      assert.match(faultWith("waitBetweenCodes", limit), /^waitBetweenCodes must be a wait whose first and longest are/)
    }
    for (const jitter of [-0.1, 1.1, Number.NaN, undefined]) {
      assert.strictEqual(
        faultWith("waitBetweenCodes", { ...wait, jitter }),
        "waitBetweenCodes must be a wait whose jitter is from 0 to 1, or \"off\""
      )
    }
    for (const jitter of [0, 1]) assert.strictEqual(faultWith("waitBetweenCodes", { ...wait, jitter }), "")
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
