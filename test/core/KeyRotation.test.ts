/**
 * Code keys rotate while processes come and go: what one makes the others take, and what was made with a key that is gone
 * is refused without harm. Processes are instances over one database.
 */
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import type { CodeKey } from "../../src/adapters/CryptoCodeVault.ts"
import { Errors, Limits, type UserId, UserStore } from "../../src/core/index.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import * as Instance from "../fixtures/Instance.ts"
import * as Postgres from "../fixtures/Postgres.ts"

const seconds = 1000
const lifetime = 600 * seconds

const bytes = () => Redacted.make(Uint8Array.from(randomBytes(32)))
const fingerprintKey = bytes()
const k1: CodeKey = { id: "k1", bytes: bytes() }
const k2: CodeKey = { id: "k2", bytes: bytes() }

type CodeKeys = readonly [CodeKey, ...Array<CodeKey>]

const holding = (...codeKeys: CodeKeys) =>
  Instance.make({
    keys: { codeKeys, fingerprintKey },
    limits: Limits.defaults,
    delivery: { concurrency: 1 }
  })

/** What the two processes of a deployment hold, from before a rotation until after it. */
const rotation: ReadonlyArray<{ readonly step: string; readonly keys: readonly [CodeKeys, CodeKeys] }> = [
  { step: "before", keys: [[k1], [k1]] },
  { step: "the new key second in one", keys: [[k1, k2], [k1]] },
  { step: "the new key second in both", keys: [[k1, k2], [k1, k2]] },
  { step: "the new key first in one", keys: [[k2, k1], [k1, k2]] },
  { step: "the new key first in both", keys: [[k2, k1], [k2, k1]] },
  { step: "the old key gone from one", keys: [[k2], [k2, k1]] },
  { step: "the old key gone from both", keys: [[k2], [k2]] }
]

