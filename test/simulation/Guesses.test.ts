/**
 * What guessing comes to at most, measured on the real operations and held against docs/security.md. The sum of the codes
 * that guesses were compared with is the number of chances, each of one code out of all.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as CodeGenerator from "../../src/core/CodeGenerator.ts"
import type { Limits } from "../../src/core/index.ts"
import { Grace } from "../../src/core/ResendPhoneCode.ts"
import {
  chances,
  days,
  everyCode,
  guesser,
  hours,
  minutes,
  mostInADay,
  onlyPairs,
  restless,
  run,
  singles
} from "./Attackers.ts"
import * as Document from "./Document.ts"
import { layer, type Look, World } from "./World.ts"

const documented = (who: string) => {
  const row = Document.table("Chance of a wrongly verified number").find((row) => row["who guesses"] === who)
  return { guesses: Number(row?.["guesses"]), comparisons: Number(row?.["comparisons"]) }
}

const ofUser = documented("one user, at any numbers")
const ofNumber = documented("all users who do not hold a number, at that one")
const ofHeldNumber = documented("all users who hold a number, at that one")
const ofVouchedNumber = documented("all users for whom a host vouched for a number, at that one")
const untilOff = documented("one user, until verification is off")

const comparisons = ({ codes }: Look) => codes
const measured = (looks: ReadonlyArray<Look>) => ({
  guesses: mostInADay(looks),
  comparisons: mostInADay(looks, comparisons)
})

const victim = "+41795550001"
const another = "+41795550002"
const own = "+41795550003"

const inWorld = (changes: Partial<Limits.Limits> = {}) => Effect.provide(layer(changes))

/** Accounts, as many as asked for, and what they looked at. */
const accounts = Effect.fnUntraced(function*(count: number) {
  const { newAccount } = yield* World
  return yield* Effect.replicateEffect(newAccount, count)
})

const looksOf = (looks: ReadonlyArray<Look>, group: ReadonlyArray<{ readonly userId: string }>) =>
  looks.filter(({ userId }) => group.some((account) => account.userId === userId))

const assertWithin = (most: typeof ofUser, bound: typeof ofUser) => {
  assert.isAtMost(most.guesses, bound.guesses)
  assert.isAtMost(most.comparisons, bound.comparisons)
}

describe("the page's arithmetic", () => {
  const percent = (comparisons: number, codes: number) => {
    const value = Number((100 * comparisons / codes).toPrecision(2))
    return `${value < 1e-6 ? value.toFixed(8) : value} %`
  }
  const codesOf = ({ alphabet, length }: CodeGenerator.CodeFormat) => alphabet.length ** length

  it("makes of every row its comparisons by two and its chance", () => {
    const rows = Document.table("Chance of a wrongly verified number")
    assert.lengthOf(rows, 5)
    for (const { chance, comparisons, guesses } of rows) {
      assert.strictEqual(Number(comparisons), 2 * Number(guesses))
      assert.strictEqual(chance, percent(Number(comparisons), codesOf(CodeGenerator.presets.digits6)))
    }
    const zitadel = percent(ofUser.comparisons, codesOf(CodeGenerator.presets.zitadel))
    assert.isTrue(Document.says(`(one of 36^6 codes) ${ofUser.comparisons} comparisons are ${zitadel}`))
  })

  it.effect("has the grace in which two codes are live", () =>
    Effect.gen(function*() {
      assert.isTrue(Document.says(`for ${Duration.toSeconds(yield* Grace)} seconds after a resend`))
    }))
})

describe("a guess", () => {
  it.effect("is right for exactly as many codes as it was compared with", () =>
    Effect.gen(function*() {
      const { enter, guess, looks, send, sent } = yield* World
      const results: Array<boolean> = []
      for (const [index, account] of (yield* accounts(3)).entries()) {
        const number = `+4179555001${index}`
        for (let i = 0; i < 3; i++) {
          const attempt = yield* send(account, number)
          if (i < 2 && attempt._tag === "Done") yield* TestClock.setTime(attempt.canResendAt)
        }
        yield* guess(account)
        const codes = sent.filter((sms) => sms.number === number).map(({ code }) => code)
        assert.lengthOf(codes, 3)
        results.push(yield* enter(account, codes[index]!))
      }
      assert.deepStrictEqual(results, [false, true, true])
      assert.deepStrictEqual(looks.map(comparisons), [2, 2, 2])
    }).pipe(inWorld()))
})

