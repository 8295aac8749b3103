/** The delivery worker's rounds: what it takes and when, what it makes texts from, and what it tells its operator. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Layer, Queue, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import {
  CodeVault,
  Errors,
  Outbox,
  SmsDelivery,
  SmsNotifier,
  SmsText,
  VerificationProvider
} from "../../src/core/index.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { code, failing, handedOver, notifier, oneMessage, recipient, sending } from "../fixtures/Delivery.ts"
import { record } from "../fixtures/Telemetry.ts"

const down = new Errors.Unavailable({ cause: "down" })

/** A worker over this outbox and this notifier, to be run by hand. */
const workerOf = (
  outbox: Outbox.Outbox["Service"],
  send: SmsNotifier.SmsNotifier["Service"],
  options?: SmsDelivery.SmsDeliveryOptions
) =>
  SmsDelivery.make(options).pipe(
    Effect.provideService(Outbox.Outbox, outbox),
    Effect.provideService(SmsNotifier.SmsNotifier, send)
  )

const layers = Layer.merge(Memory.layerPorts, SmsText.layerEnglish)

describe("SmsDelivery's texts", () => {
  const inputs = (body: "code" | "notice", language?: string) =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const vault = yield* CodeVault.CodeVault
      const box = yield* vault.seal(
        body === "code"
          ? { kind: "code", recipient, language, code }
          : { kind: "notice", recipient, language, change: "replaced" },
        message
      )
      const rendered: Array<SmsText.SmsTextInput> = []
      const { deliverDue } = yield* workerOf(outboxOf({ ...message, ...box }), sending).pipe(
        Effect.provideService(SmsText.SmsText, {
          render: (input) => {
            rendered.push(input)
            return Effect.succeed(Redacted.make("text"))
          }
        })
      )
      yield* deliverDue
      return rendered
    })

  it.effect("are made from the code, its time, and the user's language", () =>
    Effect.gen(function*() {
      assertSame(yield* inputs("code", "de"), [
        { kind: "code", code, minutes: 10, language: "de" }
      ])
      assertSame(yield* inputs("code"), [{ kind: "code", code, minutes: 10, language: undefined }])
    }).pipe(Effect.provide(layers)))

  it.effect("say nothing of a code in a notice", () =>
    Effect.gen(function*() {
      assertSame(yield* inputs("notice", "de"), [
        { kind: "notice", change: "replaced", language: "de" }
      ])
      assertSame(yield* inputs("notice"), [{
        kind: "notice",
        change: "replaced",
        language: undefined
      }])
    }).pipe(Effect.provide(layers)))
})

