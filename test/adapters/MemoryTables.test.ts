/** The in-memory tables do not grow without end. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer } from "effect"
import * as MemoryOutbox from "../../src/adapters/MemoryOutbox.ts"
import * as MemoryTables from "../../src/adapters/MemoryTables.ts"
import * as MemoryUsers from "../../src/adapters/MemoryUsers.ts"
import * as MemoryUserStore from "../../src/adapters/MemoryUserStore.ts"
import { Outbox, UserStore } from "../../src/core/index.ts"
import { numberOf, register, settingNumber } from "../../src/testing/internal/Samples.ts"

const layerStores = Layer.mergeAll(MemoryUserStore.layer, MemoryUsers.layer, MemoryOutbox.layer).pipe(
  Layer.provideMerge(MemoryTables.layer)
)

describe("the tables in memory", () => {
  it.effect("forget counters, answers and settled messages that have expired, and none that still count", () =>
    Effect.gen(function*() {
      const { answers, counters, outbox } = yield* MemoryTables.MemoryTables
      const start = yield* DateTime.now
      const [store, { claim, settle }] = [yield* UserStore.UserStore, yield* Outbox.Outbox]
      const lease = Duration.minutes(1)
      for (let minute = 0; minute < 200; minute++) {
        const at = DateTime.add(start, { minutes: minute })
        const change = settingNumber(yield* register(), numberOf(1), at)
        const result = yield* store.commit({
          ...change,
          charges: ["every minute", `minute ${minute}`].map((counter) => ({
            counter,
            reason: "R",
            at,
            windows: [{ max: 500, within: Duration.minutes(10) }]
          })),
          idempotency: { scope: `${minute}`, request: "request", keptUntil: DateTime.add(at, { minutes: 10 }) }
        })
        assert.strictEqual(result._tag, "Committed")
        for (const message of yield* claim({ route: "sms", now: at, limit: 1, lease })) {
          yield* settle(message, { _tag: "Sent", at, provider: "test", reference: undefined })
        }
      }
      assert.deepStrictEqual([counters.size, answers.size, outbox.size], [11, 10, 10])
      assert.strictEqual(counters.get("every minute")?.times.length, 200)
    }).pipe(Effect.provide(layerStores)))
})