describe("one user in any 24 hours", () => {
  for (const [name, plan] of Object.entries({ onlyPairs, everyCode, singles })) {
    it.effect(`has no more than the page says, guessing for three days (${name})`, () =>
      Effect.gen(function*() {
        const { looks } = yield* World
        const [account] = yield* accounts(1)
        yield* run([guesser([account!], victim, plan)], 3 * days)
        assert.strictEqual(looks.length, 3 * ofUser.guesses)
        assertWithin(measured(looks), ofUser)
      }).pipe(inWorld()))
  }

  it.effect("can have all that the page says, and no more without the limit per number", () =>
    Effect.gen(function*() {
      const { looks, sent } = yield* World
      const [account] = yield* accounts(1)
      yield* run([guesser([account!], victim, onlyPairs)], 3 * days)
      assert.deepStrictEqual(measured(looks), ofUser)
      const lastOfTheDay = looks[ofUser.guesses - 1]!.at
      const cost = (1000 * sent.filter(({ at }) => at <= lastOfTheDay).length).toLocaleString("en")
      assert.isTrue(
        Document.says(`A thousand users at a thousand numbers have 2 % a day for one number of them, at ${cost} SMS`)
      )
    }).pipe(inWorld({ wrongGuessesPerNumber: "off" })))

  it.effect("has no more when it goes from number to number", () =>
    Effect.gen(function*() {
      const { looks } = yield* World
      const [account] = yield* accounts(1)
      for (let day = 0; day < 3; day++) {
        for (const [index, number] of [victim, another].entries()) {
          yield* TestClock.setTime(day * days + index * 2 * minutes)
          yield* run([guesser([account!], number, onlyPairs)], day * days + (index === 0 ? 2 : 23 * 60) * minutes)
        }
      }
      assert.isTrue([victim, another].every((number) => looks.filter((look) => look.number === number).length === 15))
      assert.deepStrictEqual(measured(looks), ofUser)
    }).pipe(inWorld()))
})

describe("one number in any 24 hours", () => {
  it.effect("is not guessed at more than the page says by fifty users at once", () =>
    Effect.gen(function*() {
      const { looks } = yield* World
      yield* run((yield* accounts(50)).map((account) => guesser([account], victim, everyCode)), 2 * days)
      assert.strictEqual(looks.length, 2 * ofNumber.guesses)
      assertWithin(measured(looks), ofNumber)
    }).pipe(inWorld()))

  for (const [name, plan] of Object.entries({ onlyPairs, everyCode, singles })) {
    it.effect(`is not guessed at more than the page says by fifty users in turn (${name})`, () =>
      Effect.gen(function*() {
        const { looks } = yield* World
        yield* run([guesser(yield* accounts(50), victim, plan)], 3 * days)
        assert.strictEqual(looks.length, 3 * ofNumber.guesses)
        assertWithin(measured(looks), ofNumber)
        if (plan === onlyPairs) assert.deepStrictEqual(measured(looks), ofNumber)
      }).pipe(inWorld()))
  }

  it.effect("is guessed at as much again by those who hold it, and by those who were vouched for, however many", () =>
    Effect.gen(function*() {
      const { looks, prove, vouch } = yield* World
      const [holders, vouched, strangers] = [yield* accounts(12), yield* accounts(25), yield* accounts(25)]
      for (const account of vouched) yield* vouch(account, victim)
      for (const account of holders) yield* prove(account, victim)
      yield* run([holders, vouched, strangers].map((group) => guesser(group, victim, onlyPairs)), 5 * days)
      assert.deepStrictEqual(measured(looksOf(looks, holders)), ofHeldNumber)
      assert.deepStrictEqual(measured(looksOf(looks, vouched)), ofVouchedNumber)
      assert.deepStrictEqual(measured(looksOf(looks, strangers)), ofNumber)
    }).pipe(inWorld()))

  it.effect("is guessed at by each user as often as that user may, where a host delivers the codes itself", () =>
    Effect.gen(function*() {
      const { guess, haveReturned, looks } = yield* World
      const users = yield* accounts(5)
      for (const user of users) {
        for (let code = 0; code < 3; code++) {
          yield* haveReturned(user, victim)
          for (let i = 0; i < 5; i++) yield* guess(user)
        }
      }
      assert.isTrue(Document.says(`for N users who ask, it is N × ${looks.length / users.length} guesses a day`))
      // They take no room from the guesses at codes that are sent.
      yield* run([guesser(yield* accounts(1), victim, onlyPairs)], 1 * days)
      assert.strictEqual(looks.length, users.length * ofUser.guesses + ofNumber.guesses)
    }).pipe(inWorld()))

  it.effect("would be guessed at seven times as much without the limit per number", () =>
    Effect.gen(function*() {
      const { looks } = yield* World
      yield* run([guesser(yield* accounts(50), victim, everyCode)], 3 * days)
      const { comparisons } = measured(looks)
      assert.isTrue(Document.says(`10 × (4 × 1 + 5 × 2) = ${comparisons} comparisons, ${comparisons / 10_000} %.`))
      assert.strictEqual(comparisons, 7 * ofNumber.comparisons)
    }).pipe(inWorld({ wrongGuessesPerNumber: "off" })))
})