describe("SmsDelivery's records", () => {
  it.effect("tell of a message that is given up, and are silent on one that is sent, tried again or released", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const { layer, logs } = record()
      const permanent = failing(new SmsNotifier.Permanent({ code: "21211" }))
      const transient = failing(new SmsNotifier.Transient({ cause: "down" }))
      for (const send of [sending, transient, permanent]) {
        const { deliverDue } = yield* workerOf(outboxOf(message), send)
        yield* Effect.provide(deliverDue, layer)
      }
      const { deliverDue } = yield* workerOf(outboxOf({ ...message, keyId: "newer" }), sending)
      yield* Effect.provide(deliverDue, layer)
      assert.deepStrictEqual(logs, [["Error", "an SMS is given up", "permanent: 21211", message.messageId]])
    }).pipe(Effect.provide(layers)))

  it.effect("warn of a message that expired before it could be sent, and not of one that is no longer wanted", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const toldOf = Effect.fnUntraced(function*(changes: Partial<Outbox.ClaimedMessage>) {
        const { layer, logs } = record()
        const { deliverDue } = yield* workerOf(outboxOf({ ...message, ...changes }), sending)
        yield* Effect.provide(deliverDue, layer)
        return logs
      })
      assert.deepStrictEqual(yield* toldOf({ expiresAt: message.createdAt }), [
        ["Warn", "an SMS has expired before it could be sent", message.messageId]
      ])
      for (const unwanted of [{ codeIsPending: false }, { wrongGuesses: 5 }]) {
        assert.deepStrictEqual(yield* toldOf(unwanted), [])
      }
    }).pipe(Effect.provide(layers)))

  it.effect("are of a notice, too, which no code has to be pending for", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const vault = yield* CodeVault.CodeVault
      const notice = { messageId: message.messageId, userId: message.userId, codeId: undefined }
      const box = yield* vault.seal({ kind: "notice", recipient, change: "removed" }, notice)
      const claimed = { ...message, ...box, kind: "notice" as const, codeId: undefined, codeIsPending: false }
      const { deliverDue } = yield* workerOf(outboxOf({ ...claimed, wrongGuesses: 0 }), sending)
      yield* deliverDue
      assert.deepStrictEqual(settled.map(({ _tag }) => _tag), ["Sent"])
    }).pipe(Effect.provide(layers)))

  it.effect("report what became of a message only where its notifier knows", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const reports: Array<SmsNotifier.Receipt> = []
      const outbox = Outbox.Outbox.of({
        ...outboxOf(message),
        report: (_messageId, receipt) => Effect.sync(() => reports.push(receipt) > 0)
      })
      const delivered = notifier(() => Effect.succeed({ ...handedOver, receipt: { status: "delivered" } }))
      for (const send of [sending, failing(new SmsNotifier.OptedOut()), delivered]) {
        const { deliverDue } = yield* workerOf(outbox, send)
        yield* deliverDue
      }
      assert.deepStrictEqual(reports, [{ status: "delivered" }])
    }).pipe(Effect.provide(layers)))

  it.effect("keep of a provider's name and ids what can be kept", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const odd = notifier(() => Effect.succeed({ provider: "a\0é", reference: "1\n2" }))
      const { deliverDue } = yield* workerOf(outboxOf(message), odd)
      yield* deliverDue
      assert.deepInclude(settled[0], { _tag: "Sent", provider: "a??", reference: "1?2" })
    }).pipe(Effect.provide(layers)))

  it.effect("tell of a bug by its kind, without what it said", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const { layer, logs } = record()
      for (const bug of [new RangeError("+41791112233"), "+41791112233"]) {
        const { deliverDue } = yield* workerOf(outboxOf(message), notifier(() => Effect.die(bug)))
        yield* Effect.provide(deliverDue, layer)
      }
      assert.deepStrictEqual(logs, [
        ["Error", "an SMS met a bug", "RangeError", message.messageId],
        ["Error", "an SMS met a bug", "string", message.messageId]
      ])
    }).pipe(Effect.provide(layers)))

  it.effect("warn of a lease that was lost before the message was settled", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const { layer, logs } = record()
      const lost = Outbox.Outbox.of({ ...outboxOf(message), settle: () => Effect.succeed(false) })
      const { deliverDue } = yield* workerOf(lost, sending)
      assert.strictEqual(yield* Effect.provide(deliverDue, layer), 1)
      assert.deepStrictEqual(logs, [["Warn", "an SMS lost its lease before it was settled", message.messageId]])
    }).pipe(Effect.provide(layers)))

  it.effect("tell of a message that could not be settled until its lease was over", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const { layer, logs } = record()
      const tries: Array<number> = []
      const tried = yield* Queue.unbounded<void>()
      const unreachable = Outbox.Outbox.of({
        ...outboxOf(message),
        settle: () =>
          Effect.gen(function*() {
            tries.push((yield* DateTime.now).epochMilliseconds)
            yield* Queue.offer(tried, undefined)
            return yield* down
          })
      })
      const { deliverDue } = yield* workerOf(unreachable, sending, { lease: "10 seconds" })
      const round = yield* Effect.forkChild(Effect.provide(deliverDue, layer))
      yield* Queue.take(tried)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* Fiber.join(round), 1)
      assert.deepStrictEqual(tries, Array.from({ length: 11 }, (_, second) => second * 1000))
      assert.deepStrictEqual(logs, [["Error", "an SMS could not be settled", message.messageId]])

      // Who is to stop waits no longer.
      yield* Queue.clear(tried)
      const stopped = yield* Effect.forkChild(Effect.provide(deliverDue, layer))
      yield* Queue.take(tried)
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interrupt(stopped)
      assert.deepStrictEqual(tries.slice(11).map((at) => at - 20_000), [0, 1000])
      assert.lengthOf(logs, 2)
    }).pipe(Effect.provide(layers)))

  it.effect("trace a message by its id and how often it was tried", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const { layer, spans } = record()
      const { deliverDue } = yield* workerOf(outboxOf({ ...message, attempts: 3 }), sending)
      yield* Effect.provide(deliverDue, layer)
      assert.deepStrictEqual(spans.map(({ attributes, name }) => [name, Object.fromEntries(attributes)]), [
        ["SmsDelivery.handle", { messageId: message.messageId, attempts: 3 }]
      ])
    }).pipe(Effect.provide(layers)))

  it.effect("say why a message is tried again or given up", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      for (const reason of [new SmsNotifier.Throttled({}), new SmsNotifier.Permanent({ code: "21211" })]) {
        const { deliverDue } = yield* workerOf(outboxOf(message), failing(reason))
        yield* Effect.provideService(deliverDue, Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.8 })
      }
      assert.deepStrictEqual(settled, [
        { _tag: "Retry", at: DateTime.makeUnsafe(1200), reason: "throttled" },
        { _tag: "Dead", reason: "permanent: 21211" }
      ])
    }).pipe(Effect.provide(layers)))

  it.effect("keep and log nothing of what a provider says that quotes the code or the number", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const { layer, logs } = record()
      const digits = Redacted.value<string>(recipient).slice(1)
      const national = `0${digits.slice(2)}`
      const quotes = [
        Redacted.value(code),
        `to ${digits}!`,
        `the 'To' number (${national.slice(0, 3)}) ${national.slice(3, 6)}-${national.slice(6)} is not a mobile one`
      ]
      for (const quote of quotes) {
        for (
          const send of [
            failing(new SmsNotifier.Permanent({ code: quote })),
            failing(new SmsNotifier.DestinationRefused({ code: quote })),
            failing(new SmsNotifier.AccountRefused({ code: quote })),
            notifier(() =>
              Effect.succeed({ provider: quote, reference: quote, receipt: { status: "failed", code: quote } })
            )
          ]
        ) {
          const { deliverDue } = yield* workerOf(outboxOf(message), send)
          yield* Effect.provide(deliverDue, layer)
        }
      }
      const told = JSON.stringify([settled, logs])
      for (const quote of quotes) assert.notInclude(told, quote)
      // Of each: three reasons and three words of a success, and three lines of the log.
      assert.lengthOf(told.match(/what quotes the message/g) ?? [], quotes.length * 9)
    }).pipe(Effect.provide(layers)))

  it.effect("keep and log nothing of what a provider of codes says that quotes the number", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const { layer, logs } = record()
      const quote = `to ${Redacted.value<string>(recipient)}`
      const deliver = Effect.fnUntraced(function*(start: VerificationProvider.VerificationProvider["start"]) {
        const { deliverDue } = yield* workerOf(outboxOf({ ...message, route: "verification/p" }), sending).pipe(
          Effect.provideService(VerificationProvider.VerificationProvider, {
            id: "p",
            lifetime: Duration.minutes(10),
            start,
            check: () => Effect.succeed("wrong")
          })
        )
        yield* Effect.provide(deliverDue, layer)
      })
      for (const reason of [SmsNotifier.Permanent, SmsNotifier.DestinationRefused, SmsNotifier.AccountRefused]) {
        yield* deliver(() =>
          Effect.fail(new SmsNotifier.SmsNotSent({ reason: new reason({ code: `${quote}\u0000` }) }))
        )
      }
      const told = JSON.stringify([settled, logs])
      assert.notInclude(told, quote)
      // Of each the reason, and of each the line of the log.
      assert.lengthOf(told.match(/what quotes the message/g) ?? [], 6)
      yield* deliver(() => Effect.succeed({ verificationId: quote }))
      assert.propertyVal(settled.at(-1), "reference", "what quotes the message")
    }).pipe(Effect.provide(layers)))

  it.effect("tell the operator of a refused account once a minute, whatever the notifier", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const { layer, logs } = record()
      const { deliverDue } = yield* workerOf(
        outboxOf(message),
        failing(new SmsNotifier.AccountRefused({ code: "401" }))
      )
      for (let attempt = 0; attempt < 5; attempt++) {
        yield* Effect.provide(deliverDue, layer)
        yield* TestClock.adjust("20 seconds")
      }
      const line = [
        "Error",
        "the SMS provider takes nothing of this account, check its settings and its funds",
        "account refused: 401"
      ] as const
      assert.deepStrictEqual(logs, [line, line])
    }).pipe(Effect.provide(layers)))
})

