/**
 * Every statement of the adapters, also those inside functions, finds its rows by an index in tables that are large; and of
 * every index there is a statement that needs it.
 */
import { assert, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { readFileSync } from "node:fs"
import { parametersFor } from "../../src/adapters/internal/PgChanges.ts"
import { commitChanges } from "../../src/adapters/internal/PgCommitChanges.ts"
import * as PgHousekeeping from "../../src/adapters/PgHousekeeping.ts"
import * as PgMigrations from "../../src/adapters/PgMigrations.ts"
import * as PgOutbox from "../../src/adapters/PgOutbox.ts"
import * as PgUsers from "../../src/adapters/PgUsers.ts"
import * as PgUserStore from "../../src/adapters/PgUserStore.ts"
import { Outbox, UserId, Users, UserStore } from "../../src/core/index.ts"
import type { UserPhone } from "../../src/core/UserPhone.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import {
  charge,
  folded,
  messageFor,
  numberOf,
  register,
  request,
  settingNumber
} from "../../src/testing/internal/Samples.ts"
import * as FilledTables from "../fixtures/FilledTables.ts"
import * as Plans from "../fixtures/Plans.ts"
import { layerClient, layerDatabase } from "../fixtures/Postgres.ts"

const resourceOwner = UserId.OrganizationId.make("acme")

const stores = Layer.mergeAll(PgUserStore.layer, PgUsers.layer, PgOutbox.layer)

/** Messages that wait, counters and answers that have expired, and messages that were settled long ago. */
const fillQueue = Effect.fnUntraced(function*(messages: number) {
  const sql = yield* SqlClient.SqlClient
  for (const later of ["0", "1 day"]) {
    yield* sql`INSERT INTO user_phone.outbox (message_id, user_id, kind, key_id, sealed, created_at, expires_at, due_at)
      SELECT gen_random_uuid(), 'user-' || n, 'notice', 'a', '\\x00', now(), now() + interval '2 days',
        now() + ${later}::interval
      FROM generate_series(1, ${messages}::integer) AS n`
  }
  yield* sql`UPDATE user_phone.counters SET kept_until = now() WHERE counter LIKE '%7'`
  yield* sql`UPDATE user_phone.answers SET kept_until = now() WHERE scope LIKE '%7'`
  yield* sql`UPDATE user_phone.outbox SET settled_at = settled_at - interval '1 month'
    WHERE status <> 'queued' AND user_id LIKE '%7'`
})

/** A database with twenty thousand users, a hundred thousand events, and twenty thousand messages. */
const fill = Effect.andThen(
  FilledTables.make({ users: 20_000, numbers: 1, days: 30, organization: resourceOwner }),
  fillQueue(2000)
)

const layerFilled = Layer.effectDiscard(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* fill
  yield* sql`VACUUM ANALYZE`
})).pipe(
  Layer.provide(PgMigrations.layer),
  Layer.provide(layerClient),
  Layer.provideMerge(layerDatabase)
)

const modes = ["force_custom_plan", "force_generic_plan"] as const

/** Tables with hardly a row in them, as the planner knows, who does not look again. */
const layerSmall = Layer.effectDiscard(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  for (const table of ["users", "events", "outbox", "counters", "answers"]) {
    yield* sql`ALTER TABLE ${sql("user_phone." + table)} SET (autovacuum_enabled = false)`
  }
  yield* fillQueue(5)
  yield* sql`VACUUM ANALYZE`
})).pipe(
  Layer.provide(PgMigrations.layer),
  Layer.provideMerge(layerClient),
  Layer.provideMerge(layerDatabase)
)

const onPlans = (mode: typeof modes[number]) => Layer.provideMerge(stores, Plans.layerClient(mode))

