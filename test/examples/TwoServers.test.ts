/**
 * Two servers on one database, called from many sides at once: whoever wins, the log, the state, the answers and the
 * messages agree.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Equal, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../src/core/UserId.ts"
import { evolve } from "../../src/core/UserPhone.ts"
import { stateOf } from "../../src/core/Users.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { DatabaseUrl, layerDatabase } from "../fixtures/Postgres.ts"
import * as Servers from "./Servers.ts"

class Pair extends Context.Service<Pair, {
  readonly servers: readonly [Server, Server]
  readonly onDatabase: <A, E>(
    effect: Parameters<typeof Servers.onDatabase<A, E>>[1]
  ) => ReturnType<typeof Servers.onDatabase<A, E>>
}>()("test/Pair") {}

type Server = Effect.Success<ReturnType<typeof Servers.start>>

const layerPair = Layer.effect(
  Pair,
  Effect.gen(function*() {
    const url = Redacted.value(yield* DatabaseUrl)
    const directory = yield* Servers.temporaryDirectory
    const start = Servers.start(directory, { DEVELOPMENT: "1", DATABASE_URL: url })
    const servers = yield* Effect.all([start, start], { concurrency: 2 })
    return Pair.of({ servers, onDatabase: (effect) => Servers.onDatabase(url, effect) })
  })
).pipe(Layer.provide(layerDatabase))

const options = [{}, { sendCode: {} }, { isVerified: false }, { returnCode: {} }, { isVerified: true }]

/** What the log has under the sequence of an answer, by the option. */
const lastEvent = (option: object) =>
  "isVerified" in option && option.isVerified === true ? "user.human.phone.verified" : "user.human.phone.code.added"

const isSent = (option: object) => !("returnCode" in option) && lastEvent(option) === "user.human.phone.code.added"

interface Called {
  readonly userId: string
  readonly phone: string
  readonly option: object
  readonly answer: Servers.Answer
}

let numbers = 0

/** That many calls in mixed order, half to each server, at most 48 at once at each: fewer than a user's queue holds. */
const callBoth = Effect.fnUntraced(function*(userIds: ReadonlyArray<string>, count: number) {
  const { servers } = yield* Pair
  const called: Array<Called> = []
  const call = (server: Server) => (index: number) => {
    const userId = userIds[index % userIds.length]!
    const option = options[index % options.length]!
    const phone = Servers.number(numbers++)
    return Effect.map(
      Servers.setPhone(server, server.tokens.admin, userId, phone, option),
      (answer) => called.push({ userId, phone, option, answer })
    )
  }
  yield* Effect.forEach(
    servers,
    (server) =>
      Effect.forEach(Array.from({ length: count / 2 }, (_, index) => index), call(server), { concurrency: 48 }),
    { concurrency: 2 }
  )
  return called
})

