/**
 * The contract of the `UserStore` port as a test suite. A host with a users table of its own runs it against its store,
 * and `CountersContract` too if the store counts.
 */
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Outbox } from "../core/Outbox.ts"
import { OrganizationId } from "../core/UserId.ts"
import type { UserPhone } from "../core/UserPhone.ts"
import { Users } from "../core/Users.ts"
import { type Commit, UserStore } from "../core/UserStore.ts"
import { lifeOf } from "./internal/Life.ts"
import { assertSame } from "./internal/Same.ts"
import {
  charge,
  committed,
  folded,
  messagesOf,
  newUserId,
  numberOf,
  register,
  request,
  settingNumber
} from "./internal/Samples.ts"

/**
 * Declares the tests of the contract for one store.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (name: string, adapter: Layer.Layer<Users | UserStore | Outbox, unknown>): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`UserStore (${name})`, (it) => {
    it.effect("does not know a stranger", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        assert.strictEqual(yield* store.load(newUserId()), undefined)
        assertSame(yield* store.history(newUserId()), [])
      }))

    it.effect("writes state, events, messages and details of a commit, all of them", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const registered = yield* register({ language: "it" })
        const now = yield* DateTime.now
        const change = settingNumber(registered, numberOf(7), now)
        const details = yield* Effect.flatMap(store.commit(change), committed)

        assertSame(details, { sequence: 2n, changeDate: now, resourceOwner: registered.resourceOwner })
        assertSame(yield* store.load(registered.userId), change.after)
        assertSame(yield* store.history(registered.userId), change.events)
        assertSame(yield* folded(registered), change.after)
        assertSame(yield* messagesOf(registered), change.messages.map((message) => message.messageId))
      }))

    it.effect("keeps every member of a user's state, and every event with all that it has", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const registered = yield* register({ language: "it" })
        const life = lifeOf(registered, yield* DateTime.now)
        for (const change of life) {
          yield* Effect.flatMap(store.commit(change), committed)
          const what = change.events.map((event) => event.change.type).join(", ")
          assertSame(yield* store.load(registered.userId), change.after, `the state after ${what}`)
        }
        const events = life.flatMap((change) => change.events)
        for (const [index, event] of (yield* store.history(registered.userId)).entries()) {
          assertSame(event, events[index], `the event ${events[index]?.change.type}`)
        }
        assertSame(yield* folded(registered), life.at(-1)!.after)
      }))

    it.effect("keeps each code in the log as it was, also where another follows in the same commit", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const registered = yield* register()
        const now = yield* DateTime.now
        const first = settingNumber(registered, numberOf(1), now)
        const second = settingNumber(first.after, numberOf(2), now)
        const change = {
          ...second,
          before: registered,
          events: [...first.events, ...second.events] as const,
          messages: []
        }
        yield* Effect.flatMap(store.commit(change), committed)
        assertSame(yield* store.history(registered.userId), change.events)
        assertSame(yield* store.load(registered.userId), second.after)
      }))

    it.effect("lets exactly one of two commits on one loaded state win; the other leaves no trace", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const registered = yield* register()
        const now = yield* DateTime.now
        const changes = [1, 2].map((line): Commit => ({
          ...settingNumber(registered, numberOf(line), now),
          charges: [charge(`race/${registered.userId}/${line}`, now)],
          idempotency: request(`race/${registered.userId}/${line}`, now)
        }))
        const results = yield* Effect.forEach(changes, store.commit, { concurrency: 2 })

        assertSame(results.map((result) => result._tag).toSorted(), ["Committed", "LostRace"])
        const winner = results.findIndex((result) => result._tag === "Committed")
        yield* onlyTraceIs(registered, changes[winner]!, changes[1 - winner]!)
      }))

    it.effect("keeps sequences dense under 32 parallel writers on one user", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const registered = yield* register()
        const write = Effect.fnUntraced(function*(line: number) {
          while (true) {
            const loaded = yield* store.load(registered.userId)
            const result = yield* store.commit(settingNumber(loaded!, numberOf(line), yield* DateTime.now))
            if (result._tag === "Committed") return result.details.sequence
          }
        })
        const sequences = yield* Effect.forEach(Array.from({ length: 32 }, (_, line) => line), write, {
          concurrency: "unbounded"
        })

        assertSame(
          sequences.toSorted((a, b) => Number(a - b)),
          Array.from({ length: 32 }, (_, index) => BigInt(2 * index + 2))
        )
        const history = yield* store.history(registered.userId)
        assertSame(
          history.map((event) => event.sequence),
          Array.from({ length: 64 }, (_, index) => BigInt(index + 1))
        )
        for (const [index, event] of history.entries()) {
          assert.isAtLeast(event.at.epochMilliseconds, history[Math.max(index - 1, 0)]!.at.epochMilliseconds)
        }
        assertSame(yield* folded(registered), yield* store.load(registered.userId))
        assert.strictEqual((yield* messagesOf(registered)).length, 32)
      }))

    it.effect("refuses a commit on a user that is unknown, removed, or no longer as it was loaded", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const users = yield* Users
        const now = yield* DateTime.now
        const removed = yield* register()
        yield* users.remove(removed.userId)
        const moved = yield* register()
        yield* users.update(moved.userId, { resourceOwner: OrganizationId.make("elsewhere") })
        const signedUp = yield* register({ state: "initial" })
        yield* users.update(signedUp.userId, { state: "active" })
        for (const user of [{ ...removed, userId: newUserId() }, removed, moved, signedUp]) {
          const result = yield* store.commit(settingNumber(user, numberOf(1), now))
          assertSame(result, { _tag: "LostRace" })
          assertSame(yield* store.history(user.userId), [])
          assertSame(yield* messagesOf(user), [])
        }
      }))

    it.effect("keeps a language that was updated after the user was loaded", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const registered = yield* register({ language: "de" })
        yield* Users.use((users) => users.update(registered.userId, { language: "fr" }))
        yield* Effect.flatMap(store.commit(settingNumber(registered, numberOf(1), yield* DateTime.now)), committed)
        assert.strictEqual((yield* store.load(registered.userId))?.language, "fr")
      }))

    it.effect("replays an answer while it is kept, and leaves no trace", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const registered = yield* register()
        const idempotency = request(`once/${registered.userId}`, now)
        const first = { ...settingNumber(registered, numberOf(1), now), idempotency }
        const details = yield* Effect.flatMap(store.commit(first), committed)
        const answer = { request: idempotency.request, details }

        assertSame(yield* store.recall(idempotency.scope, now), answer)
        const again = {
          ...settingNumber(first.after, numberOf(2), now),
          idempotency: { ...idempotency, request: "other" }
        }
        assertSame(yield* store.commit(again), { _tag: "Replayed", answer })
        assertSame(yield* store.load(registered.userId), first.after)
        assert.strictEqual((yield* store.history(registered.userId)).length, first.events.length)
        assert.strictEqual((yield* messagesOf(registered)).length, 1)

        const expired = DateTime.add(now, { hours: 24 })
        assert.strictEqual(yield* store.recall(idempotency.scope, expired), undefined)
        const anew: Commit = {
          ...settingNumber(first.after, numberOf(2), expired),
          idempotency: { ...idempotency, request: "new", keptUntil: DateTime.add(expired, { hours: 24 }) }
        }
        yield* Effect.flatMap(store.commit(anew), committed)
        assert.strictEqual((yield* store.recall(idempotency.scope, expired))?.request, "new")
      }))
  })

const onlyTraceIs = Effect.fnUntraced(function*(before: UserPhone, won: Commit, lost: Commit) {
  const store = yield* UserStore
  const now = yield* DateTime.now
  assertSame(yield* store.load(before.userId), won.after)
  assertSame(yield* store.history(before.userId), won.events)
  assertSame(yield* messagesOf(before), won.messages.map((message) => message.messageId))
  assert.isDefined(yield* store.recall(won.idempotency!.scope, now))
  assert.strictEqual(yield* store.recall(lost.idempotency!.scope, now), undefined)
  if (!store.counts) return
  // The loser's counter still has room for two, the winner's for one.
  for (const [{ charges }, room] of [[lost, 2], [won, 1]] as const) {
    for (let i = 0; i <= room; i++) {
      const user = yield* register()
      const result = yield* store.commit({ ...settingNumber(user, numberOf(1), now), charges })
      assert.strictEqual(result._tag, i < room ? "Committed" : "LimitReached")
    }
  }
})
