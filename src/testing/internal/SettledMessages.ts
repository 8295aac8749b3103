/**
 * What becomes of a message that is settled, and of its code: a part of the contract of the `Outbox` port.
 */
import { assert, type Vitest } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Outbox, routeOfProvider } from "../../core/Outbox.ts"
import { codeIdOf } from "../../core/PendingCode.ts"
import { evolve, nextEvent, type UserPhone } from "../../core/UserPhone.ts"
import { Users } from "../../core/Users.ts"
import { type Commit, UserStore } from "../../core/UserStore.ts"
import { lifeOf } from "./Life.ts"
import { claim, freshlyQueued, settlements } from "./Queue.ts"
import { assertSame } from "./Same.ts"
import { committed, folded, messageFor, newUserId, numberOf, register, settingNumber } from "./Samples.ts"

/** Adds the tests; those of what is stored only if that can be read. */
export const settledMessages = <R>(
  it: Vitest.MethodsNonLive<Users | UserStore | Outbox | R>,
  sealedOf: ((messageId: string) => Effect.Effect<Uint8Array | undefined, unknown, R>) | undefined
): void => {
  it.effect("records in the user's log that a code was sent, in the same step", () =>
    Effect.gen(function*() {
      const { now, registered } = yield* freshlyQueued(1)
      const outbox = yield* Outbox
      const store = yield* UserStore
      const [message] = yield* claim(now, 1)
      // A worker whose clock is behind must not turn the log's time back.
      const at = DateTime.subtract(now, { seconds: 1 })
      assert.isTrue(yield* outbox.settle(message!, { _tag: "Sent", at, provider: "test", reference: "reference" }))

      const user = registered[0]!
      const history = yield* store.history(user.userId)
      assertSame(history[history.length - 1], {
        sequence: 3n,
        at: history[1]!.at,
        change: {
          type: "user.human.phone.code.sent",
          codeId: message!.codeId,
          messageId: message!.messageId
        }
      })
      assertSame(yield* folded(user), yield* store.load(user.userId))
    }))

  it.effect("records each of two codes of one user that are settled at once", () =>
    Effect.gen(function*() {
      const { now } = yield* freshlyQueued(0)
      const outbox = yield* Outbox
      const store = yield* UserStore
      const user = yield* register()
      const first = settingNumber(user, numberOf(1), now)
      for (const change of [first, settingNumber(first.after, numberOf(2), now)]) {
        yield* Effect.flatMap(store.commit(change), committed)
      }
      const claimed = yield* claim(now, 2)
      const sent = { _tag: "Sent", at: now, provider: "test", reference: undefined } as const
      const answers = yield* Effect.forEach(claimed, (message) => outbox.settle(message, sent), { concurrency: 2 })
      assertSame(answers, [true, true])
      const history = yield* store.history(user.userId)
      assertSame(history.map(({ sequence }) => sequence), [1n, 2n, 3n, 4n, 5n, 6n])
      assertSame(
        history.flatMap(({ change }) => change.type === "user.human.phone.code.sent" ? [change.messageId] : [])
          .toSorted(),
        claimed.map(({ messageId }) => messageId).toSorted()
      )
      assertSame(yield* folded(user), yield* store.load(user.userId))
    }))

  it.effect("gives the pending code the provider's id of it, in the same step", () =>
    Effect.gen(function*() {
      const { asked, settle } = yield* askedOfProvider
      yield* settle("verification")
      const loaded = (yield* UserStore.use((store) => store.load(asked.userId)))!
      assertSame(loaded.pending, { ...asked.pending, verificationId: "verification" })
    }))

  it.effect("gives no later code the provider's id of an earlier one", () =>
    Effect.gen(function*() {
      const { asked, settle } = yield* askedOfProvider
      const store = yield* UserStore
      const pending = { ...asked.pending, codeId: globalThis.crypto.randomUUID() }
      const event = nextEvent(asked, { type: "user.human.phone.code.added", pending }, asked.changeDate!)
      const again: Commit = { before: asked, events: [event], after: evolve(asked, event), messages: [], charges: [] }
      yield* Effect.flatMap(store.commit(again), committed)
      yield* settle("verification of the earlier one")
      assertSame((yield* store.load(asked.userId))!.pending, pending)
    }))

  if (sealedOf === undefined) return

  it.effect("wipes what a message says once it is settled for good, and not before", () =>
    Effect.gen(function*() {
      const { now, queued, registered } = yield* freshlyQueued(7)
      const outbox = yield* Outbox
      const claimed = yield* claim(now, 7)
      for (const [index, settlement] of settlements(now).entries()) {
        assert.isTrue(yield* outbox.settle(claimed[index]!, settlement))
      }
      assert.isTrue(yield* outbox.report(queued[5]!.messageId, { status: "delivered" }, now))
      yield* Users.use((users) => users.remove(registered[6]!.userId))
      const stored = yield* Effect.forEach(queued, ({ messageId }) => sealedOf(messageId))
      assertSame(stored.map((sealed) => sealed?.length === 0 ? undefined : sealed), [
        undefined,
        // These are to be tried again.
        queued[1]!.sealed,
        queued[2]!.sealed,
        undefined,
        undefined,
        // One that was reported, and one of a user who was removed.
        undefined,
        undefined
      ])
    }))
}

/** A user for whom a provider was asked for a code, and what settles the message with it as sent. */
const askedOfProvider = Effect.gen(function*() {
  const { now } = yield* freshlyQueued(0)
  const outbox = yield* Outbox
  const store = yield* UserStore
  const registered = yield* register()
  const life = lifeOf(registered, now)
  const asks = life.findIndex(({ after }) => after.pending?._tag === "ProviderCode")
  const asked = life[asks]!.after
  const { pending } = asked
  if (pending?._tag !== "ProviderCode") return assert.fail("no code of a provider")
  const message = { ...messageFor(registered.userId, codeIdOf(pending), now), route: routeOfProvider(newUserId()) }
  for (const change of life.slice(0, asks)) yield* Effect.flatMap(store.commit(change), committed)
  yield* Effect.flatMap(store.commit({ ...life[asks]!, messages: [message] }), committed)
  const [claimed] = yield* outbox.claim({ route: message.route, now, limit: 1, lease: Duration.minutes(1) })
  const settle = Effect.fnUntraced(function*(verificationId: string) {
    const sent = { _tag: "Sent", at: now, provider: "test", reference: undefined, verificationId } as const
    assert.isTrue(yield* outbox.settle(claimed!, sent))
    assertSame(yield* folded(registered), yield* store.load(registered.userId))
  })
  return { asked: { ...asked, pending } satisfies UserPhone, settle }
})
