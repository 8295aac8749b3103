/**
 * The contract of the `Outbox` port about what providers report, as a test suite. A host runs it against its own
 * implementation.
 */
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Outbox, type Settlement } from "../core/Outbox.ts"
import type { Users } from "../core/Users.ts"
import { UserStore } from "../core/UserStore.ts"
import { claim, freshlyQueued } from "./internal/Queue.ts"
import { assertSame } from "./internal/Same.ts"
import { folded } from "./internal/Samples.ts"

/**
 * Declares the tests of the contract for an outbox that takes reports.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (name: string, adapter: Layer.Layer<Users | UserStore | Outbox, unknown>): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`Outbox's receipts (${name})`, (it) => {
    it.effect("records what a provider reports of a message that it took, once", () =>
      Effect.gen(function*() {
        const { now, queued, registered } = yield* freshlyQueued(2)
        const outbox = yield* Outbox
        const store = yield* UserStore
        const tell = (index: number) => outbox.delivery(registered[index]!.userId, queued[index]!.codeId!)
        for (const message of yield* claim(now, 2)) {
          yield* outbox.settle(message, { _tag: "Sent", at: now, provider: "test", reference: undefined })
        }
        const [delivered, failed] = queued.map(({ messageId }) => messageId)
        assert.isTrue(yield* outbox.report(delivered!, { status: "delivered" }, now))
        assert.isTrue(yield* outbox.report(failed!, { status: "failed", code: "30005" }, now))
        for (const messageId of [delivered!, failed!]) {
          assert.isFalse(yield* outbox.report(messageId, { status: "failed", code: "again" }, now))
        }
        assert.isFalse(yield* outbox.report(delivered!, { status: "delivered" }, now))
        assertSame(yield* Effect.forEach([0, 1], tell), [
          { state: "delivered", attempts: 1, reason: undefined },
          { state: "failed", attempts: 1, reason: "not delivered: 30005" }
        ])
        const lastOf = (index: number) =>
          Effect.map(store.history(registered[index]!.userId), (history) => history[history.length - 1]!.change)
        const ids = (index: number) => ({ codeId: queued[index]!.codeId!, messageId: queued[index]!.messageId })
        assertSame(yield* lastOf(0), { type: "user.human.phone.code.delivered", ...ids(0) })
        assertSame(yield* lastOf(1), { type: "user.human.phone.code.undelivered", ...ids(1), code: "30005" })
        for (const user of registered) assertSame(yield* folded(user), yield* store.load(user.userId))
      }))

    it.effect("records that a message arrived after all, as when one provider failed and the next did not, and then no more", () =>
      Effect.gen(function*() {
        const { now, queued: [message], registered: [user] } = yield* freshlyQueued(1)
        const outbox = yield* Outbox
        const { codeId, messageId } = message!
        yield* claim(now, 1)
        assert.isTrue(yield* outbox.report(messageId, { status: "failed", code: "30005" }, now))
        // Reported by a process whose clock is behind.
        const at = DateTime.subtract(now, { seconds: 1 })
        assert.isTrue(yield* outbox.report(messageId, { status: "delivered" }, at))
        assert.isFalse(yield* outbox.report(messageId, { status: "delivered" }, now))
        assert.isFalse(yield* outbox.report(messageId, { status: "failed", code: "30005" }, now))
        assertSame(yield* outbox.delivery(user!.userId, codeId!), {
          state: "delivered",
          attempts: 1,
          reason: undefined
        })
        const history = yield* UserStore.use((store) => store.history(user!.userId))
        assert.deepStrictEqual(history.slice(-3).map(({ change }) => change.type), [
          "user.human.phone.code.sent",
          "user.human.phone.code.undelivered",
          "user.human.phone.code.delivered"
        ])
        assertSame(history.slice(-3).map((event) => event.at), [now, now, now])
        assertSame(yield* folded(user!), yield* UserStore.use((store) => store.load(user!.userId)))
      }))

    it.effect("takes a report on a message in hand for its hand-over, and lets its worker settle it after that", () =>
      Effect.gen(function*() {
        const { now, queued, registered } = yield* freshlyQueued(2)
        const outbox = yield* Outbox
        const store = yield* UserStore
        const claimed = yield* claim(now, 2, "200 millis")
        assert.isTrue(yield* outbox.report(queued[0]!.messageId, { status: "delivered" }, now))
        assertSame(yield* outbox.delivery(registered[0]!.userId, queued[0]!.codeId!), {
          state: "delivered",
          attempts: 1,
          reason: undefined
        })
        const types = (yield* store.history(registered[0]!.userId)).map(({ change }) => change.type)
        assertSame(types.slice(-2), ["user.human.phone.code.sent", "user.human.phone.code.delivered"])

        yield* Effect.sleep("300 millis")
        assertSame((yield* claim(yield* DateTime.now, 10)).map(({ messageId }) => messageId), [queued[1]!.messageId])
        assert.isFalse(yield* outbox.settle(claimed[0]!, { _tag: "Retry", at: now, reason: "test" }))
        const sent: Settlement = { _tag: "Sent", at: now, provider: "test", reference: "reference" }
        assert.isTrue(yield* outbox.settle(claimed[0]!, sent))
        assert.isFalse(yield* outbox.settle(claimed[0]!, sent))
        assertSame((yield* store.history(registered[0]!.userId)).map(({ change }) => change.type), types)
      }))

    it.effect("takes no report on a message that no provider can have, or does not know", () =>
      Effect.gen(function*() {
        const { now, queued, registered } = yield* freshlyQueued(3)
        const outbox = yield* Outbox
        const store = yield* UserStore
        const [dead, gone] = yield* claim(now, 2)
        yield* outbox.settle(dead!, { _tag: "Dead", reason: "test" })
        yield* outbox.settle(gone!, { _tag: "Dropped", reason: "test" })
        const before = yield* Effect.forEach(registered, ({ userId }) => store.history(userId))
        const ids = [...queued.map(({ messageId }) => messageId), globalThis.crypto.randomUUID(), "no-uuid", ""]
        for (const messageId of ids) {
          assert.isFalse(yield* outbox.report(messageId, { status: "delivered" }, now))
        }
        assertSame(yield* Effect.forEach(registered, ({ userId }) => store.history(userId)), before)
        assertSame((yield* claim(now, 10)).map(({ messageId }) => messageId), [queued[2]!.messageId])
      }))
  })