/** Every method of every port, each in every way that leads to other statements. */
const useAll = Effect.gen(function*() {
  const outbox = yield* Outbox.Outbox
  const store = yield* UserStore.UserStore
  const users = yield* Users.Users
  const sql = yield* SqlClient.SqlClient
  const now = yield* DateTime.now
  const claim = (limit: number) =>
    outbox.claim({ route: "sms", now: DateTime.add(now, { hours: 1 }), limit, lease: Duration.minutes(1) })

  yield* store.load(UserId.UserId.make("user-1"))
  const [ada, grace, linus, alan] = yield* Effect.replicateEffect(register(), 4)
  yield* Effect.forEach([ada!, grace!, linus!], ({ userId }) => store.load(userId), { concurrency: "unbounded" })
  const commits = [ada!, grace!, linus!].map((user, index): UserStore.Commit => ({
    ...settingNumber(user, numberOf(index), now),
    // One that they share keeps them from being made together.
    charges: [charge(user.userId, now), charge(`shared by ${ada!.userId}`, now, 9), {
      ...charge(`of all ${user.userId}`, now),
      instead: "check"
    }],
    idempotency: request(user.userId, now)
  }))
  yield* Effect.forEach(commits, (commit) => store.commit(commit), { concurrency: "unbounded" })
  const again = settingNumber((yield* store.load(ada!.userId))!, numberOf(4), now)
  yield* store.commit({
    ...again,
    messages: [],
    charges: [{ ...charge(`shared by ${ada!.userId}`, now, 9), instead: "refund" }]
  })
  // As a database whose transactions are stricter by default would have it.
  const strict = { ...settingNumber((yield* store.load(grace!.userId))!, numberOf(5), now), messages: [] }
  yield* sql.withTransaction(
    Effect.andThen(
      sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`,
      sql.unsafe(commitChanges, [
        true,
        ...parametersFor([{ ...strict, charges: [charge(`strict ${grace!.userId}`, now)] }])
      ])
    )
  )
  yield* store.recall(commits[0]!.idempotency!.scope, now)
  yield* store.history(ada!.userId)
  yield* outbox.delivery(ada!.userId, commits[0]!.messages[0]!.codeId!)

  const provided = providerCode(alan!, now)
  yield* store.commit(provided)
  const at = now
  const sent = { _tag: "Sent", at, provider: "test", reference: undefined } as const
  // Those of this test are the youngest.
  yield* sql`UPDATE user_phone.outbox SET created_at = now() - interval '1 day', due_at = now() - interval '1 day'
    WHERE message_id = ANY (${[...commits, provided].map(({ messages }) => messages[0]!.messageId)}::uuid[])`
  const claimed = yield* claim(4)
  const held = (user: UserPhone) => claimed.find(({ userId }) => userId === user.userId)!
  yield* outbox.settle(held(ada!), sent)
  yield* outbox.report(held(ada!).messageId, { status: "delivered" }, at)
  yield* outbox.report(held(grace!).messageId, { status: "failed", code: "1" }, at)
  yield* outbox.settle(held(grace!), sent)
  yield* outbox.settle(held(alan!), { ...sent, verificationId: "VE" })
  yield* outbox.settle(held(linus!), { _tag: "Retry", at, reason: "test" })
  const more = yield* claim(3)
  yield* outbox.settle(more[0]!, { _tag: "Released", at, reason: "test" })
  yield* outbox.settle(more[1]!, { _tag: "Dead", reason: "test" })
  yield* outbox.settle(more[2]!, { _tag: "Dropped", reason: "test" })

  yield* users.update(ada!.userId, { language: "de" })
  yield* users.list({ limit: 50 })
  yield* users.remove(linus!.userId)
  yield* PgHousekeeping.tidy
})

/** The commit that asks a provider for a code. */
const providerCode = (user: UserPhone, now: DateTime.Utc): UserStore.Commit => {
  const setting = settingNumber(user, numberOf(9), now)
  const message = messageFor(user.userId, crypto.randomUUID(), now)
  const pending = {
    _tag: "ProviderCode",
    codeId: message.codeId!,
    number: "fingerprint",
    providerId: "test",
    createdAt: now,
    expiresAt: message.expiresAt,
    wrongGuesses: 0
  } as const
  const [changed] = setting.events
  const added = { sequence: 2n, at: now, change: { type: "user.human.phone.code.added", pending } } as const
  return { ...setting, events: [changed, added], after: { ...setting.after, pending }, messages: [message] }
}

const adapters = [
  "PgUserStore",
  "PgUsers",
  "PgOutbox",
  "PgHousekeeping",
  "internal/PgCommitChanges",
  "internal/PgFunctions"
]

/** Wherever the sources read or write a table: what stands there, up to the next part that is filled in. */
const mentions = adapters.flatMap((name) => {
  const source = readFileSync(new URL(`../../src/adapters/${name}.ts`, import.meta.url), "utf8")
  return Array.from(
    source.matchAll(/(?:FROM|JOIN|INTO|UPDATE)\s+user_phone\.\w+[^$`;]*/g),
    // A function's variables are no part of the statement.
    ([text]) => text.replaceAll(/INTO v_\w+(, v_\w+)*/g, "").replaceAll(/\s+/g, " ").trim()
  )
})

/** What housekeeping deletes from, which its source does not name in one piece. */
const tidied = ["counters", "answers", "outbox"].map((table) => `DELETE FROM "user_phone"."${table}"`)

/** Every index of the module's tables, with what takes it away and brings it back. */
const indexes = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly name: string; readonly table: string; readonly drop: string; readonly create: string }>`
    SELECT i.relname AS name, t.relname AS table,
      CASE WHEN c.oid IS NULL THEN format('DROP INDEX user_phone.%I', i.relname)
        ELSE format('ALTER TABLE user_phone.%I DROP CONSTRAINT %I', t.relname, c.conname) END AS drop,
      CASE WHEN c.oid IS NULL THEN pg_get_indexdef(i.oid)
        ELSE format('ALTER TABLE user_phone.%I ADD CONSTRAINT %I %s', t.relname, c.conname, pg_get_constraintdef(c.oid))
        END AS create
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    LEFT JOIN pg_constraint c ON c.conindid = i.oid
    WHERE i.relnamespace = 'user_phone'::regnamespace AND t.relname <> 'migrations' ORDER BY 1`
})

