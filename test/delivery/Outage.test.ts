/** A provider that is down for a minute while 500 messages come in: what it meets meanwhile, and when it is back. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Failover from "../../src/adapters/FailoverSmsNotifier.ts"
import * as Memory from "../../src/adapters/Memory.ts"
import * as MemoryOutbox from "../../src/adapters/MemoryOutbox.ts"
import * as MemoryTables from "../../src/adapters/MemoryTables.ts"
import { CodeVault, SmsDelivery, SmsNotifier, SmsText } from "../../src/core/index.ts"
import { handedOver, oneMessage, recipient } from "../fixtures/Delivery.ts"

const outage = 60_000
const messages = 500

/** A vault that takes no time, since only the test's clock moves here. */
const layerAtOnce = Layer.effect(
  CodeVault.CodeVault,
  Effect.map(CodeVault.CodeVault, (vault) => ({
    ...vault,
    open: () => Effect.succeed({ kind: "notice" as const, recipient, change: "removed" as const }),
    fingerprint: () => Effect.succeed("fingerprint")
  }))
)

const run = Effect.fnUntraced(function*(withBreaker: boolean) {
  const tables = yield* MemoryTables.MemoryTables
  const { message } = yield* oneMessage
  /** Hand-overs: when, of which message, and how many others were out at that time. */
  const tried: Array<{ readonly at: number; readonly id: string; readonly others: number }> = []
  let out = 0
  const provider: SmsNotifier.SmsNotifier["Service"] = {
    send: ({ messageId }) =>
      Effect.gen(function*() {
        const { epochMilliseconds: at } = yield* DateTime.now
        tried.push({ at, id: messageId, others: out++ })
        yield* Effect.sleep(at < outage ? "1 second" : "100 millis")
        out--
        if (at >= outage) return handedOver
        return yield* new SmsNotifier.SmsNotSent({ reason: new SmsNotifier.Transient({ cause: "down" }) })
      }),
    receipts: new Map()
  }
  yield* Layer.build(
    SmsDelivery.layer().pipe(
      Layer.provide(
        Layer.succeed(
          SmsNotifier.SmsNotifier,
          withBreaker ? Failover.make([{ name: "provider", notifier: provider }]) : provider
        )
      ),
      Layer.provide(layerAtOnce)
    )
  )

  // One every 120 ms; each tenth is of no use any more when the provider is back.
  for (let index = 0; index < messages; index++) {
    const createdAt = yield* DateTime.now
    const messageId = `message-${String(index).padStart(3, "0")}`
    const expiresAt = index % 10 === 0 ? DateTime.makeUnsafe(outage) : DateTime.add(createdAt, { minutes: 10 })
    tables.outbox.set(messageId, {
      message: { ...message, messageId, kind: "notice", codeId: undefined, createdAt, expiresAt },
      state: "queued",
      receipt: undefined,
      reason: undefined,
      attempts: 0,
      dueAt: createdAt,
      lease: undefined
    })
    yield* TestClock.adjust("120 millis")
  }
  for (let second = 0; second < 120; second++) yield* TestClock.adjust("1 second")
  const states = Array.from(tables.outbox.values(), ({ message: { messageId }, reason, state }) => ({
    messageId,
    end: reason === undefined ? state : `${state}: ${reason}`
  }))
  return { tried, states }
})

const layers = Layer.mergeAll(
  Memory.layerPorts,
  MemoryOutbox.layer.pipe(Layer.provideMerge(MemoryTables.layer)),
  SmsText.layerEnglish
)

describe("after a minute without a provider", () => {
  it.effect("all messages that still help are delivered, each once, in order of age, and no herd comes down on it", () =>
    Effect.gen(function*() {
      const { states, tried } = yield* run(true)
      const delivered = tried.filter(({ at }) => at >= outage)
      const alive = Array.from({ length: messages }, (_, index) => index).filter((index) => index % 10 !== 0)
      assert.deepStrictEqual(
        delivered.map(({ id }) => id),
        alive.map((index) => `message-${String(index).padStart(3, "0")}`)
      )
      for (const { end, messageId } of states) {
        assert.strictEqual(end, messageId.endsWith("0") ? "dropped: expired" : "sent", messageId)
      }
      // What the provider meets: a probe now and then, and afterwards one, two, four, … at once.
      assert.isBelow(tried.length - delivered.length, 25)
      assert.deepStrictEqual(delivered.slice(0, 3).map(({ others }) => others), [0, 0, 1])
      assert.strictEqual(Math.max(...delivered.map(({ others }) => others)), 31)
    }).pipe(Effect.provide(layers)))

  it.effect("more would have been asked of it without a circuit breaker", () =>
    Effect.gen(function*() {
      const { tried } = yield* run(false)
      assert.isAbove(tried.filter(({ at }) => at < outage).length, 300)
    }).pipe(Effect.provide(layers)))
})