describe("one user without end", () => {
  it.effect("has as many guesses as the page says until verification is off", () =>
    Effect.gen(function*() {
      const { looks, refusals } = yield* World
      const [account] = yield* accounts(1)
      yield* run([guesser([account!], victim, onlyPairs)], 100 * days)
      assert.strictEqual(looks.length, untilOff.guesses)
      assert.strictEqual(looks.reduce((sum, look) => sum + look.codes, 0), untilOff.comparisons)
      assert.isTrue(refusals.has("VERIFICATION_OFF"))
      const now = yield* Clock.currentTimeMillis
      assert.isAtLeast(now, 9 * days)
      assert.isBelow(now, 10 * days)
    }).pipe(inWorld()))

  it.effect("is never off who proves a number of their own in between, and has no more in a day", () =>
    Effect.gen(function*() {
      const { enter, looks, refusals, send, sent } = yield* World
      const [account] = yield* accounts(1)
      for (let round = 0; round < 2; round++) {
        const start = yield* Clock.currentTimeMillis
        yield* run([guesser([account!], victim, onlyPairs)], start + 8 * days - 1)
        // The last guesses are a day old, so that the right one is looked at.
        yield* TestClock.setTime(start + 8 * days + 1 * hours)
        assert.strictEqual((yield* send(account!, own))._tag, "Done")
        assert.isTrue(yield* enter(account!, sent.at(-1)!.code))
        yield* TestClock.adjust("1 minute")
      }
      assert.isAbove(looks.length, 1.5 * untilOff.guesses)
      assert.isFalse(refusals.has("VERIFICATION_OFF"))
      assertWithin(measured(looks), ofUser)
    }).pipe(inWorld()))
})

describe("any users in any order", () => {
  for (const seed of [1, 2]) {
    it.effect(`have no more than the page says (${seed})`, () =>
      Effect.gen(function*() {
        const { looks } = yield* World
        const users = yield* accounts(4)
        const chance = chances(seed)
        yield* run(
          users.map((user, index) => restless(user, [victim, another], `+4179555002${index}`, chance)),
          2 * days
        )
        for (const user of users) assertWithin(measured(looksOf(looks, [user])), ofUser)
        for (const number of [victim, another]) {
          const at = looks.filter((look) => look.number === number)
          assertWithin(measured(at), ofNumber)
          assert.strictEqual(mostInADay(at), ofNumber.guesses)
        }
        assert.isTrue(looks.some(({ codes }) => codes === 2))
      }).pipe(inWorld()))
  }
})
