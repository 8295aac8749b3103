/** What only PostgreSQL can get wrong: half a commit, migrations at once, and failures of the database. */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as PgMigrations from "../../src/adapters/PgMigrations.ts"
import * as PgOutbox from "../../src/adapters/PgOutbox.ts"
import * as PgUsers from "../../src/adapters/PgUsers.ts"
import * as PgUserStore from "../../src/adapters/PgUserStore.ts"
import { Outbox, UserId, UserPhone, Users, UserStore } from "../../src/core/index.ts"
import { lifeOf } from "../../src/testing/internal/Life.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { messageFor, numberOf, register, settingNumber } from "../../src/testing/internal/Samples.ts"
import { DatabaseUrl, layerClient, layerDatabase, layerStores } from "../fixtures/Postgres.ts"

const tables = ["users", "events", "outbox", "counters", "answers"] as const

/** All rows of all tables, as text. */
const contents = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return yield* Effect.forEach(
    tables,
    (table) => sql<{ readonly row: string }>`SELECT t::text AS row FROM ${sql(`user_phone.${table}`)} t ORDER BY 1`
  )
})

layer(layerStores, { excludeTestServices: true, timeout: "60 seconds" })("a commit in PostgreSQL", (it) => {
  for (const table of tables) {
    it.effect(`writes nothing at all when it cannot write to ${table}`, () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const store = yield* UserStore.UserStore
        const user = yield* register()
        const now = yield* DateTime.now
        const change: UserStore.Commit = {
          ...settingNumber(user, numberOf(1), now),
          charges: [{ counter: user.userId, reason: "R", at: now, windows: [{ max: 5, within: Duration.minutes(1) }] }],
          idempotency: { scope: user.userId, request: "request", keptUntil: DateTime.add(now, { hours: 24 }) }
        }
        const before = yield* contents
        yield* sql`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN RAISE EXCEPTION ''refused %'', NEW; END'`
        yield* sql`CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ${sql(`user_phone.${table}`)}
          FOR EACH ROW EXECUTE FUNCTION refuse()`
        const error = yield* Effect.flip(store.commit(change))
        yield* sql`DROP FUNCTION refuse CASCADE`

        assert.strictEqual(error._tag, "Unavailable")
        assert.notInclude(String(error.cause), "refused", "PostgreSQL's words can quote a row")
        assertSame(yield* contents, before)
        assert.strictEqual((yield* store.commit(change))._tag, "Committed")
      }))
  }
})

describe("the row of a user who is removed", () => {
  it.live("stays, and tells neither a phone nor a code", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* UserStore.UserStore
      const rowOf = ({ userId }: UserPhone.UserPhone) =>
        sql`SELECT removed, phone IS NOT NULL AS phone, phone_verified AS verified, pending IS NOT NULL AS pending
          FROM user_phone.users WHERE user_id = ${userId}`
      const user = yield* register()
      const life = lifeOf(user, yield* DateTime.now)
      const proves = life.findIndex(({ after }) => after.phone?.verified === true)
      for (const change of life.slice(0, proves + 1)) yield* store.commit(change)
      assert.deepStrictEqual(yield* rowOf(user), [{ removed: false, phone: true, verified: true, pending: false }])
      const waiting = yield* register()
      yield* store.commit(settingNumber(waiting, numberOf(1), yield* DateTime.now))
      assert.deepStrictEqual(yield* rowOf(waiting), [{ removed: false, phone: true, verified: false, pending: true }])
      for (const gone of [user, waiting]) {
        yield* Users.Users.use((users) => users.remove(gone.userId))
        assert.deepStrictEqual(yield* rowOf(gone), [{ removed: true, phone: false, verified: false, pending: false }])
      }
    }).pipe(Effect.provide(layerStores)))
})

describe("migrations", () => {
  it.live("may run on every start, by several processes at once", () =>
    Effect.gen(function*() {
      const url = yield* DatabaseUrl
      const start = Effect.scoped(
        Layer.build(PgMigrations.layer.pipe(Layer.provide(PgClient.layer({ url, maxConnections: 1 }))))
      )
      yield* Effect.replicateEffect(start, 8, { concurrency: "unbounded" })
      yield* start
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`SELECT migration_id FROM user_phone.migrations`
      assert.deepStrictEqual(rows, [1, 2, 3, 4, 5, 6, 7, 8, 9].map((migration_id) => ({ migration_id })))
    }).pipe(Effect.provide(layerClient.pipe(Layer.provideMerge(layerDatabase)))))
})

