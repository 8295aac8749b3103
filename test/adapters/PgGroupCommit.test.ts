/**
 * Commits that come at once share a transaction, and nothing else: what one meets is no business of the others.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { assert, layer } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { SqlClient, Statement } from "effect/sql"
import * as PgUserStore from "../../src/adapters/PgUserStore.ts"
import type { UserPhone } from "../../src/core/UserPhone.ts"
import { type Commit, UserStore } from "../../src/core/UserStore.ts"
import { numberOf, register, settingNumber } from "../../src/testing/internal/Samples.ts"
import { layerStores } from "../fixtures/Postgres.ts"

const registerMany = (count: number) => Effect.replicateEffect(register(), count, { concurrency: 10 })

const setting = (user: UserPhone, line = 1) =>
  Effect.map(DateTime.now, (now) => settingNumber(user, numberOf(line), now))

/** In how many transactions the events of these users were written. */
const transactions = Effect.fnUntraced(function*(users: ReadonlyArray<UserPhone>) {
  const sql = yield* SqlClient.SqlClient
  const ids = users.map(({ userId }) => userId)
  const [row] = yield* sql<{ readonly count: number }>`SELECT count(DISTINCT xmin::text)::int AS count
    FROM user_phone.events WHERE user_id = ANY (${ids}::text[])`
  return row!.count
})

const commitAll = Effect.fnUntraced(function*(changes: ReadonlyArray<Commit>) {
  const store = yield* UserStore
  return yield* Effect.forEach(changes, (change) => Effect.exit(store.commit(change)), { concurrency: "unbounded" })
})

const tagOf = (exit: Exit.Exit<{ readonly _tag: string }, { readonly _tag: string }>): string =>
  Exit.isSuccess(exit) ?
    exit.value._tag :
    Exit.findErrorOption(exit).pipe((error) => error._tag === "Some" ? error.value._tag : "defect")

/** Holds a lock of another transaction while `work` runs; `work` gets what releases it. */
const whileLocked = <A, E, R>(
  lock: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>,
  work: (release: Effect.Effect<void>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [held, over] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const other = yield* Effect.forkChild(
      sql.withTransaction(
        lock(sql).pipe(Effect.andThen(Deferred.succeed(held, undefined)), Effect.andThen(Deferred.await(over)))
      )
    )
    yield* Deferred.await(held)
    const release = Effect.andThen(Deferred.succeed(over, undefined), Effect.asVoid(Effect.exit(Fiber.join(other))))
    const result = yield* work(release)
    yield* release
    return result
  })

