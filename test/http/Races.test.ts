/**
 * Races over real HTTP on PostgreSQL, under the default limits: what is called at once, by one server or by three on one
 * database, comes to what it would in some order.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import {
  type Call,
  type Called,
  layer as layerServers,
  one,
  outcomes,
  parted,
  race,
  type Raced,
  total
} from "../fixtures/Race.ts"
import { assertLog, assertUntouched, chargesOf } from "../fixtures/RaceLog.ts"
import {
  mixed,
  newNumber,
  newUser,
  proving,
  resendAndReturn,
  setAndReturn,
  setAndSend,
  verify,
  wrong
} from "../fixtures/Racer.ts"

const rounds = 20

layer(layerServers(3), { excludeTestServices: true, timeout: "60 seconds" })("Races", (it) => {
  for (const [where, servers] of [["at one server", 1], ["at three servers on one database", 3]] as const) {
    /** So many calls at one server, 32 at each of several. */
    const times = (alone: number) => servers === 1 ? alone : 32 * servers

    describe(where, () => {
      it.effect("of wrong guesses: five are looked at, those are counted, and no others", () =>
        Effect.gen(function*() {
          const lost = yield* repeat(() =>
            Effect.gen(function*() {
              const { code, set, userId } = yield* proving
              const called = yield* race(
                servers,
                Array.from({ length: times(64) }, (_, index) => verify(userId, wrong(index)))
              )
              assert.deepStrictEqual(outcomes(called), {
                ...Object.fromEntries([4, 3, 2, 1, 0].map((left) => [`CODE_WRONG, ${left} left`, 1])),
                "CODE_SPENT, 0 left": called.length - 5
              })
              assertLooks(servers, called)
              const late = yield* one(verify(userId, code))
              assert.strictEqual(late.outcome, "CODE_SPENT, 0 left")
              const { guesses, pending } = yield* assertLog(userId, [set, ...called, late])
              assert.strictEqual(pending!.wrongGuesses, 5)
              assert.strictEqual(guesses.wrongInARow, 5)
              assert.strictEqual(guesses.wrongAt.length, 5)
              return total(called, "lost")
            })
          )
          // Several servers do get in each other's way.
          assert.strictEqual(lost.some((count) => count > 0), servers > 1)
        }))

      it.effect("of wrong guesses by five users at codes sent to one number: ten are counted", () =>
        repeat(() =>
          Effect.gen(function*() {
            const phone = newNumber()
            const userIds = yield* Effect.replicateEffect(newUser, 5, { concurrency: 5 })
            const sets = yield* Effect.forEach(userIds, (userId) => one(setAndSend(userId, phone)), { concurrency: 5 })
            const called = yield* race(
              servers,
              Array.from({ length: times(64) }, (_, index) => verify(userIds[index % 5]!, wrong(index)))
            )
            for (const { outcome } of called) {
              assert.match(outcome, /^(CODE_WRONG, \d left|CODE_SPENT, 0 left|WRONG_GUESSES_PER_NUMBER)$/)
            }
            assert.strictEqual(total(called, "committed"), 10)
            assertLooks(servers, called)
            for (const [index, userId] of userIds.entries()) {
              yield* assertLog(userId, [sets[index]!, ...called.filter(({ call }) => call.userId === userId)])
            }
          })
        ))

      it.effect("of right guesses: exactly one verifies", () =>
        repeat(() =>
          Effect.gen(function*() {
            const { code, set, userId } = yield* proving
            const called = yield* race(servers, Array.from({ length: times(32) }, () => verify(userId, code)))
            assert.deepStrictEqual(outcomes(called), { done: 1, "NO_CODE, 0 left": called.length - 1 })
            assertLooks(servers, called)
            assert.isTrue((yield* assertLog(userId, [set, ...called])).phone!.verified)
          })
        ))

      it.effect("of verify against remove: the number goes, and its code with it", () =>
        Effect.gen(function*() {
          const won = yield* repeat((round) =>
            Effect.gen(function*() {
              const { code, number, set, userId } = yield* proving
              const remove: Call = { operation: "RemovePhone", userId }
              const called = yield* race(servers, mixed(servers, round, verify(userId, code), remove))
              const [guesses, removals] = parted(called, isGuess)
              assert.deepStrictEqual(outcomes(removals), { done: 1, "COMMAND-ieJ2e": removals.length - 1 })
              const verified = outcomes(guesses)["done"] ?? 0
              assert.isAtMost(verified, 1)
              assert.strictEqual(outcomes(guesses)["NO_CODE, 0 left"], guesses.length - verified)
              assertLooks(servers, guesses)

              const late = yield* one(verify(userId, code))
              assert.strictEqual(late.outcome, "NO_CODE, 0 left")
              const gone = yield* assertLog(userId, [set, ...called, late])
              assert.deepStrictEqual([gone.phone, gone.pending], [undefined, undefined])
              const again = yield* one(setAndReturn(userId, number))
              const old = yield* one(verify(userId, code))
              assert.strictEqual(old.outcome, "CODE_WRONG, 4 left")
              const right = yield* one(verify(userId, again.answer.body.verificationCode))
              assert.strictEqual(right.outcome, "done")
              yield* assertLog(userId, [set, ...called, late, again, old, right])
              return verified === 1
            })
          )
          assertBothWon(won)
        }))

      it.effect("of verify against a change of number: the new number is not verified by the old one's code", () =>
        Effect.gen(function*() {
          const won = yield* repeat((round) =>
            Effect.gen(function*() {
              const { code, set, userId } = yield* proving
              const change = setAndReturn(userId, newNumber())
              const called = yield* race(servers, mixed(servers, round, verify(userId, code), change))
              const [guesses, changes] = parted(called, isGuess)
              assert.deepStrictEqual(outcomes(changes), { done: 1, "COMMAND-Uch5e": changes.length - 1 })
              const verified = outcomes(guesses)["done"] ?? 0
              assert.isAtMost(verified, 1)
              assertLooks(servers, guesses)

              const late = yield* one(verify(userId, code))
              assert.match(late.outcome, /^CODE_(WRONG|SPENT)/)
              const before = yield* assertLog(userId, [set, ...called, late])
              assert.isFalse(before.phone!.verified)
              const resent = yield* one(resendAndReturn(userId))
              const right = yield* one(verify(userId, resent.answer.body.verificationCode))
              assert.strictEqual(right.outcome, "done")
              yield* assertLog(userId, [set, ...called, late, resent, right])
              return verified === 1
            })
          )
          assertBothWon(won)
        }))

      it.effect("of verify against resend: no code is made for a number that is verified", () =>
        Effect.gen(function*() {
          let unavailable = 0
          const won = yield* repeat((round) =>
            Effect.gen(function*() {
              const { code, set, userId } = yield* proving
              const called = yield* race(servers, mixed(servers, round, verify(userId, code), resendAndReturn(userId)))
              const [guesses, resends] = parted(called, isGuess)
              const verified = outcomes(guesses)["done"] ?? 0
              assert.isAtMost(verified, 1)
              assertLooks(servers, guesses, 2)
              for (const { outcome } of guesses) {
                assert.match(outcome, /^(done|NO_CODE|CODE_WRONG|CODE_SPENT|WRONG_GUESSES_PER_USER|503)/)
              }
              for (const { outcome } of resends) assert.match(outcome, /^(done|PHONE-5xrra88eq8|503)$/)
              const given = called.filter(({ outcome }) => outcome === "503")
              for (const { work } of given) assert.strictEqual(work.lost, 11)
              unavailable += given.length

              const late = yield* one(verify(userId, code))
              assert.match(
                late.outcome,
                verified === 1 ? /^NO_CODE/ : /^(CODE_WRONG|CODE_SPENT|WRONG_GUESSES_PER_USER)/
              )
              const again = yield* one(resendAndReturn(userId))
              assert.strictEqual(again.outcome, verified === 1 ? "PHONE-5xrra88eq8" : "done")
              const { phone } = yield* assertLog(userId, [set, ...called, late, again])
              assert.strictEqual(phone!.verified, verified === 1)
              return outcomes(resends)["done"] === undefined
            })
          )
          assertBothWon(won)
          assert.isAtMost(unavailable, servers === 1 ? 0 : 20)
        }))

      it.effect("of one SetPhone with one idempotency key: one is done, with one message, and the others are its replay", () =>
        repeat(() =>
          Effect.gen(function*() {
            const userId = yield* newUser
            const set = { ...setAndSend(userId, newNumber()), idempotencyKey: "once" }
            const called = yield* race(servers, Array.from({ length: times(50) }, () => set))
            yield* assertDoneOnce(userId, called)
            const { sequence } = yield* assertLog(userId, called)
            assert.strictEqual(sequence, 2n)
          })
        ))

      it.effect("of one resend with one idempotency key: one is done, with one message, and the others are its replay", () =>
        repeat(() =>
          Effect.gen(function*() {
            const { set, userId } = yield* proving
            const resend: Call = { operation: "ResendPhoneCode", userId, option: {}, idempotencyKey: "once" }
            const called = yield* race(servers, Array.from({ length: times(50) }, () => resend))
            yield* assertDoneOnce(userId, called)
            const { sequence } = yield* assertLog(userId, [set, ...called])
            assert.strictEqual(sequence, 3n)
          })
        ))

      it.effect("of users who set one number: five codes are sent to it, and the others are told when to come back", () =>
        repeat(() =>
          Effect.gen(function*() {
            const phone = newNumber()
            const userIds = yield* Effect.replicateEffect(newUser, times(50), { concurrency: 10 })
            const called = yield* race(
              servers,
              userIds.map((userId) => ({ ...setAndSend(userId, phone), idempotencyKey: userId }))
            )
            assert.deepStrictEqual(outcomes(called), { done: 5, CODES_PER_NUMBER: called.length - 5 })
            const [done, refused] = parted(called, ({ outcome }) => outcome === "done")
            for (const winner of done) yield* assertLog(winner.call.userId, [winner])
            for (const { answer } of refused) {
              const after = Number(answer.headers["retry-after"])
              assert.strictEqual(answer.status, 429)
              assert.isTrue(Number.isInteger(after) && after > 590 && after <= 600, `Retry-After: ${after}`)
            }
            yield* assertUntouched(refused.map(({ call }) => call.userId))
            assert.strictEqual(yield* chargesOf(userIds.map((userId) => `codes/user/${userId}`)), 5)
          })
        ))
    })
  }

  it.effect("notice when the calls were not at work at once", () =>
    Effect.gen(function*() {
      const { code, userId } = yield* proving
      const tooFew = [[1, 31, "unbounded"], [1, 40, 1], [1, 40, 31], [3, 93, "unbounded"]] as const
      for (const [servers, count, concurrency] of tooFew) {
        const exit = yield* Effect.exit(
          race(servers, Array.from({ length: count }, () => verify(userId, code)), concurrency)
        )
        assert.match(
          Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "no race",
          /calls at work at once in server 1 of \d: expected \d+ to be at least 32/
        )
      }
    }))
})