/** The scans that read a table, or an index, from end to end. */
const unbounded = (executed: ReadonlyArray<Plans.Executed>) =>
  executed.flatMap(({ scans, statement }) =>
    scans.filter(({ bounded }) => !bounded).map(({ how, table }) => ({ table, how, statement }))
  )

layer(layerFilled, { excludeTestServices: true, timeout: "60 seconds" })("in large tables", (it) => {
  it.effect("the rows are such as the adapters write", () =>
    Effect.gen(function*() {
      const store = yield* UserStore.UserStore
      for (const userId of ["user-0", "user-12345"].map((id) => UserId.UserId.make(id))) {
        const user = yield* store.load(userId)
        assert.isTrue(user!.phone!.verified)
        const registered = Users.stateOf({ userId, resourceOwner, kind: "human", state: "active", language: "en" })
        assertSame(yield* folded(registered), user)
      }
    }).pipe(Effect.provide(onPlans("force_custom_plan"))))

  for (const mode of modes) {
    it.effect(`every statement finds its rows by an index, under ${mode}`, () =>
      Effect.gen(function*() {
        const { take } = yield* Plans.Plans
        yield* take
        yield* useAll
        const executed = yield* take
        assert.isAtLeast(mentions.length, 30)
        for (const mention of [...mentions, ...tidied]) {
          assert.isTrue(executed.some(({ statement }) => statement.includes(mention)), `not executed: ${mention}`)
        }
        assert.deepStrictEqual(unbounded(executed), [])
        assert.sameMembers(Array.from(new Set(executed.flatMap(({ scans }) => scans.map(({ table }) => table)))), [
          "users",
          "events",
          "outbox",
          "counters",
          "answers"
        ])
      }).pipe(Effect.provide(onPlans(mode))))
  }

  it.effect("without any one of the indexes, something is read from end to end, and that is noticed", () =>
    Effect.gen(function*() {
      const { take } = yield* Plans.Plans
      const sql = yield* SqlClient.SqlClient
      for (const { create, drop, name, table } of yield* indexes) {
        yield* sql.unsafe(drop)
        yield* take
        // Without some, calls fail, but not before they have looked, or since ON CONFLICT needs that index.
        const end = yield* Effect.exit(useAll)
        const scans = unbounded(yield* take)
        yield* sql.unsafe(create)
        const isRefused = String(end).includes("SqlSyntaxError")
        assert.isTrue(isRefused || scans.some((scan) => scan.table === table), `without ${name}`)
      }
    }).pipe(Effect.provide(onPlans("force_custom_plan"))))
})

/** What is done for each request and each message. */
const setAndDeliver = Effect.gen(function*() {
  const outbox = yield* Outbox.Outbox
  const store = yield* UserStore.UserStore
  const now = yield* DateTime.now
  const users = yield* Effect.replicateEffect(register(), 2)
  yield* Effect.forEach(users, ({ userId }) => store.load(userId), { concurrency: "unbounded" })
  yield* Effect.forEach(users, (user, index) =>
    store.commit({
      ...settingNumber(user, numberOf(index), now),
      charges: [charge(user.userId, now)],
      idempotency: request(user.userId, now)
    }), { concurrency: "unbounded" })
  const at = now
  const claimed = yield* outbox.claim({
    route: "sms",
    now: DateTime.add(now, { hours: 1 }),
    limit: 10_000,
    lease: Duration.minutes(1)
  })
  const [first, second] = users.map(({ userId }) => claimed.find((message) => message.userId === userId)!)
  const sent = { _tag: "Sent", at, provider: "test", reference: undefined } as const
  yield* Effect.forEach([first!, second!], (message) => outbox.settle(message, sent), { concurrency: "unbounded" })
  yield* outbox.report(first!.messageId, { status: "delivered" }, at)
})

layer(layerSmall, { excludeTestServices: true, timeout: "60 seconds" })("in tables that have grown", (it) => {
  it.effect("what is planned once for every request and message finds its rows by an index", () =>
    Effect.gen(function*() {
      const filler = yield* SqlClient.SqlClient
      yield* Effect.gen(function*() {
        const { take } = yield* Plans.Plans
        yield* setAndDeliver
        yield* Effect.provideService(fill, SqlClient.SqlClient, filler)
        yield* take
        yield* setAndDeliver
        const executed = yield* take
        assert.deepStrictEqual(unbounded(executed), [])
        for (const name of ["users_of", "commit_changes", "claim_due", "settle_sent", "take_receipt"]) {
          assert.isTrue(executed.some(({ statement }) => statement.includes(`user_phone.${name}(`)), name)
        }
      }).pipe(Effect.provide(Layer.provideMerge(stores, Plans.layerClient("force_generic_plan", 1))))
    }))
})