const settled = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT 1 FROM user_phone.outbox WHERE status = 'queued' LIMIT 1`.pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (rows) => rows.length > 0 }),
    Effect.timeout("10 seconds")
  )
})

/** Asserts that the users' logs, states and messages are what the accepted calls make of them. */
const assertAgreement = Effect.fnUntraced(function*(userIds: ReadonlyArray<string>, called: ReadonlyArray<Called>) {
  const { onDatabase, servers } = yield* Pair
  yield* onDatabase(agreement(userIds, called, servers))
})

const agreement = Effect.fnUntraced(function*(
  userIds: ReadonlyArray<string>,
  called: ReadonlyArray<Called>,
  servers: ReadonlyArray<Server>
) {
  const store = yield* UserStore
  const sql = yield* SqlClient.SqlClient
  yield* settled

  for (const userId of userIds) {
    const id = UserId.make(userId)
    const log = yield* store.history(id)
    const user = (yield* store.load(id))!
    const accepted = called.filter((call) => call.userId === userId && call.answer.status === 200)
    const sent = accepted.filter(({ option }) => isSent(option))

    assert.deepStrictEqual(log.map(({ sequence }) => Number(sequence)), log.map((_, index) => index + 1))
    const unborn = stateOf({ userId: id, resourceOwner: user.resourceOwner, kind: "human", state: "active" })
    assert.isTrue(Equal.equals(log.reduce(evolve, unborn), user), `${userId}'s state is its log`)

    const sequences = accepted.map(({ answer }) => Number(answer.body.details.sequence))
    assert.strictEqual(new Set(sequences).size, sequences.length)
    for (const { answer, option, phone } of accepted) {
      const sequence = Number(answer.body.details.sequence)
      const [changed, last] = log.slice(sequence - 2, sequence)
      assert.strictEqual(last!.change.type, lastEvent(option))
      assert.isTrue(
        changed!.change.type === "user.human.phone.changed" &&
          Redacted.value(changed!.change.number) === phone,
        `${phone} is what the log has before ${sequence}`
      )
      assert.strictEqual("verificationCode" in answer.body, "returnCode" in option)
    }
    const count = (type: string) => log.filter(({ change }) => change.type === type).length
    assert.strictEqual(count("user.human.phone.changed"), accepted.length)

    // A code that was replaced before its message went out is not sent any more.
    const outbox = yield* sql<{ readonly end: string; readonly attempts: number }>`
      SELECT concat_ws(', ', status, reason) AS end, attempts FROM user_phone.outbox
      WHERE user_id = ${userId} AND kind = 'code'`
    assert.strictEqual(outbox.length, sent.length)
    assert.includeMembers(["sent", "dropped, no longer pending"], outbox.map(({ end }) => end))
    assert.isTrue(outbox.every(({ attempts }) => attempts === 1))
    const delivered = outbox.filter(({ end }) => end === "sent").length
    assert.strictEqual(count("user.human.phone.code.sent"), delivered)
    const printed = servers.map(({ output }) => output()).join("")
    const times = sent.map(({ phone }) => printed.split(`SMS to ${phone}:`).length - 1)
    assert.isAtMost(Math.max(0, ...times), 1)
    assert.strictEqual(times.reduce((sum, one) => sum + one, 0), delivered)
  }
})

/** Asserts that every call was accepted or refused for this one reason, and returns how many were refused. */
const refusedFor = Effect.fnUntraced(function*(reason: string, called: ReadonlyArray<Called>) {
  const { servers } = yield* Pair
  const refused = called.flatMap(({ answer }) => answer.status === 200 ? [] : [answer])
  for (const { body, headers, status } of refused) {
    assert.strictEqual(status, 503)
    assert.strictEqual(body.code, 14)
    assert.strictEqual(headers["retry-after"], "1")
  }
  const told = servers.map(({ output }) => output().split(reason).length - 1)
  assert.strictEqual(told.reduce((sum, count) => sum + count), refused.length)
  return refused.length
})

layer(layerPair, { excludeTestServices: true, timeout: "60 seconds" })("Two servers on one database", (it) => {
  it.effect("agree after hundreds of calls on forty users", () =>
    Effect.gen(function*() {
      const { onDatabase } = yield* Pair
      const userIds = Array.from({ length: 40 }, (_, index) => `one-of-forty-${index}`)
      yield* onDatabase(Servers.register(userIds))
      const called = yield* callBoth(userIds, 400)
      yield* assertAgreement(userIds, called)
      assert.strictEqual(yield* refusedFor("lost too many races", called), 0)
    }))

  it.effect("agree after hundreds of calls on one user", () =>
    Effect.gen(function*() {
      const { onDatabase } = yield* Pair
      yield* onDatabase(Servers.register(["busy"]))
      const called = yield* callBoth(["busy"], 400)
      yield* assertAgreement(["busy"], called)
      // Ten races in a row can be lost, though hardly ever.
      assert.isBelow(yield* refusedFor("lost too many races", called), 20)
    }))

  it.effect("refuse what is too much for one user's queue, and nothing else", () =>
    Effect.gen(function*() {
      const { onDatabase, servers: [server] } = yield* Pair
      yield* onDatabase(Servers.register(["crowded"]))
      const called = yield* Effect.forEach(
        Array.from({ length: 200 }, () => Servers.number(numbers++)),
        (phone) =>
          Effect.map(
            Servers.setPhone(server, server.tokens.admin, "crowded", phone),
            (answer): Called => ({ userId: "crowded", phone, option: { returnCode: {} }, answer })
          ),
        { concurrency: "unbounded" }
      )
      yield* assertAgreement(["crowded"], called)
      // One is at work and 63 wait; the first answers may come before the last calls.
      assert.isAbove(yield* refusedFor("too many calls on one user", called), 50)
    }))
})
