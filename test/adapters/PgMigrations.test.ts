/** Migrations, and what follows them, whatever the database has for a default isolation level. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as PgMigrations from "../../src/adapters/PgMigrations.ts"
import * as Postgres from "../../src/adapters/Postgres.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { charge, numberOf, register, settingNumber } from "../../src/testing/internal/Samples.ts"
import { DatabaseUrl, layerClient, layerDatabase } from "../fixtures/Postgres.ts"

/** A client of its own, with so many connections. */
const clientOf = (maxConnections: number) =>
  Layer.fresh(Layer.unwrap(Effect.map(DatabaseUrl, (url) => PgClient.layer({ url, maxConnections }))))

const ownClient = clientOf(2)

const nameOf = (url: Redacted.Redacted) => new URL(Redacted.value(url)).pathname.slice(1)

for (const isolation of ["read committed", "repeatable read", "serializable"]) {
  /** An empty database with this default. */
  const layerIsolated = Layer.effectDiscard(
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql.unsafe(
        `ALTER DATABASE ${nameOf(yield* DatabaseUrl)} SET default_transaction_isolation = '${isolation}'`
      )
    })
  ).pipe(Layer.provide(ownClient), Layer.provideMerge(layerDatabase))

  layer(layerIsolated, { excludeTestServices: true, timeout: "60 seconds" })(`${isolation} by default`, (it) => {
    it.effect("lets processes that start together make the tables once", () =>
      Effect.gen(function*() {
        const start = Effect.provide(PgMigrations.run, ownClient, { local: true })
        yield* Effect.all(Array.from({ length: 8 }, () => start), { concurrency: "unbounded" })
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql`SELECT count(*)::int AS count, max(migration_id) AS newest FROM user_phone.migrations`
        assert.deepStrictEqual(row, { count: 9, newest: 9 })
      }).pipe(Effect.provide(ownClient)))

    it.effect("lets no change pass a counter that others have filled while it waited for it", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const store = yield* UserStore
        const now = yield* DateTime.now
        for (const isThere of [true, false]) {
          for (const instead of ["check", undefined] as const) {
            const counter = `waited/${crypto.randomUUID()}`
            if (isThere) {
              yield* sql`INSERT INTO user_phone.counters VALUES (${counter}, '{}', ${DateTime.toDateUtc(now)})`
            }
            const [held, full] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
            const others = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
              yield* sql`SELECT pg_advisory_xact_lock(hashtextextended('user_phone:' || ${counter}, 0))`
              yield* Deferred.succeed(held, undefined)
              yield* Deferred.await(full)
              const at = DateTime.toDateUtc(now)
              yield* sql`INSERT INTO user_phone.counters VALUES (${counter}, ARRAY[${at}, ${at}]::timestamptz[], ${at})
                ON CONFLICT (counter) DO UPDATE SET times = excluded.times`
            })))
            yield* Deferred.await(held)
            const charges = [{ ...charge(counter, now), ...(instead && { instead }) }]
            const change = { ...settingNumber(yield* register(), numberOf(1), now), charges }
            const committing = yield* Effect.forkChild(store.commit(change))
            const waits = sql<{ readonly count: number }>`SELECT count(*)::int AS count FROM pg_locks
              WHERE locktype = 'advisory' AND NOT granted`
            yield* Effect.repeat(waits, { until: ([row]) => row!.count > 0 })
            yield* Deferred.succeed(full, undefined)
            yield* Fiber.join(others)
            assert.deepStrictEqual(yield* Fiber.join(committing), {
              _tag: "LimitReached",
              reason: "TEST_LIMIT",
              until: DateTime.addDuration(now, Duration.minutes(1))
            })
          }
        }
      }).pipe(Effect.provide(Postgres.layerStores.pipe(Layer.provideMerge(layerClient)))))
  })
}

layer(layerDatabase, { excludeTestServices: true })("a schema of a newer version", (it) => {
  it.effect("is refused, rather than failing call by call", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* PgMigrations.run
      yield* sql`INSERT INTO user_phone.migrations (migration_id, name) VALUES (99, 'of_tomorrow')`
      const { message } = yield* Effect.flip(PgMigrations.run)
      assert.strictEqual(
        message,
        "the schema user_phone is of a newer version: it has migration 99, and this one knows 9"
      )
    }).pipe(Effect.provide(ownClient)))
})

layer(layerDatabase, { excludeTestServices: true })("a role that was given the schema", (it) => {
  it.effect("brings it up to date without being allowed to create one", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const role = sql(`test_${crypto.randomUUID().replaceAll("-", "")}`)
      yield* Effect.acquireRelease(sql`CREATE ROLE ${role}`, () =>
        Effect.orDie(Effect.forEach([sql`RESET ROLE`, sql`DROP OWNED BY ${role}`, sql`DROP ROLE ${role}`], (all) =>
          all)))
      yield* sql`CREATE SCHEMA user_phone AUTHORIZATION ${role}`
      yield* sql`SET ROLE ${role}`
      const refused = yield* Effect.flip(sql`CREATE SCHEMA another`)
      assert.strictEqual(refused.reason._tag, "AuthorizationError")
      yield* PgMigrations.run
      const [row] = yield* sql`SELECT max(migration_id) AS newest FROM user_phone.migrations`
      assert.deepStrictEqual(row, { newest: 9 })
      yield* PgMigrations.run
    }).pipe(Effect.scoped, Effect.provide(clientOf(1))))
})
