/** The running worker: what wakes it, how much it takes, when it holds back, and what it does not send at all. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, PubSub, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import {
  CodeVault,
  Errors,
  Limits,
  Outbox,
  SmsDelivery,
  SmsNotifier,
  VerificationProvider
} from "../../src/core/index.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { code, failing, handedOver, notifier, oneMessage, recipient, sending } from "../fixtures/Delivery.ts"

/** An outbox of numbered messages that are claimed once, and a worker on it for as long as the test's scope lives. */
const makeQueue = Effect.gen(function*() {
  const { message, outboxOf } = yield* oneMessage
  const arrivals = yield* PubSub.unbounded<void>()
  const waiting: Array<Outbox.ClaimedMessage> = []
  const settled: Array<readonly [messageId: string, Outbox.Settlement]> = []
  const claims: Array<readonly [at: number, limit: number]> = []

  const outbox = Outbox.Outbox.of({
    ...outboxOf(),
    claim: ({ limit, now, route }) =>
      Effect.sync(() => {
        claims.push([now.epochMilliseconds, limit])
        const claimed = waiting.filter((one) => one.route === route).slice(0, limit)
        for (const one of claimed) waiting.splice(waiting.indexOf(one), 1)
        return claimed
      }),
    settle: (claimed, settlement) =>
      Effect.sync(() => {
        settled.push([claimed.messageId, settlement])
        if (settlement._tag === "Released") waiting.push(claimed)
        return true
      }),
    arrivals: Stream.fromPubSub(arrivals)
  })

  return {
    settled,
    claims,
    arrived: PubSub.publish(arrivals, undefined),
    /** Puts so many messages in. */
    put: Effect.fnUntraced(function*(count: number, route: Outbox.Route = "sms") {
      const now = yield* DateTime.now
      for (let index = 0; index < count; index++) {
        const messageId = `message-${waiting.length}`
        waiting.push({ ...message, route, messageId, expiresAt: DateTime.add(now, { hours: 1 }) })
      }
    }),
    run: (
      send: SmsNotifier.SmsNotifier["Service"],
      options: SmsDelivery.SmsDeliveryOptions = {},
      more: Partial<Outbox.Outbox["Service"]> = {}
    ) =>
      Layer.build(
        SmsDelivery.layer(options).pipe(
          Layer.provide(Layer.succeed(Outbox.Outbox, { ...outbox, ...more })),
          Layer.provide(Layer.succeed(SmsNotifier.SmsNotifier, send)),
          Layer.provide(layerAtOnce)
        )
      )
  }
})

/** A vault that takes no time, since only the test's clock moves here. */
const layerAtOnce = Layer.effect(
  CodeVault.CodeVault,
  Effect.map(CodeVault.CodeVault, (vault) => ({
    ...vault,
    open: () => Effect.succeed({ kind: "code" as const, recipient, code }),
    fingerprint: () => Effect.succeed("fingerprint")
  }))
)

/** Lets all fibers go on as far as they can, then the clock. */
const settle = (duration: Duration.Input = 0) =>
  Effect.andThen(Effect.replicateEffect(Effect.yieldNow, 50), TestClock.adjust(duration))

