/** What is tried again when PostgreSQL fails, for how long, and what it comes to. */
import { assert, layer } from "@effect/vitest"
import { Clock, DateTime, Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient, Statement } from "effect/sql"
import * as PgOutbox from "../../src/adapters/PgOutbox.ts"
import * as PgUserStore from "../../src/adapters/PgUserStore.ts"
import { Outbox, Users, UserStore } from "../../src/core/index.ts"
import { claim, freshlyQueued } from "../../src/testing/internal/Queue.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { numberOf, register, settingNumber } from "../../src/testing/internal/Samples.ts"
import { layerStores } from "../fixtures/Postgres.ts"
import * as SteppedClock from "../fixtures/SteppedClock.ts"

/** Holds a lock that something waits for, and does what is said once it waits: by then the backend that does so is known. */
const whileHeld = <A, E, R, B, E2, R2>(
  lock: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>,
  waiting: Effect.Effect<A, E, R>,
  then: (pid: number) => Effect.Effect<B, E2, R2>
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [held, over] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const holder = yield* Effect.forkChild(
      sql.withTransaction(
        lock(sql).pipe(Effect.andThen(Deferred.succeed(held, undefined)), Effect.andThen(Deferred.await(over)))
      )
    )
    yield* Deferred.await(held)
    const fiber = yield* Effect.forkChild(waiting)
    const [waiter] = yield* Effect.repeat(
      sql<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      { until: (rows) => rows.length > 0 }
    )
    yield* then(waiter!.pid)
    const result = yield* Fiber.join(fiber)
    yield* Deferred.succeed(over, undefined)
    yield* Fiber.join(holder)
    return result
  })

/** Counts the statements with these words of whoever these stores are provided to, and of theirs. */
const counting = <A, E, R>(words: string, stores: Layer.Layer<A, E, R>) => {
  const counted = { statements: 0 }
  const count: Statement.Transformer = (statement) => {
    if (statement.compile()[0].includes(words)) counted.statements++
    return Effect.succeed(statement)
  }
  return {
    counted,
    stores: Layer.fresh(stores).pipe(Layer.provideMerge(Layer.succeed(Statement.CurrentTransformer, count)))
  }
}

layer(layerStores, { excludeTestServices: true, timeout: "60 seconds" })("PostgreSQL's failures", (it) => {
  it.effect("that keep others apart are tried again eight times, and no others", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE FUNCTION refuse_first() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN
          IF nextval(TG_ARGV[0]::regclass) <= TG_ARGV[2]::integer THEN
            RAISE EXCEPTION ''refused'' USING ERRCODE = TG_ARGV[1];
          END IF;
          RETURN NEW;
        END'`
      const triesWhere = Effect.fnUntraced(function*(times: number, code: string) {
        const { userId } = yield* register()
        const tries = `tries_${code.toLowerCase()}_${times}`
        yield* sql`CREATE SEQUENCE ${sql(tries)}`
        yield* sql.unsafe(`CREATE TRIGGER ${tries} BEFORE UPDATE ON user_phone.users FOR EACH ROW
          WHEN (NEW.user_id = '${userId}') EXECUTE FUNCTION refuse_first('${tries}', '${code}', '${times}')`)
        const error = yield* Effect.as(Users.Users.use((users) => users.update(userId, { language: "de" })), undefined)
          .pipe(Effect.catch(Effect.succeed))
        const [row] = yield* sql<{ readonly tries: number }>`SELECT last_value::int AS tries FROM ${sql(tries)}`
        return [row!.tries, error?._tag]
      })
      const outcomes = yield* Effect.all([
        triesWhere(8, "40001"),
        triesWhere(8, "40P01"),
        triesWhere(9, "40001"),
        triesWhere(1, "22000")
      ], { concurrency: "unbounded" })
      yield* sql`DROP FUNCTION refuse_first CASCADE`
      assert.deepStrictEqual(outcomes, [[9, undefined], [9, undefined], [9, "Unavailable"], [1, "Unavailable"]])
    }))

  it.effect("are unavailable once a lock has been waited for ten seconds", () =>
    Effect.gen(function*() {
      const store = yield* UserStore.UserStore
      const { clock, next } = yield* SteppedClock.make("6 seconds")
      const change = settingNumber(yield* register(), numberOf(1), yield* DateTime.now)
      const error = yield* whileHeld(
        (sql) => sql`SELECT 1 FROM user_phone.users WHERE user_id = ${change.before.userId} FOR UPDATE`,
        Effect.flip(store.commit(change)).pipe(Effect.provideService(Clock.Clock, clock)),
        () =>
          Effect.gen(function*() {
            const { end, millis } = yield* next
            assert.strictEqual(millis, 10_000)
            yield* end
          })
      )
      assert.deepInclude(error, { _tag: "Unavailable", cause: "PostgreSQL: no answer in time" })
      assertSame(yield* store.load(change.before.userId), change.before)
    }))

  it.effect("of a connection are not tried again by each whose change was on its way", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { counted, stores } = counting("commit_changes", PgUserStore.layer)
      const now = yield* DateTime.now
      const changes = (yield* Effect.replicateEffect(register(), 5)).map((user) =>
        settingNumber(user, numberOf(1), now)
      )
      const errors = yield* whileHeld(
        (sql) => sql`LOCK TABLE user_phone.events`,
        UserStore.UserStore.use((store) =>
          Effect.forEach(changes, (change) => Effect.flip(store.commit(change)), { concurrency: "unbounded" })
        ).pipe(Effect.provide(stores)),
        (pid) => sql`SELECT pg_terminate_backend(${pid})`
      )
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), changes.map(() => "Unavailable"))
      assert.strictEqual(counted.statements, 1)
    }))

  it.effect("of a connection are not tried again by each whose settlement was on its way", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { counted, stores } = counting("settle_sent", PgOutbox.layer)
      const { now } = yield* freshlyQueued(3)
      const claimed = yield* claim(now, 3)
      const sent = { _tag: "Sent", at: now, provider: "test", reference: undefined } as const
      const errors = yield* whileHeld(
        (sql) => sql`LOCK TABLE user_phone.events`,
        Outbox.Outbox.use((outbox) =>
          Effect.forEach(claimed, (message) => Effect.flip(outbox.settle(message, sent)), { concurrency: "unbounded" })
        ).pipe(Effect.provide(stores)),
        (pid) => sql`SELECT pg_terminate_backend(${pid})`
      )
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), claimed.map(() => "Unavailable"))
      assert.strictEqual(counted.statements, 1)
    }))
})
