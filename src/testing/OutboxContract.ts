/**
 * The contract of the `Outbox` port as a test suite. A host runs it against its own implementation.
 */
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { decideGuess } from "../core/GuessDecision.ts"
import * as Limits from "../core/Limits.ts"
import { Outbox, type OutboxMessage, routeOfProvider } from "../core/Outbox.ts"
import { Users } from "../core/Users.ts"
import { UserStore } from "../core/UserStore.ts"
import { claim, freshlyQueued, settlements, withoutLease } from "./internal/Queue.ts"
import { assertSame } from "./internal/Same.ts"
import { committed, newUserId, numberOf, register, settingNumber } from "./internal/Samples.ts"
import { settledMessages } from "./internal/SettledMessages.ts"

/**
 * What the suite cannot see through the port alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface SuiteOptions<R = never> {
  /**
   * Reads what is stored of a message's sealed body: undefined or empty once it was wiped or the message is gone.
   * Without this, the suite does not test that the body is wiped.
   */
  readonly sealedOf?: ((messageId: string) => Effect.Effect<Uint8Array | undefined, unknown, R>) | undefined
}

/**
 * Declares the tests of the contract for one outbox, with the users and the store beside it.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <R = never>(
  name: string,
  adapter: Layer.Layer<Users | UserStore | Outbox | R, unknown>,
  { sealedOf }: SuiteOptions<R> = {}
): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`Outbox (${name})`, (it) => {
    it.effect("hands out what was committed, as it was, oldest first and no more than asked for", () =>
      Effect.gen(function*() {
        const { now, queued } = yield* freshlyQueued(3)
        const two = yield* claim(now, 2)
        assertSame(two.map(withoutLease), queued.slice(0, 2))
        assertSame(two.map((message) => message.attempts), [0, 0])
        assertSame((yield* claim(now, 2)).map(withoutLease), queued.slice(2))
        assertSame(yield* claim(now, 2), [])
      }))

    it.effect("hands out each message on its own route only, however many wait on another", () =>
      Effect.gen(function*() {
        const { now } = yield* freshlyQueued(3)
        const store = yield* UserStore
        const outbox = yield* Outbox
        const route = routeOfProvider(newUserId())
        const change = settingNumber(yield* register(), numberOf(9), now)
        const message = { ...change.messages[0]!, route }
        yield* Effect.flatMap(store.commit({ ...change, messages: [message] }), committed)
        const options = { route, now, limit: 2, lease: Duration.minutes(1) }
        assertSame(yield* outbox.claim({ ...options, route: routeOfProvider("another") }), [])
        const [claimed, ...others] = yield* outbox.claim(options)
        assertSame([withoutLease(claimed!), others], [message, []])
        assert.strictEqual((yield* claim(now, 10)).length, 3)
        // A message that is put off stays on its route.
        yield* outbox.settle(claimed!, { _tag: "Retry", at: DateTime.add(now, { seconds: 5 }), reason: "test" })
        const later = DateTime.add(now, { seconds: 5 })
        assertSame(yield* claim(later, 10), [])
        assertSame((yield* outbox.claim({ ...options, now: later })).map(withoutLease), [message])
      }))

    it.effect("does not hand out what is not due yet", () =>
      Effect.gen(function*() {
        const { now, queued } = yield* freshlyQueued(1)
        assertSame(yield* claim(DateTime.subtract(now, { seconds: 1 }), 10), [])
        assert.strictEqual((yield* claim(now, 10)).length, queued.length)
      }))

    it.effect("hands a message out again when its lease is over, and refuses the old lease from then on", () =>
      Effect.gen(function*() {
        const { now, queued } = yield* freshlyQueued(1)
        const [first] = yield* claim(now, 1, "200 millis")
        assertSame(yield* claim(yield* DateTime.now, 1), [])
        yield* Effect.sleep("300 millis")
        const [second] = yield* claim(yield* DateTime.now, 1)
        assertSame(withoutLease(second!), queued[0])
        assert.strictEqual(second!.attempts, 1)
        assert.notStrictEqual(second!.leaseToken, first!.leaseToken)

        const outbox = yield* Outbox
        for (const settlement of settlements(now)) assert.isFalse(yield* outbox.settle(first!, settlement))
        assert.isTrue(yield* outbox.settle(second!, { _tag: "Dropped", reason: "test" }))
      }))

    it.effect("leaves a message in its worker's hands while the lease lives, though it has expired", () =>
      Effect.gen(function*() {
        const { now } = yield* freshlyQueued(0)
        const outbox = yield* Outbox
        const route = routeOfProvider(newUserId())
        const change = settingNumber(yield* register(), numberOf(1), now)
        const message = { ...change.messages[0]!, route }
        yield* UserStore.use((store) => Effect.flatMap(store.commit({ ...change, messages: [message] }), committed))
        const [held] = yield* outbox.claim({ route, now, limit: 1, lease: Duration.minutes(1) })
        const later = DateTime.add(now, { hours: 1 })
        for (const other of [route, "sms"] as const) {
          assertSame(yield* outbox.claim({ route: other, now: later, limit: 1, lease: Duration.minutes(1) }), [])
        }
        assert.isTrue(yield* outbox.settle(held!, { _tag: "Dropped", reason: "test" }))
      }))

    it.effect("settles a message once", () =>
      Effect.gen(function*() {
        const { now } = yield* freshlyQueued(3)
        const outbox = yield* Outbox
        const claimed = yield* claim(now, 3)
        for (
          const [index, settlement] of settlements(now).filter(({ _tag }) => _tag !== "Retry" && _tag !== "Released")
            .entries()
        ) {
          assert.isTrue(yield* outbox.settle(claimed[index]!, settlement))
          for (const again of settlements(now)) assert.isFalse(yield* outbox.settle(claimed[index]!, again))
        }
        yield* Effect.sleep("300 millis")
        assertSame(yield* claim(DateTime.add(now, { hours: 1 }), 10), [])
      }))

    it.effect("makes a message due again at the time that a retry names", () =>
      Effect.gen(function*() {
        const { now } = yield* freshlyQueued(1)
        const outbox = yield* Outbox
        const [first] = yield* claim(now, 1)
        const at = DateTime.add(now, { seconds: 5 })
        assert.isTrue(yield* outbox.settle(first!, { _tag: "Retry", at, reason: "test" }))
        assertSame(yield* claim(DateTime.subtract(at, { milliseconds: 1 }), 1), [])
        const [second] = yield* claim(at, 1)
        assert.strictEqual(second?.attempts, 1)
      }))

    it.effect("counts no attempt for a message that is released", () =>
      Effect.gen(function*() {
        const { now } = yield* freshlyQueued(1)
        const outbox = yield* Outbox
        const [first] = yield* claim(now, 1)
        const at = DateTime.add(now, { seconds: 5 })
        assert.isTrue(yield* outbox.settle(first!, { _tag: "Released", at, reason: "test" }))
        assert.isFalse(yield* outbox.settle(first!, { _tag: "Released", at, reason: "test" }))
        assertSame(yield* claim(DateTime.subtract(at, { milliseconds: 1 }), 1), [])
        const [second] = yield* claim(at, 1)
        assert.strictEqual(second?.attempts, 0)
      }))

    it.effect("takes notices too, which are no event when they are sent", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const outbox = yield* Outbox
        const { now } = yield* freshlyQueued(0)
        const user = yield* register()
        const change = settingNumber(user, numberOf(1), now)
        const notice: OutboxMessage = { ...change.messages[0]!, kind: "notice", codeId: undefined, resends: 0 }
        yield* Effect.flatMap(store.commit({ ...change, messages: [notice] }), committed)
        const [message] = yield* claim(now, 1)
        assertSame(withoutLease(message!), notice)
        assert.isTrue(yield* outbox.settle(message!, { _tag: "Sent", at: now, provider: "test", reference: undefined }))
        assert.strictEqual((yield* store.history(user.userId)).length, change.events.length)
      }))

    settledMessages(it, sealedOf)

    it.effect("gives no message to two workers", () =>
      Effect.gen(function*() {
        const { now, queued } = yield* freshlyQueued(60)
        const claimed = yield* Effect.forEach(Array.from({ length: 12 }), () => claim(now, 7), {
          concurrency: "unbounded"
        })
        const ids = claimed.flat().map((message) => message.messageId)
        assert.strictEqual(new Set(ids).size, ids.length)
        const rest = yield* claim(now, 100)
        assertSame(
          [...ids, ...rest.map((message) => message.messageId)].toSorted(),
          queued.map((message) => message.messageId).toSorted()
        )
      }))

    it.effect("tells what is known of the message with a code", () =>
      Effect.gen(function*() {
        const { now, queued, registered } = yield* freshlyQueued(4)
        const outbox = yield* Outbox
        const tell = (index: number) => outbox.delivery(registered[index]!.userId, queued[index]!.codeId!)
        assertSame(yield* tell(0), { state: "queued", attempts: 0, reason: undefined })
        const claimed = yield* claim(now, 4)
        assertSame(yield* tell(0), { state: "queued", attempts: 1, reason: undefined })

        yield* outbox.settle(claimed[0]!, { _tag: "Retry", at: now, reason: "transient" })
        yield* outbox.settle(claimed[1]!, { _tag: "Sent", at: now, provider: "test", reference: "reference" })
        yield* outbox.settle(claimed[2]!, { _tag: "Dead", reason: "opted out" })
        yield* outbox.settle(claimed[3]!, { _tag: "Dropped", reason: "expired" })
        assertSame(yield* Effect.forEach([0, 1, 2, 3], tell), [
          { state: "queued", attempts: 1, reason: "transient" },
          { state: "sent", attempts: 1, reason: undefined },
          { state: "failed", attempts: 1, reason: "opted out" },
          { state: "dropped", attempts: 1, reason: "expired" }
        ])
        const [again] = yield* claim(now, 4)
        yield* outbox.settle(again!, { _tag: "Sent", at: now, provider: "test", reference: undefined })
        assertSame(yield* tell(0), { state: "sent", attempts: 2, reason: undefined })
      }))

    it.effect("hands out the oldest of those that are due, however long they have been due", () =>
      Effect.gen(function*() {
        const { now, queued } = yield* freshlyQueued(3)
        const outbox = yield* Outbox
        const [oldest] = yield* claim(now, 1)
        assert.isTrue(yield* outbox.settle(oldest!, { _tag: "Retry", at: now, reason: "test" }))
        assertSame((yield* claim(now, 2)).map(withoutLease), queued.slice(0, 2))
      }))

    it.effect("tells whether a code is still the newest pending one of its user", () =>
      Effect.gen(function*() {
        const { now, registered } = yield* freshlyQueued(3)
        const store = yield* UserStore
        const [replaced, gone] = registered
        const again = (yield* store.load(replaced!.userId))!
        yield* Effect.flatMap(store.commit(settingNumber(again, numberOf(77), now)), committed)
        yield* Users.use((users) => users.remove(gone!.userId))
        const claimed = yield* claim(now, 10)
        assertSame(
          claimed.map(({ codeIsPending, userId }) => [
            registered.findIndex((user) => user.userId === userId),
            codeIsPending
          ]),
          [[0, false], [2, true], [0, true]]
        )
      }))

    it.effect("tells of the wrong guesses at a code that is still pending", () =>
      Effect.gen(function*() {
        const { now, registered: [user] } = yield* freshlyQueued(2)
        const store = yield* UserStore
        const waiting = (yield* store.load(user!.userId))!
        if (waiting.pending?._tag !== "OwnCode") return assert.fail("no code")
        const guess = { codes: [waiting.pending.current] as const, right: false }
        const wrong = decideGuess(waiting, guess, { limits: Limits.off, now })
        yield* Effect.flatMap(store.commit({ ...wrong, messages: [] }), committed)
        assertSame((yield* claim(now, 2)).map(({ wrongGuesses }) => wrongGuesses), [1, 0])
      }))

    it.effect("tells of what comes in", () =>
      Effect.gen(function*() {
        const outbox = yield* Outbox
        const heard = yield* Deferred.make<void>()
        yield* Effect.forkScoped(Stream.runForEach(outbox.arrivals, () => Deferred.succeed(heard, undefined)))
        // It is not known when listening begins, so messages are queued until one is heard.
        yield* Effect.repeat(freshlyQueued(1), {
          schedule: Schedule.spaced("20 millis"),
          until: () => Deferred.isDoneUnsafe(heard)
        })
        yield* Deferred.await(heard)
      }))

    it.effect("knows of no message where none was queued, nor of another user's", () =>
      Effect.gen(function*() {
        const { queued, registered } = yield* freshlyQueued(2)
        const outbox = yield* Outbox
        assert.strictEqual(yield* outbox.delivery(registered[0]!.userId, queued[1]!.codeId!), undefined)
        assert.strictEqual(yield* outbox.delivery(registered[0]!.userId, globalThis.crypto.randomUUID()), undefined)
      }))

    it.effect("takes a message away from a worker when its user is removed", () =>
      Effect.gen(function*() {
        const { now, registered } = yield* freshlyQueued(1)
        const outbox = yield* Outbox
        const [message] = yield* claim(now, 1)
        yield* Users.use((users) => users.remove(registered[0]!.userId))
        for (const settlement of settlements(now)) assert.isFalse(yield* outbox.settle(message!, settlement))
      }))
  })