describe("SmsDelivery's worker", () => {
  it.effect("is woken by what comes in, long before it would look by itself", () =>
    Effect.gen(function*() {
      const queue = yield* makeQueue
      yield* queue.run(sending, { pollInterval: "1 hour" })
      yield* settle()
      assert.deepStrictEqual(queue.claims, [[0, 32]])
      yield* queue.put(1)
      yield* settle("10 minutes")
      assert.lengthOf(queue.settled, 0)
      yield* queue.arrived
      yield* settle()
      assert.deepStrictEqual(queue.settled.map(([id, { _tag }]) => [id, _tag]), [["message-0", "Sent"]])
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("looks by itself where nothing is told, or telling fails", () =>
    Effect.gen(function*() {
      for (
        const arrivals of [
          Stream.never,
          Stream.fail(new Errors.Unavailable({ cause: "no LISTEN" })),
          Stream.die("a bug")
        ]
      ) {
        const queue = yield* makeQueue
        yield* queue.run(sending, {}, { arrivals })
        yield* settle("500 millis")
        yield* queue.put(1)
        yield* settle("499 millis")
        assert.lengthOf(queue.settled, 0)
        yield* settle("1 millis")
        yield* settle()
        assert.lengthOf(queue.settled, 1)
      }
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("listens again after what tells of messages has failed", () =>
    Effect.gen(function*() {
      const queue = yield* makeQueue
      const told = yield* PubSub.unbounded<void>()
      let listened = 0
      const arrivals = Stream.suspend(() =>
        listened++ === 0 ? Stream.fail(new Errors.Unavailable({ cause: "no LISTEN" })) : Stream.fromPubSub(told)
      )
      yield* queue.run(sending, { pollInterval: "1 hour" }, { arrivals })
      yield* settle("5 seconds")
      assert.strictEqual(listened, 2)
      yield* queue.put(1)
      yield* PubSub.publish(told, undefined)
      yield* settle()
      assert.lengthOf(queue.settled, 1)
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("takes the next message as soon as one is done, while others still hang", () =>
    Effect.gen(function*() {
      const queue = yield* makeQueue
      yield* queue.put(6)
      const hanging = notifier(({ messageId }) =>
        messageId === "message-0" ? Effect.never : Effect.as(Effect.sleep("1 second"), handedOver)
      )
      yield* queue.run(hanging, { concurrency: 2, pollInterval: "1 hour", shutdownTimeout: 0 })
      for (let second = 0; second < 6; second++) yield* settle("1 second")
      assert.deepStrictEqual(
        queue.settled.map(([id]) => id),
        [1, 2, 3, 4, 5].map((index) => `message-${index}`)
      )
      assert.deepStrictEqual(queue.claims.slice(0, 3), [[0, 2], [1000, 1], [2000, 1]])
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("does not begin without room for a message", () =>
    Effect.gen(function*() {
      const queue = yield* makeQueue
      for (const concurrency of [0, -1, Number.NaN]) {
        const exit = yield* Effect.exit(queue.run(sending, { concurrency }))
        assert.include(String(exit), `concurrency must be at least 1, and is ${concurrency}`)
      }
      assert.lengthOf(queue.claims, 0)
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("takes nothing while nobody can deliver, then one, and doubles with each that goes well", () =>
    Effect.gen(function*() {
      const queue = yield* makeQueue
      yield* queue.put(40)
      const until = DateTime.makeUnsafe(60_000)
      const inHand: Array<number> = []
      let open = 0
      const recovering = notifier(() =>
        Effect.gen(function*() {
          if (DateTime.isLessThan(yield* DateTime.now, until)) {
            return yield* new SmsNotifier.SmsNotSent({ reason: new SmsNotifier.Paused({ until }) })
          }
          open++
          inHand.push(open)
          yield* Effect.sleep("1 second")
          open--
          return handedOver
        })
      )
      yield* queue.run(recovering)
      yield* settle()
      assert.isTrue(queue.settled.every(([, { _tag }]) => _tag === "Released"))
      const before = queue.claims.length
      yield* settle("59 seconds")
      assert.lengthOf(queue.claims, before)
      for (let second = 0; second < 10; second++) yield* settle("1 second")
      assert.strictEqual(inHand[0], 1)
      const widest = (from: number, to: number) => Math.max(...inHand.slice(from, to))
      assert.deepStrictEqual([widest(0, 1), widest(1, 3), widest(3, 7), widest(0, 40)], [1, 2, 4, 32])
      const sent = queue.settled.filter(([, { _tag }]) => _tag === "Sent").map(([id]) => id)
      assert.lengthOf(new Set(sent).size === 40 ? sent : [], 40)
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("holds up no code that a provider makes while the notifier cannot deliver, and the other way round", () =>
    Effect.gen(function*() {
      const until = DateTime.makeUnsafe(600_000)
      const pausing = Effect.fail(new SmsNotifier.SmsNotSent({ reason: new SmsNotifier.Paused({ until }) }))
      const route = Outbox.routeOfProvider("provider")
      const provider = (start: Effect.Effect<{ readonly verificationId: string }, SmsNotifier.SmsNotSent>) =>
        Effect.provideService(VerificationProvider.VerificationProvider, {
          id: "provider",
          lifetime: Duration.minutes(10),
          start: () => start,
          check: () => Effect.die("not asked")
        })
      const sides = [
        { send: notifier(() => pausing), start: Effect.succeed({ verificationId: "v" }), sent: route },
        { send: sending, start: pausing, sent: "sms" }
      ] as const
      for (const { send, sent, start } of sides) {
        const queue = yield* makeQueue
        yield* queue.put(30)
        yield* queue.put(30, route)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* provider(start)(queue.run(send, { pollInterval: "1 second" }))
          yield* settle("10 seconds")
          yield* settle()
        }))
        const places = queue.settled.filter(([, { _tag }]) => _tag === "Sent").map(([id]) => Number(id.slice(8)))
        const expected = Array.from({ length: 30 }, (_, index) => sent === "sms" ? index : index + 30)
        assert.deepStrictEqual(places.toSorted((a, b) => a - b), expected)
      }
    }).pipe(Effect.provide(Memory.layerPorts)))
})

describe("a message that can no longer help", () => {
  const never = notifier(() => Effect.die("handed over"))
  const settlementOf = (change: Partial<Outbox.ClaimedMessage>) =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const { deliverDue } = yield* SmsDelivery.make().pipe(
        Effect.provideService(Outbox.Outbox, outboxOf({ ...message, ...change })),
        Effect.provideService(SmsNotifier.SmsNotifier, never)
      )
      yield* deliverDue
      return settled
    })

  it.effect("is not sent: its code was used or replaced, or has expired", () =>
    Effect.gen(function*() {
      assertSame(yield* settlementOf({ codeIsPending: false }), [{ _tag: "Dropped", reason: "no longer pending" }])
      assertSame(yield* settlementOf({ expiresAt: DateTime.makeUnsafe(0) }), [{ _tag: "Dropped", reason: "expired" }])
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("is not sent when the guesses at its code are spent, but up to then", () =>
    Effect.gen(function*() {
      assertSame(yield* settlementOf({ wrongGuesses: 5 }), [{ _tag: "Dropped", reason: "spent" }])
      assert.deepStrictEqual((yield* settlementOf({ wrongGuesses: 4 })).map(({ _tag }) => _tag), ["Retry"])
      const unlimited = settlementOf({ wrongGuesses: 5 }).pipe(Effect.provideService(Limits.Limits, Limits.off))
      assert.deepStrictEqual((yield* unlimited).map(({ _tag }) => _tag), ["Retry"])
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("is sent all the same when it is a notice, which has no code", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const vault = yield* CodeVault.CodeVault
      const binding = { ...message, codeId: undefined }
      const box = yield* vault.seal({ kind: "notice", recipient, change: "removed" }, binding)
      const notice = { ...binding, ...box, kind: "notice", codeIsPending: false } as const
      const { deliverDue } = yield* SmsDelivery.make().pipe(
        Effect.provideService(Outbox.Outbox, outboxOf(notice)),
        Effect.provideService(SmsNotifier.SmsNotifier, sending)
      )
      yield* deliverDue
      assertSame(settled, [{ _tag: "Sent", at: DateTime.makeUnsafe(0), ...handedOver }])
    }).pipe(Effect.provide(Memory.layerPorts)))
})

describe("a code that a provider makes", () => {
  const started: Array<object> = []
  const provider: VerificationProvider.VerificationProvider = {
    id: "provider",
    lifetime: { _tag: "unused" } as never,
    start: (request) =>
      Effect.sync(() => {
        started.push(request)
        return { verificationId: "v" }
      }),
    check: () => Effect.die("not asked")
  }
  const deliver = (active: VerificationProvider.VerificationProvider | undefined) =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const vault = yield* CodeVault.CodeVault
      const box = yield* vault.seal({ kind: "code", recipient, language: "de" }, message)
      const { deliverDue } = yield* SmsDelivery.make().pipe(
        Effect.provideService(Outbox.Outbox, outboxOf({ ...message, ...box, route: "verification/provider" })),
        Effect.provideService(SmsNotifier.SmsNotifier, notifier(() => Effect.die("handed over"))),
        Effect.provideService(VerificationProvider.VerificationProvider, active)
      )
      yield* deliverDue
      return { message, settled }
    })

  it.effect("is asked for there, and settled with the provider's id", () =>
    Effect.gen(function*() {
      const { message: { messageId, userId }, settled } = yield* deliver(provider)
      assertSame(started, [{ messageId, userId, recipient, language: "de" }])
      assertSame(settled, [{
        _tag: "Sent",
        at: DateTime.makeUnsafe(0),
        provider: "provider",
        reference: "v",
        verificationId: "v"
      }])
    }).pipe(Effect.provide(Memory.layerPorts)))

  it.effect("is tried again when the provider fails, and left to others where none, or another, is set up", () =>
    Effect.gen(function*() {
      const down = {
        ...provider,
        start: () => failing(new SmsNotifier.Transient({ cause: "down" })).send(undefined as never)
      }
      const { settled } = yield* deliver(down as never)
      assert.deepStrictEqual(settled.map(({ _tag }) => _tag), ["Retry"])
      assertSame((yield* deliver(undefined)).settled, [])
      assertSame((yield* deliver({ ...provider, id: "another" })).settled, [])
    }).pipe(Effect.provide(Memory.layerPorts)))
})
