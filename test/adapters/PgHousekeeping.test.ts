/** What has expired goes from PostgreSQL, and what still counts stays. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as PgHousekeeping from "../../src/adapters/PgHousekeeping.ts"
import * as PgMigrations from "../../src/adapters/PgMigrations.ts"
import * as PgOutbox from "../../src/adapters/PgOutbox.ts"
import * as PgUsers from "../../src/adapters/PgUsers.ts"
import * as PgUserStore from "../../src/adapters/PgUserStore.ts"
import * as Postgres from "../../src/adapters/Postgres.ts"
import { type Counters, Outbox, UserStore } from "../../src/core/index.ts"
import { charge, numberOf, register, settingNumber } from "../../src/testing/internal/Samples.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import { layerClient, layerDatabase } from "../fixtures/Postgres.ts"
import * as SteppedClock from "../fixtures/SteppedClock.ts"
import { record } from "../fixtures/Telemetry.ts"

/** Stores where nobody else tidies up. */
const layerStores = Layer.mergeAll(PgUserStore.layer, PgUsers.layer, PgOutbox.layer).pipe(
  Layer.provide(PgMigrations.layer),
  Layer.provideMerge(layerClient),
  Layer.provide(layerDatabase)
)

/** A change so many minutes ago, with a counter and an answer that are kept for one. */
const commitAgo = Effect.fnUntraced(function*(name: string, minutes: number) {
  const at = DateTime.subtract(yield* DateTime.now, { minutes })
  const change = settingNumber(yield* register(), numberOf(1), at)
  const result = yield* UserStore.UserStore.use((store) =>
    store.commit({
      ...change,
      charges: [{ counter: name, reason: "R", at, windows: [{ max: 2, within: Duration.minutes(1) }] }],
      idempotency: { scope: name, request: "request", keptUntil: DateTime.add(at, { minutes: 1 }) }
    })
  )
  assert.strictEqual(result._tag, "Committed")
})

/** What a change of a new user that is charged comes to. */
const charged = Effect.fnUntraced(function*(one: Counters.Charge) {
  const change = settingNumber(yield* register(), numberOf(1), one.at)
  return (yield* UserStore.UserStore.use((store) => store.commit({ ...change, charges: [one] })))._tag
})