layer(layerStores, { excludeTestServices: true, timeout: "60 seconds" })("commits at once", (it) => {
  it.effect("share few transactions, and every one of them is made", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(200)
      const changes = yield* Effect.forEach(users, (user) => setting(user))
      const exits = yield* commitAll(changes)
      assert.deepStrictEqual(new Set(exits.map(tagOf)), new Set(["Committed"]))
      const store = yield* UserStore
      const loaded = yield* Effect.forEach(users, ({ userId }) => store.load(userId), { concurrency: "unbounded" })
      loaded.forEach((user, index) => {
        assert.strictEqual(user!.userId, users[index]!.userId)
        assert.strictEqual(user!.sequence, 2n)
      })
      // One goes at once, and so does another; the others wait for them, 64 at a time.
      assert.isAtMost(yield* transactions(users), 8)
    }))

  it.effect("do not wait for each other when they come one after the other", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(5)
      const store = yield* UserStore
      for (const user of users) assert.strictEqual((yield* store.commit(yield* setting(user)))._tag, "Committed")
      assert.strictEqual(yield* transactions(users), 5)
    }))

  it.effect("lose a race or meet a limit each for itself", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(40)
      const now = yield* DateTime.now
      const counter = crypto.randomUUID()
      const charges = [{
        counter,
        reason: "FULL",
        at: now,
        windows: [{ max: 3, within: Duration.minutes(1) }]
      }] as const
      const changes = yield* Effect.forEach(
        users,
        (user, index) =>
          Effect.map(setting(index % 4 === 1 ? { ...user, sequence: 7n } : user), (change) =>
            index % 4 === 2 ? { ...change, charges } : change)
      )
      const exits = (yield* commitAll(changes)).map(tagOf)
      const outcomes = [0, 1, 2, 3].map((rest) =>
        exits.filter((_, index) => index % 4 === rest).toSorted()
      )
      assert.deepStrictEqual(outcomes, [
        Array.from({ length: 10 }, () => "Committed"),
        Array.from({ length: 10 }, () => "LostRace"),
        [...Array.from({ length: 3 }, () => "Committed"), ...Array.from({ length: 7 }, () => "LimitReached")],
        Array.from({ length: 10 }, () => "Committed")
      ])
    }))

  it.effect("on one user are kept apart: one is made, the others lose the race", () =>
    Effect.gen(function*() {
      const [user] = yield* registerMany(1)
      const changes = yield* Effect.forEach([1, 2, 3, 4, 5], (line) => setting(user!, line))
      const tags = (yield* commitAll(changes)).map(tagOf)
      assert.deepStrictEqual(tags, ["Committed", "LostRace", "LostRace", "LostRace", "LostRace"])
    }))

  it.effect("are made, but for the one that the database refuses", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const users = yield* registerMany(30)
      const bad = users[20]!
      yield* sql.unsafe(`CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF NEW.user_id = ''${bad.userId}'' THEN RAISE EXCEPTION ''refused''; END IF; RETURN NEW; END'`)
      yield* sql`CREATE TRIGGER refuse_one BEFORE INSERT ON user_phone.events FOR EACH ROW EXECUTE FUNCTION refuse_one()`
      const exits = yield* commitAll(yield* Effect.forEach(users, (user) => setting(user)))
      yield* sql`DROP FUNCTION refuse_one CASCADE`
      const tags = exits.map(tagOf)
      assert.strictEqual(tags[20], "Unavailable")
      assert.deepStrictEqual(new Set(tags.toSpliced(20, 1)), new Set(["Committed"]))
    }))

  it.effect("are transactions of their own, also inside one of the host's, and when they have to wait", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const store = yield* UserStore
      for (const waits of [false, true]) {
        const [user] = yield* registerMany(1)
        const change = yield* setting(user!)
        const committed = yield* Deferred.make<void>()
        const hosts = sql.withTransaction(
          store.commit(change).pipe(
            Effect.map((result) => assert.strictEqual(result._tag, "Committed")),
            Effect.andThen(Effect.fail("rolled back"))
          )
        ).pipe(Effect.flip, Effect.ensuring(Deferred.succeed(committed, undefined)))
        if (!waits) yield* hosts
        else {
          yield* whileLocked(
            (sql) => sql`SELECT 1 FROM user_phone.users WHERE user_id = ${user!.userId} FOR UPDATE`,
            (release) =>
              Effect.gen(function*() {
                const waiting = yield* Effect.forkChild(hosts)
                yield* Effect.sleep("200 millis")
                assert.isFalse(Deferred.isDoneUnsafe(committed))
                yield* release
                assert.strictEqual(yield* Fiber.join(waiting), "rolled back")
              })
          )
        }
        assert.strictEqual((yield* store.load(user!.userId))?.sequence, 2n)
      }
    }))

  it.effect("do not wait for a user that somebody else holds, who is waited for alone", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(20)
      const held = users[10]!.userId
      const store = yield* UserStore
      const changes = yield* Effect.forEach(users, (user) => setting(user))
      yield* whileLocked(
        (sql) => sql`SELECT 1 FROM user_phone.users WHERE user_id = ${held} FOR UPDATE`,
        (release) =>
          Effect.gen(function*() {
            const fibers = yield* Effect.forEach(changes, (change) => Effect.forkChild(store.commit(change)))
            const waiting = fibers[10]!
            for (const fiber of fibers) {
              if (fiber !== waiting) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Committed")
            }
            // The next ones neither.
            const [late] = yield* registerMany(1)
            assert.strictEqual((yield* store.commit(yield* setting(late!)))._tag, "Committed")
            assert.isUndefined(waiting.pollUnsafe())
            yield* release
            assert.strictEqual((yield* Fiber.join(waiting))._tag, "Committed")
          })
      )
    }))

  it.effect("do not wait for a counter that somebody else holds, who is waited for alone", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(10)
      const counter = crypto.randomUUID()
      const now = yield* DateTime.now
      const charge = { counter, reason: "FULL", at: now, windows: [{ max: 1, within: Duration.minutes(1) }] } as const
      const store = yield* UserStore
      const changes = yield* Effect.forEach(
        users,
        (user, index) => Effect.map(setting(user), (change) => index === 5 ? { ...change, charges: [charge] } : change)
      )
      yield* whileLocked(
        (sql) => sql`SELECT pg_advisory_xact_lock(hashtextextended(${`user_phone:${counter}`}, 0))`,
        (release) =>
          Effect.gen(function*() {
            const fibers = yield* Effect.forEach(changes, (change) => Effect.forkChild(store.commit(change)))
            const waiting = fibers[5]!
            for (const fiber of fibers) {
              if (fiber !== waiting) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Committed")
            }
            assert.isUndefined(waiting.pollUnsafe())
            yield* release
            assert.strictEqual((yield* Fiber.join(waiting))._tag, "Committed")
          })
      )
    }))

  it.effect("are made also when a neighbour is no longer waited for", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(60)
      const store = yield* UserStore
      const changes = yield* Effect.forEach(users, (user) => setting(user))
      const fibers = yield* Effect.forEach(changes, (change) => Effect.forkChild(store.commit(change)))
      yield* Effect.yieldNow
      yield* Effect.forEach(fibers.filter((_, index) => index % 3 === 0), (fiber) => Fiber.interrupt(fiber))
      for (const [index, fiber] of fibers.entries()) {
        if (index % 3 !== 0) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Committed")
      }
      for (const [index, { userId }] of users.entries()) {
        const { phone, sequence } = (yield* store.load(userId))!
        // Whole or not at all.
        assert.include(index % 3 === 0 ? [0n, 2n] : [2n], sequence)
        assert.strictEqual(
          phone && Redacted.value(phone.number),
          sequence === 2n ? Redacted.value(numberOf(1)) : undefined
        )
      }
    }))

  it.effect("leave nothing of them in the statements that Effect remembers", () =>
    Effect.gen(function*() {
      const seen: Array<{ readonly used: number; readonly values: ReadonlyArray<ReadonlyArray<unknown>> }> = []
      const remember: Statement.Transformer = (statement) => {
        const [text, parameters] = statement.compile()
        if (text.includes("commit_changes")) {
          const values = parameters.filter(PgTypes.isParameter).map(({ value }) => value as ReadonlyArray<unknown>)
          seen.push({ used: values.flat().length, values })
        }
        return Effect.succeed(statement)
      }
      const changes = yield* Effect.forEach(yield* registerMany(5), (user) => setting(user))
      yield* commitAll(changes).pipe(
        Effect.provide(Layer.fresh(PgUserStore.layer)),
        Effect.provideService(Statement.CurrentTransformer, remember)
      )
      assert.isNotEmpty(seen)
      for (const { used, values } of seen) {
        assert.isAbove(used, 0)
        assert.deepStrictEqual(values.flat(), [])
      }
    }))

  it.effect("are followed by loads that see them, each its own user or none", () =>
    Effect.gen(function*() {
      const users = yield* registerMany(10)
      const store = yield* UserStore
      const ids = users.flatMap(({ userId }) => [userId, userId, `${userId}-unknown` as typeof userId])
      const loaded = yield* Effect.forEach(ids, (userId) => store.load(userId), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        loaded.map((user) => user?.userId),
        users.flatMap(({ userId }) => [userId, userId, undefined])
      )
      const sql = yield* SqlClient.SqlClient
      yield* sql`UPDATE user_phone.users SET guesses = '5' WHERE user_id = ${users[3]!.userId}`
      const exits = yield* Effect.forEach(users, ({ userId }) => Effect.exit(store.load(userId)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), users.map((_, index) => index !== 3))
    }))
})
