/** What only PostgreSQL's outbox can get wrong: settlements that share a statement, its rows, and listening. */
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Outbox, UserStore } from "../../src/core/index.ts"
import { claim, freshlyQueued } from "../../src/testing/internal/Queue.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { folded } from "../../src/testing/internal/Samples.ts"
import { layerStores } from "../fixtures/Postgres.ts"

const sentAt = (at: DateTime.Utc) => ({ _tag: "Sent", at, provider: "test", reference: undefined }) as const

layer(layerStores, { excludeTestServices: true, timeout: "60 seconds" })("the outbox in PostgreSQL", (it) => {
  it.effect("settles messages that come at once, but for the one that the database refuses", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { now, registered } = yield* freshlyQueued(3)
      const outbox = yield* Outbox.Outbox
      const claimed = yield* claim(now, 3)
      yield* sql`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END'`
      yield* sql.unsafe(`CREATE TRIGGER refuse BEFORE UPDATE ON user_phone.outbox FOR EACH ROW
        WHEN (NEW.message_id = '${claimed[1]!.messageId}') EXECUTE FUNCTION refuse()`)
      const exits = yield* Effect.forEach(
        claimed,
        (message) => Effect.exit(outbox.settle(message, sentAt(now))),
        { concurrency: "unbounded" }
      )
      yield* sql`DROP FUNCTION refuse CASCADE`
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true])
      assert.strictEqual((yield* Effect.flip(exits[1]!))._tag, "Unavailable")
      assert.isTrue(yield* outbox.settle(claimed[1]!, sentAt(now)))
      for (const user of registered) {
        const loaded = yield* UserStore.UserStore.use((store) => store.load(user.userId))
        assert.strictEqual(loaded?.sequence, 3n)
        assertSame(yield* folded(user), loaded)
      }
    }))

  it.effect("hands out no message of a kind that only a newer version knows", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { now, queued } = yield* freshlyQueued(3)
      const outbox = yield* Outbox.Outbox
      const [putOff] = yield* claim(now, 1)
      assert.isTrue(
        yield* outbox.settle(putOff!, { _tag: "Retry", at: DateTime.add(now, { seconds: 1 }), reason: "test" })
      )
      for (const { messageId } of queued.slice(0, 2)) {
        yield* sql`UPDATE user_phone.outbox SET kind = 'of_tomorrow' WHERE message_id = ${messageId}::uuid`
      }
      const claimed = yield* claim(DateTime.add(now, { seconds: 1 }), 10)
      assert.deepStrictEqual(claimed.map(({ messageId }) => messageId), [queued[2]!.messageId])
      yield* sql`DELETE FROM user_phone.outbox WHERE kind = 'of_tomorrow'`
    }))

  it.effect("keeps the time at which a report settled a message when its worker settles it after that", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { now, queued: [message] } = yield* freshlyQueued(1)
      const outbox = yield* Outbox.Outbox
      const [claimed] = yield* claim(now, 1)
      const settledAt = sql`SELECT settled_at::text FROM user_phone.outbox
        WHERE message_id = ${message!.messageId}::uuid AND settled_at IS NOT NULL`
      assert.isTrue(yield* outbox.report(message!.messageId, { status: "delivered" }, now))
      const before = yield* settledAt
      assert.lengthOf(before, 1)
      assert.isTrue(yield* outbox.settle(claimed!, sentAt(now)))
      assert.deepStrictEqual(yield* settledAt, before)
    }))

  it.effect("says that it is unavailable to whoever listens when the connection for that is cut", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox.Outbox
      const listening = yield* Effect.forkChild(Stream.runDrain(outbox.arrivals))
      yield* Effect.repeat(
        sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN%'`,
        { until: (rows) => rows.length > 0 }
      )
      assert.strictEqual((yield* Effect.flip(Fiber.join(listening)))._tag, "Unavailable")
    }))
})
