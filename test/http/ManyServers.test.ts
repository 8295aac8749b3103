/**
 * Four server processes on one database under load: everything that can be called at a few users at once, through all of
 * them. Each user's log is dense, and limits and idempotency keys hold to the last one.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type Call, type Called, layer as layerServers, outcomes, parted, race, type Raced } from "../fixtures/Race.ts"
import { assertLog, chargesOf } from "../fixtures/RaceLog.ts"
import { newNumber, proving, setAndSend, verify, wrong } from "../fixtures/Racer.ts"

const servers = 4
const users = servers
/** What the default limits allow, which stay in force; the others would come before them. */
const codesPerUser = 20
const guessesPerCode = 5
const limits = "wait-between-codes=off; codes-per-number=off; wrong-guesses-per-user=off; wrong-guesses-per-number=off"

layer(layerServers(servers, limits), { excludeTestServices: true, timeout: "60 seconds" })("Four servers", (it) => {
  it.effect("send each code once, as many as they may, and count each guess once, as many as there may be", () =>
    Effect.gen(function*() {
      const racers = yield* Effect.replicateEffect(proving, users)
      const called = yield* race(servers, inTurn(racers.map(({ userId }) => load(userId))))
      for (const { set, userId } of racers) {
        const own = called.filter(({ call }) => call.userId === userId)
        const [guesses, sends] = parted(own, ({ call }) => call.operation === "VerifyPhone")
        assertKeys(sends)
        assert.strictEqual(yield* chargesOf([`codes/user/${userId}`]), codesPerUser)
        assertOnly(guesses, /^(CODE_WRONG|CODE_SPENT)/)
        const before = yield* assertLog(userId, [set, ...own])
        assert.isAtMost(before.pending!.wrongGuesses, guessesPerCode)

        // No more codes are sent: the last one has a few guesses left, and no more than those are looked at.
        const late = yield* race(servers, Array.from({ length: 128 }, (_, index) => verify(userId, wrong(index))))
        assertOnly(late, /^(CODE_WRONG|CODE_SPENT)/)
        const after = yield* assertLog(userId, [set, ...own, ...late])
        assert.strictEqual(after.pending!.wrongGuesses, guessesPerCode)
      }
    }))
})

/** More codes than may be sent, each asked for three times with one key, and guesses between them. */
const load = (userId: string): ReadonlyArray<Call> =>
  Array.from({ length: codesPerUser + 6 }, (_, index): ReadonlyArray<Call> => {
    const idempotencyKey = `key-${index}`
    const send: Call = index % 2 === 0
      ? { operation: "ResendPhoneCode", userId, option: {}, idempotencyKey }
      : { ...setAndSend(userId, newNumber()), idempotencyKey }
    return [send, send, send, verify(userId, wrong(2 * index)), verify(userId, wrong(2 * index + 1))]
  }).flat()

/** The first of each, then the second of each, and so on, so that each comes to all servers in turn. */
const inTurn = (loads: ReadonlyArray<ReadonlyArray<Call>>): ReadonlyArray<Call> =>
  loads[0]!.flatMap((_, index) => loads.map((_, place) => loads[(place + index) % loads.length]![index]!))

/** Asserts of calls with keys that as many keys as codes may be sent were done, once each, and the others refused. */
const assertKeys = (called: Raced) => {
  const byKey = Object.groupBy(called, ({ call }) => call.idempotencyKey!)
  const done = Object.values(byKey).filter((twins) => twins!.some(({ outcome }) => outcome === "done"))
  assert.strictEqual(done.length, codesPerUser)
  for (const twins of done) {
    assert.strictEqual(outcomes(twins!)["done"], 1)
    assertOnly(twins!, /^(done|replayed)$/)
    const answers = twins!.filter(({ outcome }) => outcome !== "503").map(({ answer }) => JSON.stringify(answer.body))
    assert.strictEqual(new Set(answers).size, 1)
  }
  assertOnly(called, /^(done|replayed|CODES_PER_USER)$/)
  for (const twins of Object.values(byKey)) if (!done.includes(twins)) assertOnly(twins!, /^CODES_PER_USER$/)
}

/** Asserts what calls came to, or that they gave up after ten lost races in a row. */
const assertOnly = (called: ReadonlyArray<Called>, expected: RegExp) => {
  for (const { outcome, work } of called) {
    if (outcome === "503") assert.strictEqual(work?.lost, 11)
    else assert.match(outcome, expected)
  }
}