/** Runs a race again and again, four at once. */
const repeat = <A, E, R>(round: (index: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: rounds }, (_, index) => index), round, { concurrency: 4 })

const isGuess = ({ call }: Called) => call.operation === "VerifyPhone"

/**
 * Asserts of guesses that each look at a code, or at so many, was committed and answered, or thrown away unseen: after a lost
 * race, which one server never has, or where a limit was met.
 */
const assertLooks = (servers: number, guesses: Raced, codes = 1) => {
  for (const { outcome, work } of guesses) {
    const looks = work.committed + work.lost + work.refused
    assert.isTrue(looks <= work.compared && work.compared <= looks * codes, JSON.stringify(work))
    assert.strictEqual(work.committed, outcome === "done" || outcome.startsWith("CODE_WRONG") ? 1 : 0)
  }
  if (servers === 1) assert.strictEqual(total(guesses, "lost"), 0)
}

const assertBothWon = (won: ReadonlyArray<boolean>) => {
  assert.include(won, true)
  assert.include(won, false)
}

/** Asserts that of calls with one key one was done, and that the others answer what it has answered. */
const assertDoneOnce = Effect.fnUntraced(function*(userId: string, called: Raced) {
  assert.deepStrictEqual(outcomes(called), { done: 1, replayed: called.length - 1 })
  assert.strictEqual(new Set(called.map(({ answer }) => JSON.stringify(answer.body))).size, 1)
  assert.strictEqual(total(called, "committed"), 1)
  assert.strictEqual(total(called, "lost"), 0)
  assert.strictEqual(yield* chargesOf([`codes/user/${userId}`]), 1)
})