const rows = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const counters = yield* sql<{ readonly key: string }>`SELECT counter AS key FROM user_phone.counters ORDER BY 1`
  const answers = yield* sql<{ readonly key: string }>`SELECT scope AS key FROM user_phone.answers ORDER BY 1`
  const [messages] = yield* sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM user_phone.outbox`
  return [counters.map(({ key }) => key), answers.map(({ key }) => key), messages!.count] as const
})

describe("housekeeping", () => {
  it.live("takes expired counters and answers away, and none that still count", () =>
    Effect.gen(function*() {
      yield* commitAgo("old", 2)
      yield* commitAgo("new", 0)
      assert.deepStrictEqual(yield* rows, [["new", "old"], ["new", "old"], 2])
      yield* PgHousekeeping.tidy
      assert.deepStrictEqual(yield* rows, [["new"], ["new"], 2])
    }).pipe(Effect.provide(layerStores)))

  it.live("takes away more than one statement does", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`INSERT INTO user_phone.counters (counter, times, kept_until)
        SELECT 'counter-' || i, ARRAY[now()], now() - interval '1 second' FROM generate_series(1, 2500) AS i`
      yield* PgHousekeeping.tidy
      assert.deepStrictEqual(yield* rows, [[], [], 0])
    }).pipe(Effect.provide(layerStores)))

  it.live("leaves alone what is over by one clock only, so that no wrong clock lifts a limit", () =>
    Effect.gen(function*() {
      yield* commitAgo("new", 0)
      yield* Effect.gen(function*() {
        yield* FrozenClock.FrozenClock.use(({ pass }) => pass(86_400_000))
        yield* PgHousekeeping.tidy
        yield* commitAgo("by a fast clock", 2)
      }).pipe(Effect.provide(FrozenClock.layer))
      yield* PgHousekeeping.tidy
      assert.deepStrictEqual(yield* rows, [["by a fast clock", "new"], ["by a fast clock", "new"], 2])
      yield* commitAgo("old", 20)
      yield* Effect.gen(function*() {
        yield* FrozenClock.FrozenClock.use(({ pass }) => pass(-86_400_000))
        yield* PgHousekeeping.tidy
      }).pipe(Effect.provide(FrozenClock.layer))
      const all = ["by a fast clock", "new", "old"]
      assert.deepStrictEqual(yield* rows, [all, all, 3])
      const sql = yield* SqlClient.SqlClient
      const statuses = yield* sql`SELECT status, count(*)::int FROM user_phone.outbox GROUP BY 1`
      assert.deepStrictEqual(statuses, [{ status: "queued", count: 3 }])
    }).pipe(Effect.provide(layerStores)))

  it.live("keeps a counter for the longest window that it was charged for", () =>
    Effect.gen(function*() {
      const now = yield* DateTime.now
      const ago = (minutes: number) => DateTime.subtract(now, { minutes })
      const hour = (at: DateTime.Utc): Counters.Charge => ({
        ...charge("counter", at),
        windows: [{ max: 2, within: Duration.hours(1) }]
      })
      assert.strictEqual(yield* charged(hour(ago(2))), "Committed")
      assert.strictEqual(yield* charged(charge("counter", ago(2))), "Committed")
      yield* PgHousekeeping.tidy
      assert.strictEqual(yield* charged(hour(now)), "LimitReached")
    }).pipe(Effect.provide(layerStores)))

  it.live("finds no more times in a counter than its limit counts", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const now = yield* DateTime.now
      for (let minutes = 10; minutes > 0; minutes--) {
        assert.strictEqual(yield* charged(charge("counter", DateTime.subtract(now, { minutes }), 3)), "Committed")
      }
      assert.deepStrictEqual(yield* sql`SELECT cardinality(times) AS times FROM user_phone.counters`, [{ times: 3 }])
    }).pipe(Effect.provide(layerStores)))

  it.live("takes messages away a month after they were settled, and none that are queued", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox.Outbox
      for (const name of ["1", "2", "3"]) yield* commitAgo(name, 0)
      const now = yield* DateTime.now
      const [first, second] = yield* outbox.claim({ route: "sms", now, limit: 2, lease: Duration.minutes(1) })
      yield* outbox.settle(first!, { _tag: "Dead", reason: "test" })
      yield* outbox.settle(second!, { _tag: "Sent", at: yield* DateTime.now, provider: "test", reference: undefined })
      yield* sql`UPDATE user_phone.outbox SET settled_at = settled_at - interval '29 days'`
      yield* PgHousekeeping.tidy
      assert.strictEqual((yield* rows)[2], 3)
      yield* sql`UPDATE user_phone.outbox SET settled_at = settled_at - interval '1 day'`
      yield* sql`UPDATE user_phone.outbox SET created_at = created_at - interval '1 year'`
      yield* PgHousekeeping.tidy
      assert.strictEqual((yield* rows)[2], 1)
    }).pipe(Effect.provide(layerStores)))

  it.live("drops expired messages that nobody took, and wipes what they say, but none in a worker's hands", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox.Outbox
      for (const name of ["1", "2", "3"]) yield* commitAgo(name, 20)
      yield* commitAgo("4", 0)
      const now = yield* DateTime.now
      const [held] = yield* outbox.claim({ route: "sms", now, limit: 1, lease: Duration.minutes(1) })
      const byReason =
        sql`SELECT status, reason, count(*)::int, count(sealed)::int AS readable, count(settled_at)::int AS settled
        FROM user_phone.outbox GROUP BY 1, 2 ORDER BY 1`
      yield* PgHousekeeping.tidy
      const queued = { status: "queued", reason: null, count: 2, readable: 2, settled: 0 }
      assert.deepStrictEqual(yield* byReason, [
        { status: "dropped", reason: "expired", count: 2, readable: 0, settled: 2 },
        queued
      ])
      assert.isTrue(yield* outbox.settle(held!, { _tag: "Retry", at: now, reason: "test" }))
      yield* PgHousekeeping.tidy
      assert.deepStrictEqual(yield* byReason, [
        { status: "dropped", reason: "expired", count: 3, readable: 0, settled: 3 },
        { ...queued, count: 1, readable: 1 }
      ])
    }).pipe(Effect.provide(layerStores)))

  it.live("is done again after five minutes, also after a round that failed", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { clock, next } = yield* SteppedClock.make("1 minute")
      const round = Effect.gen(function*() {
        const { end, millis } = yield* next
        assert.strictEqual(millis, 300_000)
        return end
      })
      yield* commitAgo("first", 2)
      const { layer: telemetry, logs } = record()
      yield* Layer.build(PgHousekeeping.layer).pipe(
        Effect.provideService(Clock.Clock, clock),
        Effect.provide(telemetry)
      )
      const afterFirst = yield* round
      assert.deepStrictEqual((yield* rows).slice(0, 2), [[], []])

      yield* commitAgo("second", 2)
      yield* sql`ALTER TABLE user_phone.answers RENAME TO elsewhere`
      yield* afterFirst
      const afterFailed = yield* round
      assert.include(logs.join("\n"), "expired rows could not be taken away")
      yield* sql`ALTER TABLE user_phone.elsewhere RENAME TO answers`
      assert.deepStrictEqual((yield* rows).slice(0, 2), [[], ["second"]])

      yield* afterFailed
      yield* round
      assert.deepStrictEqual((yield* rows).slice(0, 2), [[], []])
    }).pipe(Effect.scoped, Effect.provide(layerStores)))

  it.live("begins when the stores are built", () =>
    Effect.gen(function*() {
      yield* commitAgo("old", 2)
      yield* Layer.build(Postgres.layerStores)
      yield* Effect.repeat(rows, {
        until: ([counters, answers]) => counters.length === 0 && answers.length === 0,
        schedule: Schedule.spaced("20 millis")
      })
    }).pipe(Effect.scoped, Effect.provide(layerStores)))
})