layer(Postgres.layerStores.pipe(Layer.provideMerge(FrozenClock.layer)), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("a rotation of the code keys", (it) => {
  it.effect("lets each process take what any made, at every step and from the step before", () =>
    Effect.gen(function*() {
      yield* emptyOutbox
      const madeWith: Array<ReadonlyArray<string>> = []
      let codes: ReadonlyArray<Made> = []
      let messages: ReadonlyArray<Made> = []

      for (const { keys, step } of rotation) {
        const instances = [yield* holding(...keys[0]), yield* holding(...keys[1])] as const
        yield* takeEach(codes, instances, `made before: ${step}`)
        yield* deliverInTurn(messages, instances, `queued before: ${step}`)
        yield* takeEach(yield* makeEach(instances, "ReturnCode"), instances, `made at: ${step}`)
        yield* deliverInTurn(yield* makeEach(instances, "SendCode"), instances, `queued at: ${step}`)

        codes = yield* makeEach(instances, "ReturnCode")
        messages = yield* makeEach(instances, "SendCode")
        madeWith.push([...new Set(yield* Effect.forEach(codes, ({ userId }) => keyIdOf(userId)))])
      }
      assert.deepStrictEqual(madeWith, [["k1"], ["k1"], ["k1"], ["k2", "k1"], ["k2"], ["k2"], ["k2"]])
    }))

  it.effect("refuses a code whose key is gone without counting it, and makes another that works", () =>
    Effect.gen(function*() {
      const [before, after] = [yield* holding(k1), yield* holding(k2)]
      const { code, userId } = yield* madeBy(before)
      const untouched = yield* stateOf(userId)

      for (const guess of [code, Instance.wrongOf(code), code]) {
        assertSame(
          yield* Effect.flip(after.verify(userId, guess)),
          new Errors.InvalidCode({ reason: "CODE_EXPIRED", guessesLeft: 0 })
        )
        assertSame(yield* stateOf(userId), untouched)
      }
      assert.strictEqual((yield* after.get(userId)).pendingCode?.guessesLeft, 5)

      const { verificationCode } = yield* after.resend(userId)
      yield* after.verify(userId, Redacted.value(verificationCode!))
      assert.isTrue((yield* after.get(userId)).phone?.verified)
    }))

  it.effect("takes a code that another process refused, where its key is still held", () =>
    Effect.gen(function*() {
      const [before, after] = [yield* holding(k1), yield* holding(k2)]
      const { code, userId } = yield* madeBy(before)
      yield* Effect.flip(after.verify(userId, code))
      yield* before.verify(userId, code)
    }))

  it.effect("takes the current code without the key of the previous one, which then is a wrong guess", () =>
    Effect.gen(function*() {
      const [before, between, after] = [yield* holding(k1), yield* holding(k2, k1), yield* holding(k2)]
      const pair = Effect.gen(function*() {
        const { code: previous, userId } = yield* madeBy(before)
        const { verificationCode } = yield* between.resend(userId)
        return { userId, previous, current: Redacted.value(verificationCode!) }
      })

      const refused = yield* pair
      assertSame(
        yield* Effect.flip(after.verify(refused.userId, refused.previous)),
        new Errors.InvalidCode({ reason: "CODE_WRONG", guessesLeft: 4 })
      )
      const { history, user } = yield* stateOf(refused.userId)
      assert.strictEqual(history.at(-1)?.change.type, "user.human.phone.verification.failed")
      assert.strictEqual(user?.pending?.wrongGuesses, 1)
      assert.deepStrictEqual(user?.guesses, { wrongInARow: 1, wrongAt: [yield* DateTime.now] })
      yield* after.verify(refused.userId, refused.current)

      const accepted = yield* pair
      yield* between.verify(accepted.userId, accepted.previous)
    }))

  it.effect("gives a message back whose key is gone, as often as it takes, until there is a process with the key", () =>
    Effect.gen(function*() {
      yield* emptyOutbox
      const [before, between, after] = [yield* holding(k1), yield* holding(k2, k1), yield* holding(k2)]
      const { number, userId } = yield* madeBy(before, "SendCode")
      // More often than a message may be tried.
      for (let round = 0; round < 5; round++) {
        yield* givesBack(after, userId)
        yield* pass(5 * seconds)
      }
      assert.strictEqual(yield* between.deliverDue, 1)
      const [code] = yield* between.sentTo(number)
      yield* between.verify(userId, code!)
    }))

  it.effect("drops a message whose key is gone when its code expires, and no moment before", () =>
    Effect.gen(function*() {
      yield* emptyOutbox
      const [before, after] = [yield* holding(k1), yield* holding(k2)]
      const { userId } = yield* madeBy(before, "SendCode")
      yield* pass(lifetime - 5 * seconds - 2)
      yield* givesBack(after, userId)
      yield* pass(5 * seconds)
      yield* givesBack(after, userId)
      yield* pass(1)
      assert.strictEqual((yield* after.get(userId)).pendingCode?.guessesLeft, 0)
      yield* pass(5 * seconds)
      assert.strictEqual(yield* after.deliverDue, 1)
      assert.deepStrictEqual(yield* deliveryOf(after, userId), { state: "dropped", attempts: 1, reason: "expired" })
      const sql = yield* SqlClient.SqlClient
      const kept = yield* sql`SELECT sealed FROM user_phone.outbox WHERE user_id = ${userId}`
      assert.deepStrictEqual(kept, [{ sealed: null }])
      assert.strictEqual(yield* after.deliverDue, 0)
    }))

  it.effect("looks at no guess without the key of the pending code, not even at the code before it", () =>
    Effect.gen(function*() {
      const [without, current] = [yield* holding(k1), yield* holding(k2, k1)]
      const made = yield* madeBy(without)
      const { verificationCode } = yield* current.resend(made.userId)
      const before = yield* stateOf(made.userId)
      for (const typed of [Redacted.value(verificationCode!), made.code, Instance.wrongOf(made.code)]) {
        const error = yield* Effect.flip(without.verify(made.userId, typed))
        assert.strictEqual(error._tag === "InvalidCode" && error.reason, "CODE_EXPIRED")
      }
      assertSame(yield* stateOf(made.userId), before)
      yield* current.verify(made.userId, made.code)
    }))

  it.effect("changes neither what is repeated under an idempotency key nor what is limited per number", () =>
    Effect.gen(function*() {
      const [before, after] = [yield* holding(k1), yield* holding(k2)]
      const { number, userId } = yield* Instance.newUser
      const request = { idempotencyKey: "once", verification: { _tag: "SendCode" } } as const
      const { details } = yield* before.setPhone(userId, number, request)
      assert.deepStrictEqual(yield* after.setPhone(userId, number, request), { details, replayed: true })

      for (let i = 0; i < 4; i++) yield* before.setPhone((yield* Instance.newUser).userId, number, sendCode)
      const error = yield* Effect.flip(after.setPhone((yield* Instance.newUser).userId, number, sendCode))
      assert.strictEqual(error._tag === "TooManyRequests" && error.reason, "CODES_PER_NUMBER")
    }))
})

const sendCode = { verification: { _tag: "SendCode" } } as const

/** A user with a code that was made for its number; the code is known where it was returned. */
interface Made {
  readonly userId: UserId.UserId
  readonly number: string
  readonly code: string
}

const madeBy = Effect.fnUntraced(
  function*(instance: Instance.Instance, verification: "ReturnCode" | "SendCode" = "ReturnCode") {
    const { number, userId } = yield* Instance.newUser
    const { verificationCode } = yield* instance.setPhone(userId, number, { verification: { _tag: verification } })
    // So that messages are due in the order in which they were made.
    yield* pass(1)
    const made: Made = { userId, number, code: verificationCode === undefined ? "" : Redacted.value(verificationCode) }
    return made
  }
)

/** Two by each instance, those of one instance in a row. */
const makeEach = (instances: ReadonlyArray<Instance.Instance>, verification: "ReturnCode" | "SendCode") =>
  Effect.forEach(instances.flatMap((instance) => [instance, instance]), (instance) => madeBy(instance, verification))

/** Verifies codes, by one instance and the other in turn, each after a wrong guess. */
const takeEach = Effect.fnUntraced(
  function*(made: ReadonlyArray<Made>, instances: readonly [Instance.Instance, Instance.Instance], when: string) {
    for (const [index, { code, userId }] of made.entries()) {
      const instance = instances[index % 2]!
      const error = yield* Effect.flip(instance.verify(userId, Instance.wrongOf(code)))
      assert.strictEqual(error._tag === "InvalidCode" && error.reason, "CODE_WRONG", when)
      yield* instance.verify(userId, code)
    }
  }
)

/** Delivers messages, by one instance's worker and the other's in turn, and verifies their codes. */
const deliverInTurn = Effect.fnUntraced(
  function*(made: ReadonlyArray<Made>, instances: readonly [Instance.Instance, Instance.Instance], when: string) {
    for (const [index, { number, userId }] of made.entries()) {
      const instance = instances[index % 2]!
      assert.strictEqual(yield* instance.deliverDue, 1, when)
      const [code, ...more] = yield* instance.sentTo(number)
      assert.deepStrictEqual(more, [])
      yield* instance.verify(userId, code!)
    }
    for (const instance of instances) assert.strictEqual(yield* instance.deliverDue, 0, when)
  }
)

const deliveryOf = (instance: Instance.Instance, userId: string) =>
  Effect.map(instance.get(userId), (phone) => phone.pendingCode?.delivery)

/** Asserts that an instance's worker, which lacks the key of the only message, has it in hand once and gives it back. */
const givesBack = Effect.fnUntraced(function*(instance: Instance.Instance, userId: string) {
  assert.strictEqual(yield* instance.deliverDue, 1)
  assert.strictEqual(yield* instance.deliverDue, 0)
  assert.deepStrictEqual(yield* deliveryOf(instance, userId), { state: "queued", attempts: 0, reason: "unknown key" })
})

const emptyOutbox = SqlClient.SqlClient.use((sql) => sql`DELETE FROM user_phone.outbox`)

const pass = (millis: number) => FrozenClock.FrozenClock.use((clock) => clock.pass(millis))

const stateOf = Effect.fnUntraced(function*(userId: UserId.UserId) {
  const store = yield* UserStore.UserStore
  return { user: yield* store.load(userId), history: yield* store.history(userId) }
})

const keyIdOf = (userId: UserId.UserId) =>
  Effect.map(stateOf(userId), ({ user }) => user?.pending?._tag === "OwnCode" ? user.pending.current.keyId : "none")