/** The commit that sets a number with a code of our own, which gives way to one of a provider; both have a message. */
const askingProvider = (before: UserPhone.UserPhone, now: DateTime.Utc): UserStore.Commit => {
  const change = settingNumber(before, numberOf(2), now)
  const pending = {
    _tag: "ProviderCode" as const,
    codeId: crypto.randomUUID(),
    number: "fingerprint",
    providerId: "provider",
    createdAt: now,
    expiresAt: DateTime.add(now, { minutes: 10 }),
    wrongGuesses: 0
  }
  const asked = UserPhone.nextEvent(change.after, { type: "user.human.phone.code.added", pending }, now)
  const message = { ...messageFor(before.userId, pending.codeId, now), route: Outbox.routeOfProvider("provider") }
  return {
    ...change,
    events: [...change.events, asked],
    after: UserPhone.evolve(change.after, asked),
    messages: [...change.messages, message]
  }
}

describe("a schema from before", () => {
  it.live("is brought up to date with the users and the log that it holds", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* UserStore.UserStore
      const user = yield* register()
      const now = yield* DateTime.now
      const change = settingNumber(user, numberOf(1), now)
      const asked = askingProvider(yield* register(), DateTime.add(now, { milliseconds: 1 }))
      for (const one of [change, asked]) assert.strictEqual((yield* store.commit(one))._tag, "Committed")
      // As the first migration left it.
      yield* sql`ALTER TABLE user_phone.users DROP COLUMN proven, DROP COLUMN wait`
      yield* sql`DROP INDEX user_phone.outbox_of_code, user_phone.outbox_settled, user_phone.outbox_fresh,
        user_phone.outbox_put_off, user_phone.outbox_expiring`
      yield* sql`CREATE INDEX outbox_due ON user_phone.outbox (due_at) WHERE status = 'queued'`
      yield* sql`ALTER TABLE user_phone.outbox DROP COLUMN resends, DROP COLUMN provider, DROP COLUMN receipt,
        DROP COLUMN receipt_code, DROP COLUMN route`
      yield* sql`ALTER TABLE user_phone.outbox RENAME COLUMN reference TO receipt`
      yield* sql`UPDATE user_phone.users SET pending = pending #- '{current,sent}' #- '{resends}'`
      yield* sql`UPDATE user_phone.events
        SET data = (data || '{"returned": false}') #- '{pending,current,sent}' #- '{pending,resends}'
        WHERE type = 'user.human.phone.code.added'`
      yield* sql`DELETE FROM user_phone.migrations WHERE migration_id > 1`
      yield* sql`INSERT INTO user_phone.events (user_id, sequence, type, at, data)
        VALUES (${user.userId}, 3, 'user.human.phone.verified', now(), '{"vouched": true}')`

      yield* PgMigrations.run
      const outbox = yield* Outbox.Outbox
      const claim = Effect.fnUntraced(function*(route: Outbox.Route) {
        const later = DateTime.add(now, { seconds: 1 })
        const claimed = yield* outbox.claim({ route, now: later, limit: 9, lease: Duration.seconds(1) })
        return claimed.map(({ messageId }) => messageId)
      })
      const [ofOwnCode, ofProviderCode] = asked.messages.map(({ messageId }) => messageId)
      assert.deepStrictEqual(yield* claim("sms"), [change.messages[0]!.messageId, ofOwnCode])
      assert.deepStrictEqual(yield* claim(Outbox.routeOfProvider("provider")), [ofProviderCode])
      assertSame(yield* store.load(asked.before.userId), asked.after)
      assertSame(yield* store.load(user.userId), change.after)
      const history = yield* store.history(user.userId)
      assertSame(history.slice(0, 2), change.events)
      assert.strictEqual(history[2]?.change.type, "user.human.phone.verified")
    }).pipe(Effect.provide(layerStores)))

  it.live("has its attempts told apart, and the numbers that a host vouched for", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* UserStore.UserStore
      const now = yield* DateTime.now
      const [guesser, ward, proven] = [yield* register(), yield* register(), yield* register()]
      const [returner, resender, newer] = [yield* register(), yield* register(), yield* register()]
      const at = (seconds: number) => DateTime.toDateUtc(DateTime.add(now, { seconds }))
      const log = (userId: string, events: ReadonlyArray<readonly [type: string, data: object]>) =>
        Effect.forEach(events, ([type, data], index) =>
          sql`INSERT INTO user_phone.events (user_id, sequence, type, at, data)
            VALUES (${userId}, ${index + 1}, ${`user.human.phone.${type}`}, ${at(index)}, ${
            JSON.stringify(data)
          }::jsonb)`)
      const codeId = crypto.randomUUID()
      yield* log(guesser.userId, [
        ["verification.attempted", { codeId }],
        ["verification.attempted", { codeId }],
        ["verification.unanswered", { codeId, attemptedAt: at(0) }],
        ["verification.failed", { codeId, attempted: true }],
        ["verification.attempted", { codeId }],
        ["verification.failed", { codeId }],
        ["verified", { proven: "print", vouched: false, attemptedAt: at(4) }]
      ])
      yield* log(ward.userId, [
        ["verified", { proven: "first", vouched: false }],
        ["verified", { proven: "print", vouched: true }]
      ])
      yield* log(proven.userId, [
        ["verified", { proven: "first", vouched: true }],
        ["verified", { proven: "print", vouched: false }]
      ])
      const added = (pending: object) =>
        ["code.added", { pending: { _tag: "OwnCode", ...pending } }] as const
      const right = ["verified", { proven: "print", vouched: false }] as const
      yield* log(returner.userId, [added({ current: { sent: true } }), added({ current: { sent: false } }), right])
      yield* log(resender.userId, [added({ current: { sent: true }, previous: { sent: false } }), right])
      yield* log(newer.userId, [["verified", { proven: "vouched/print", vouched: true }]])
      const users = [guesser, ward, proven, returner, resender, newer]
      yield* sql`UPDATE user_phone.users SET proven = 'print'
        WHERE ${
        sql.in(
          "user_id",
          users.map(({ userId }) =>
            userId
          )
        )
      }`
      yield* sql`UPDATE user_phone.users SET proven = 'vouched/print',
        guesses = ${
        JSON.stringify({ wrongInARow: 1, wrongAt: [at(0)], unsettled: [{ attemptId: "a", at: at(0) }] })
      }::jsonb
        WHERE user_id = ${newer.userId}`
      yield* sql`DELETE FROM user_phone.migrations WHERE migration_id > 8`

      yield* PgMigrations.run
      const changesOf = (userId: UserId.UserId) =>
        Effect.map(store.history(userId), (history) => history.map(({ change: { type: _, ...change } }) => change))
      assert.deepStrictEqual<ReadonlyArray<object>>(yield* changesOf(guesser.userId), [
        { codeId, attemptId: "1" },
        { codeId, attemptId: "2" },
        { codeId, attemptId: "1" },
        { codeId, attemptId: "2" },
        { codeId, attemptId: "5" },
        { codeId },
        { proven: "print", vouched: false, attemptId: "5" }
      ])
      const { guesses } = (yield* store.history(guesser.userId)).reduce(UserPhone.evolve, guesser)
      assertSame(guesses, { wrongInARow: 0, wrongAt: [5, 1].map((second) => DateTime.makeUnsafe(at(second))) })
      assert.deepStrictEqual<ReadonlyArray<object>>(yield* changesOf(ward.userId), [
        { proven: "first", vouched: false },
        { proven: "vouched/print", vouched: true }
      ])
      const states = yield* Effect.forEach(users, ({ userId }) => store.load(userId))
      const vouched = "vouched/print"
      assert.deepStrictEqual(
        states.map((state) => state?.proven),
        ["print", vouched, "print", vouched, vouched, vouched]
      )
      assert.deepStrictEqual(states.at(-1)?.guesses.unsettled?.map(({ inRow }) => inRow), [true])
    }).pipe(Effect.provide(layerStores)))
})

