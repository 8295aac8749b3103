/** The delivery worker: how each end of an attempt settles a message. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Exit, Fiber, Layer, Random, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import { CodeVault, Errors, Outbox, SmsDelivery, SmsNotifier, SmsText, UserId } from "../../src/core/index.ts"
import { failing, handedOver, notifier, oneMessage, recipient } from "../fixtures/Delivery.ts"

/** One round over a message with this notifier, and how it settled. */
const settlementOf = (
  send: SmsNotifier.SmsNotifier["Service"],
  change: Partial<Outbox.ClaimedMessage> = {},
  options?: SmsDelivery.SmsDeliveryOptions
) =>
  Effect.gen(function*() {
    const { message, outboxOf, settled } = yield* oneMessage
    const { deliverDue } = yield* SmsDelivery.make(options).pipe(
      Effect.provideService(Outbox.Outbox, outboxOf({ ...message, ...change })),
      Effect.provideService(SmsNotifier.SmsNotifier, send)
    )
    assert.strictEqual(yield* deliverDue, 1)
    assert.strictEqual(settled.length, 1)
    return settled[0]!
  }).pipe(Effect.provideService(Random.Random, noChance))

/** Nothing waits longer by chance. */
const noChance = { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0 }

const layers = Layer.merge(Memory.layerPorts, SmsText.layerEnglish)
const seconds = (settlement: Outbox.Settlement) =>
  settlement._tag === "Retry" ? settlement.at.epochMilliseconds / 1000 : undefined