describe("SmsDelivery's rounds", () => {
  it.effect("take sixteen messages for a minute, or as many for as long as is set", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const claims: Array<unknown> = []
      const recording = Outbox.Outbox.of({
        ...outboxOf(message),
        claim: ({ lease, limit, now }) => {
          claims.push({ now: now.epochMilliseconds, limit, lease: Duration.toSeconds(lease) })
          return Effect.succeed([])
        }
      })
      for (const options of [undefined, { concurrency: 2, lease: "10 seconds" }] as const) {
        const { deliverDue } = yield* workerOf(recording, sending, options)
        assert.strictEqual(yield* deliverDue, 0)
      }
      assert.deepStrictEqual(claims, [{ now: 0, limit: 32, lease: 60 }, { now: 0, limit: 2, lease: 10 }])
    }).pipe(Effect.provide(layers)))

  it.effect("hand over as many messages at once as they may take", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const [two, open] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let [inHand, most] = [0, 0]
      const slow = notifier(() =>
        Effect.gen(function*() {
          most = Math.max(most, ++inHand)
          if (inHand === 2) yield* Deferred.succeed(two, undefined)
          yield* Deferred.await(open)
          inHand--
          return handedOver
        })
      )
      const full = Outbox.Outbox.of({
        ...outboxOf(message),
        claim: () => Effect.succeed([message, message, message, message])
      })
      const { deliverDue } = yield* workerOf(full, slow, { concurrency: 2 })
      const round = yield* Effect.forkChild(deliverDue)
      yield* Deferred.await(two)
      yield* Deferred.succeed(open, undefined)
      assert.strictEqual(yield* Fiber.join(round), 4)
      assert.strictEqual(settled.length, 4)
      assert.strictEqual(most, 2)
    }).pipe(Effect.provide(layers)))

  /** When a worker claims, in milliseconds, while it meets these claims one after the other and finds nothing after that. */
  const claimTimes = (
    claims: ReadonlyArray<"one" | "none" | "down">,
    options: SmsDelivery.SmsDeliveryOptions,
    adjust: Duration.Input
  ) =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const times: Array<number> = []
      const lastMessage = yield* Deferred.make<void>()
      const outbox = Outbox.Outbox.of({
        ...outboxOf(message),
        claim: ({ now }) =>
          Effect.gen(function*() {
            const claim = claims[times.length]
            times.push(now.epochMilliseconds)
            if (times.length > claims.lastIndexOf("one") + 1) yield* Deferred.succeed(lastMessage, undefined)
            if (claim === "down") return yield* down
            return claim === "one" ? [message] : []
          })
      })
      yield* Layer.build(
        SmsDelivery.layer(options).pipe(
          Layer.provide(Layer.succeed(Outbox.Outbox, outbox)),
          Layer.provide(Layer.succeed(SmsNotifier.SmsNotifier, sending))
        )
      )
      yield* Deferred.await(lastMessage)
      yield* TestClock.adjust(adjust)
      return times
    })

  it.effect("follow at once on one that had a message, and after a pause on one that had none", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* claimTimes(["one", "one"], {}, "2 seconds"), [0, 0, 0, 1000, 2000])
    }).pipe(Effect.provide(layers)))

  it.effect("pause for as long as is set, also if that is longer than after failures", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* claimTimes([], { pollInterval: "400 millis" }, "1 second"), [0, 400, 800])
      assert.deepStrictEqual(yield* claimTimes([], { pollInterval: "8 seconds" }, "10 seconds"), [1000, 9000])
    }).pipe(Effect.provide(layers)))

  it.effect("pause twice as long after each failure, up to five seconds, and tell of the first and of the recovery", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const failures = Array.from({ length: 6 }, () => "down" as const)
      const times = yield* claimTimes([...failures, "none", "down"], {}, "25 seconds")
      assert.deepStrictEqual(times, [0, 1000, 3000, 7000, 12_000, 17_000, 22_000, 23_000, 24_000, 25_000])
      const told: typeof logs = [["Error", "the outbox cannot be worked on"], [
        "Info",
        "the outbox can be reached again"
      ]]
      assert.deepStrictEqual(logs, [...told, ...told])
    }).pipe(Effect.provide(layer), Effect.provide(layers))
  })
})