describe("a database that fails", () => {
  const userId = UserId.UserId.make("ada")
  const calls = Effect.gen(function*() {
    const store = yield* UserStore.UserStore
    const users = yield* Users.Users
    const outbox = yield* Outbox.Outbox
    const now = yield* DateTime.now
    return [
      store.load(userId),
      store.history(userId),
      store.recall("scope", now),
      users.register({ userId, resourceOwner: UserId.OrganizationId.make("demo"), kind: "human", state: "active" }),
      users.update(userId, { state: "active" }),
      users.remove(userId),
      users.list({ limit: 1 }),
      outbox.claim({ route: "sms", now, limit: 1, lease: Duration.seconds(1) })
    ]
  })
  const allUnavailable = Effect.gen(function*() {
    for (const call of yield* calls) {
      const error = yield* Effect.flip(call as Effect.Effect<unknown, { readonly _tag: string }>)
      assert.strictEqual(error._tag, "Unavailable")
    }
  })
  const stores = Layer.mergeAll(PgUserStore.layer, PgUsers.layer, PgOutbox.layer)

  it.live("is unavailable in every call while its schema is missing", () =>
    allUnavailable.pipe(Effect.provide(stores.pipe(Layer.provide(layerClient), Layer.provide(layerDatabase)))))

  it.live("is unavailable in every call after its connections are cut, and recovers", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const url = new URL(Redacted.value(yield* DatabaseUrl))
      const name = url.pathname.slice(1)
      url.pathname = "/postgres"
      const administer = (statement: string) =>
        Effect.provide(
          SqlClient.SqlClient.use((admin) => admin.unsafe(statement)),
          PgClient.layer({ url: Redacted.make(url.href), maxConnections: 1 })
        )
      yield* sql`SELECT 1`
      yield* administer(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      yield* administer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      yield* allUnavailable
      yield* administer(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      assert.strictEqual(yield* UserStore.UserStore.use((store) => store.load(userId)), undefined)
    }).pipe(Effect.provide(layerStores)))
})
