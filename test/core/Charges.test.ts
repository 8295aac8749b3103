/** Which counters codes and guesses charge, and whose number it is. */
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { Charge } from "../../src/core/Counters.ts"
import * as Charges from "../../src/core/internal/Charges.ts"
import * as Limits from "../../src/core/Limits.ts"
import type { CodeRecord } from "../../src/core/PendingCode.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { at, code, fingerprint, registered, returned } from "../fixtures/Aggregate.ts"

const number = fingerprint("1")
const holder = { ...registered, proven: number }
const others = { ...registered, proven: fingerprint("2") }
const codes = [code("c", at(0))] as const
const window = { max: 10, within: Duration.hours(24) }

const counters = (charges: ReadonlyArray<Charge>) => charges.map(({ counter }) => counter)

describe("Charges", () => {
  it("count a code for its number and for its user", () => {
    assertSame(Charges.forCode(Limits.defaults, registered, number, at(7)), [
      {
        counter: `codes/number/${number}`,
        reason: "CODES_PER_NUMBER",
        at: at(7),
        windows: [
          { max: 5, within: Duration.minutes(10) },
          { max: 10, within: Duration.hours(1) },
          { max: 20, within: Duration.hours(24) }
        ]
      },
      {
        counter: `codes/user/${registered.userId}`,
        reason: "CODES_PER_USER",
        at: at(7),
        windows: [{ max: 20, within: Duration.hours(24) }]
      }
    ])
  })

  it("count a wrong guess for the number of its code", () => {
    assertSame(Charges.forGuess(Limits.defaults, registered, { codes, right: false }, at(0)), [{
      counter: `wrong-guesses/number/${number}`,
      reason: "WRONG_GUESSES_PER_NUMBER",
      at: at(0),
      windows: [window]
    }])
  })

  it("ask of a right guess the room that a wrong one would take, and no more", () => {
    for (const user of [registered, holder]) {
      const [right, wrong] = [true, false].map((right) =>
        Charges.forGuess(Limits.defaults, user, { codes, right }, at(0))
      )
      assertSame(right, wrong!.map((charge) => ({ ...charge, instead: "check" })))
    }
  })

  it("count who has proven the number apart from whom a host vouched for, and both apart from all others", () => {
    const vouched = { ...registered, proven: Charges.vouchedFor(number) }
    const vouchedElsewhere = { ...registered, proven: Charges.vouchedFor(fingerprint("2")) }
    for (const right of [true, false]) {
      const counterFor = (user: typeof registered) =>
        counters(Charges.forGuess(Limits.defaults, user, { codes, right }, at(0)))
      assertSame(counterFor(holder), [`wrong-guesses/holders-of-number/${number}`])
      assertSame(counterFor(vouched), [`wrong-guesses/vouched-for-number/${number}`])
      for (const user of [registered, others, vouchedElsewhere]) {
        assertSame(counterFor(user), [`wrong-guesses/number/${number}`])
      }
    }
    const counterFor = (user: typeof registered) => counters(Charges.forCode(Limits.defaults, user, number, at(0)))[0]
    assert.strictEqual(counterFor(holder), `codes/holders-of-number/${number}`)
    assert.strictEqual(counterFor(vouched), `codes/vouched-for-number/${number}`)
    for (const user of [registered, others, vouchedElsewhere]) {
      assert.strictEqual(counterFor(user), `codes/number/${number}`)
    }
  })

  it("count notices by what the number stands proven as", () => {
    const counterOf = (proven: string) => counters(Charges.forNotice(Limits.defaults, proven, at(0)))[0]
    assert.notStrictEqual(counterOf(number), counterOf(Charges.vouchedFor(number)))
  })

  it("count guesses at codes that were sent, not at those that were returned", () => {
    const [sent, given] = [code("c", at(0)), returned("d", at(0))]
    const charged = (codes: readonly [CodeRecord, ...Array<CodeRecord>]) =>
      Charges.forGuess(Limits.defaults, registered, { codes, right: false }, at(0)).length
    assert.deepStrictEqual([charged([sent]), charged([given]), charged([sent, given]), charged([given, sent])], [
      1,
      0,
      1,
      1
    ])
  })

  it("count nothing where a limit is off", () => {
    assertSame(Charges.forCode(Limits.off, registered, number, at(0)), [])
    const { codesPerNumber, codesPerUser } = Limits.defaults
    for (
      const [limit, reason] of [[{ codesPerNumber }, "CODES_PER_NUMBER"], [{ codesPerUser }, "CODES_PER_USER"]] as const
    ) {
      const charges = Charges.forCode({ ...Limits.off, ...limit }, registered, number, at(0))
      assertSame(charges.map((charge) => charge.reason), [reason])
    }
    assertSame(Charges.forGuess(Limits.off, registered, { codes, right: false }, at(0)), [])
  })
})