describe("SmsDelivery", () => {
  it.effect("hands the rendered text to the notifier under the message's id, and settles it as sent", () =>
    Effect.gen(function*() {
      const handed: Array<SmsNotifier.Sms> = []
      const settlement = yield* settlementOf(notifier((sms) =>
        Effect.sync(() => {
          handed.push(sms)
          return handedOver
        })
      ))
      assert.deepStrictEqual(settlement, { _tag: "Sent", at: DateTime.makeUnsafe(0), ...handedOver })
      assert.strictEqual(handed.length, 1)
      assert.strictEqual(Redacted.value(handed[0]!.recipient), Redacted.value(recipient))
      assert.strictEqual(
        Redacted.value(handed[0]!.text),
        "314159 is your verification code. It is valid for 10 minutes. Do not share it."
      )
    }).pipe(Effect.provide(layers)))

  it.effect("keeps of a provider's words what can be stored and read", () =>
    Effect.gen(function*() {
      const odd = `a\u0000b\n${"x".repeat(400)}`
      const kept = `a?b?${"x".repeat(251)}`
      const sent = yield* settlementOf(notifier(() => Effect.succeed({ provider: "test", reference: odd })))
      assert.deepStrictEqual(sent, { _tag: "Sent", at: DateTime.makeUnsafe(0), provider: "test", reference: kept })
      const dead = yield* settlementOf(failing(new SmsNotifier.Permanent({ code: odd })))
      assert.deepStrictEqual(dead, { _tag: "Dead", reason: `permanent: ${kept}` })
      const refused = yield* settlementOf(failing(new SmsNotifier.AccountRefused({ code: odd })))
      assert.propertyVal(refused, "reason", `account refused: ${kept}`)
      const unreached = yield* settlementOf(failing(new SmsNotifier.DestinationRefused({ code: odd })))
      assert.deepStrictEqual(unreached, { _tag: "Dead", reason: `destination refused: ${kept}` })
    }).pipe(Effect.provide(layers)))

  it.effect("drops a message whose code has expired, without handing it over", () =>
    Effect.gen(function*() {
      const never = notifier(() => Effect.die("handed over"))
      const settlement = yield* settlementOf(never, { expiresAt: DateTime.makeUnsafe(0) })
      assert.deepStrictEqual(settlement, { _tag: "Dropped", reason: "expired" })
    }).pipe(Effect.provide(layers)))

  const transient = new SmsNotifier.Transient({ cause: "down" })

  it.effect("tries again after a transient failure, waiting twice as long each time, up to 64 seconds", () =>
    Effect.gen(function*() {
      const waits = yield* Effect.forEach(
        [0, 1, 2, 6, 8],
        (attempts) => Effect.map(settlementOf(failing(transient), { attempts }), seconds)
      )
      assert.deepStrictEqual(waits, [1, 2, 4, 64, 64])
    }).pipe(Effect.provide(layers)))

  it.effect("waits as long as a provider asks when that is longer", () =>
    Effect.gen(function*() {
      const throttled = (wait: number) => new SmsNotifier.Throttled({ retryAfter: Duration.seconds(wait) })
      assert.strictEqual(seconds(yield* settlementOf(failing(throttled(90)))), 90)
      assert.strictEqual(seconds(yield* settlementOf(failing(throttled(0)))), 1)
      assert.strictEqual(seconds(yield* settlementOf(failing(new SmsNotifier.Throttled({})))), 1)
    }).pipe(Effect.provide(layers)))

  it.effect("waits no longer than the message is good for, however long a provider asks", () =>
    Effect.gen(function*() {
      const expiresAt = DateTime.makeUnsafe(600_000)
      const aYear = failing(new SmsNotifier.Throttled({ retryAfter: Duration.days(365) }))
      assert.strictEqual(seconds(yield* settlementOf(aYear, { expiresAt })), 600)
    }).pipe(Effect.provide(layers)))

  it.effect("tries for as long as a message lives, however often that is", () =>
    Effect.gen(function*() {
      const expiresAt = DateTime.makeUnsafe(86_400_000)
      for (const attempts of [14, 15, 16, 2000]) {
        assert.propertyVal(yield* settlementOf(failing(transient), { attempts, expiresAt }), "_tag", "Retry")
      }
    }).pipe(Effect.provide(layers)))

  it.effect("waits as long as a provider asks that is down", () =>
    Effect.gen(function*() {
      const down = (retryAfter: Duration.Duration) =>
        failing(new SmsNotifier.Transient({ cause: "HTTP 503", retryAfter }))
      assert.strictEqual(seconds(yield* settlementOf(down(Duration.seconds(120)))), 120)
      assert.strictEqual(seconds(yield* settlementOf(down(Duration.zero))), 1)
    }).pipe(Effect.provide(layers)))

  it.effect("gives up at a permanent failure, and when the holder opted out", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* settlementOf(failing(new SmsNotifier.Permanent({ code: "21211" }))), {
        _tag: "Dead",
        reason: "permanent: 21211"
      })
      assert.deepStrictEqual(yield* settlementOf(failing(new SmsNotifier.OptedOut({}))), {
        _tag: "Dead",
        reason: "opted out"
      })
    }).pipe(Effect.provide(layers)))

  it.effect("interrupts a hand-over that takes half of the lease, and tries again", () =>
    Effect.gen(function*() {
      let interrupted = false
      const begun = yield* Deferred.make<void>()
      const hanging = notifier(() =>
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Effect.sync(() => void (interrupted = true)))
        )
      )
      const round = yield* Effect.forkChild(settlementOf(hanging, {}, { lease: "60 seconds" }))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("29 seconds")
      assert.isFalse(interrupted)
      yield* TestClock.adjust("1 second")
      const settlement = yield* Fiber.join(round)
      assert.strictEqual(settlement._tag === "Retry" && settlement.reason, "timeout")
      assert.strictEqual(seconds(settlement), 31)
      assert.isTrue(interrupted)
    }).pipe(Effect.provide(layers)))

  it.effect("releases a message that was sealed with a key it does not hold, however often it was tried", () =>
    Effect.gen(function*() {
      const never = notifier(() => Effect.die("handed over"))
      const settlement = yield* settlementOf(never, { keyId: "newer", attempts: 50 })
      assert.deepStrictEqual(settlement, { _tag: "Released", at: DateTime.makeUnsafe(5000), reason: "unknown key" })
    }).pipe(Effect.provide(layers)))

  it.effect("tries again after a bug in a provider, and tells of it without what it said", () =>
    Effect.gen(function*() {
      const settlement = yield* settlementOf(notifier(() => Effect.die(new RangeError("+41791112233"))))
      assert.deepStrictEqual(settlement, { _tag: "Retry", at: DateTime.makeUnsafe(1000), reason: "bug" })
    }).pipe(Effect.provide(layers)))

  it.effect("delivers the others when one message cannot be settled", () =>
    Effect.gen(function*() {
      const { message, outboxOf } = yield* oneMessage
      const vault = yield* CodeVault.CodeVault
      const others = yield* Effect.forEach(["a", "b"], (messageId) =>
        Effect.map(
          vault.seal({ kind: "notice", recipient, change: "removed" }, {
            messageId,
            userId: message.userId,
            codeId: undefined
          }),
          (box) => ({ ...message, ...box, messageId, kind: "notice", codeId: undefined } as const)
        ))
      const release = yield* Deferred.make<void>()
      const settled: Array<string> = []
      const outbox = Outbox.Outbox.of({
        ...outboxOf(message, ...others),
        settle: ({ messageId }) =>
          messageId === message.messageId
            ? Effect.andThen(Deferred.succeed(release, undefined), Effect.die("settling met a bug"))
            : Effect.sync(() => settled.push(messageId) > 0)
      })
      const slowFor = notifier(({ messageId }) =>
        messageId === message.messageId ? Effect.succeed(handedOver) : Effect.as(Deferred.await(release), handedOver)
      )
      const { deliverDue } = yield* SmsDelivery.make().pipe(
        Effect.provideService(Outbox.Outbox, outbox),
        Effect.provideService(SmsNotifier.SmsNotifier, slowFor)
      )
      assert.strictEqual(yield* deliverDue, 3)
      assert.deepStrictEqual(settled.toSorted(), ["a", "b"])
    }).pipe(Effect.provide(layers)))

  it.effect("gives up on a message that was tampered with or moved to another row", () =>
    Effect.gen(function*() {
      const never = notifier(() => Effect.die("handed over"))
      const changes: ReadonlyArray<Partial<Outbox.ClaimedMessage>> = [
        { messageId: "other" },
        { userId: UserId.UserId.make("grace") },
        { codeId: "other" },
        { sealed: new Uint8Array(60) },
        { sealed: new Uint8Array(0) }
      ]
      for (const change of changes) {
        assert.deepStrictEqual(yield* settlementOf(never, change), { _tag: "Dead", reason: "seal broken" })
      }
    }).pipe(Effect.provide(layers)))

  it.effect("goes on after the outbox met a bug and could not be reached, and on shutdown finishes what is in hand", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const [begun, provider] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let claims = 0
      const outbox = Outbox.Outbox.of({
        ...outboxOf(),
        claim: () =>
          Effect.suspend(() => {
            if (claims++ === 0) return Effect.die("a bug")
            if (claims === 2) return Effect.fail(new Errors.Unavailable({ cause: "down" }))
            return Effect.succeed(claims === 3 ? [message] : [])
          })
      })
      const slow = notifier(() =>
        Effect.as(Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(provider)), handedOver)
      )
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(
        SmsDelivery.layer().pipe(
          Layer.provide(Layer.succeed(Outbox.Outbox, outbox)),
          Layer.provide(Layer.succeed(SmsNotifier.SmsNotifier, slow)),
          Layer.provide(layers)
        ),
        scope
      )
      yield* TestClock.adjust("5 seconds")
      yield* Deferred.await(begun)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.deepStrictEqual(settled, [])
      yield* Deferred.succeed(provider, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(settled.map((settlement) => settlement._tag), ["Sent"])
      const claimsAtEnd = claims
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(claims, claimsAtEnd)
    }).pipe(Effect.provide(layers)))

  it.effect("gives the message in hand back when a shutdown has waited long enough", () =>
    Effect.gen(function*() {
      const { message, outboxOf, settled } = yield* oneMessage
      const begun = yield* Deferred.make<void>()
      const hanging = notifier(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(
        SmsDelivery.layer({ shutdownTimeout: "3 seconds" }).pipe(
          Layer.provide(Layer.succeed(Outbox.Outbox, outboxOf(message))),
          Layer.provide(Layer.succeed(SmsNotifier.SmsNotifier, hanging)),
          Layer.provide(layers)
        ),
        scope
      )
      yield* Deferred.await(begun)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(settled, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(settled, [{ _tag: "Retry", at: DateTime.makeUnsafe(3000), reason: "shutdown" }])
    }).pipe(Effect.provide(layers)))

  it.effect("says one minute as long as there is any", () =>
    Effect.gen(function*() {
      const texts: Array<string> = []
      const recording = notifier(({ text }) =>
        Effect.sync(() => {
          texts.push(Redacted.value(text))
          return handedOver
        })
      )
      yield* settlementOf(recording, { expiresAt: DateTime.makeUnsafe(10_000) })
      assert.include(texts[0], "valid for 1 minute.")
    }).pipe(Effect.provide(layers)))
})
