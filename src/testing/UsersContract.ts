/**
 * The contract of the `Users` port as a test suite. A host runs it against its own implementation.
 */
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Outbox } from "../core/Outbox.ts"
import { OrganizationId } from "../core/UserId.ts"
import { Users } from "../core/Users.ts"
import { UserStore } from "../core/UserStore.ts"
import { assertSame } from "./internal/Same.ts"
import { committed, folded, newUserId, numberOf, register, settingNumber } from "./internal/Samples.ts"

/**
 * Declares the tests of the contract for one registry of users.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (name: string, adapter: Layer.Layer<Users | UserStore | Outbox, unknown>): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`Users (${name})`, (it) => {
    it.effect("registers a user with sequence 0 and no phone", () =>
      Effect.gen(function*() {
        const registered = yield* register({ language: "de-CH" })
        const loaded = yield* UserStore.use((store) => store.load(registered.userId))
        assertSame(loaded, registered)
      }))

    it.effect("keeps machine users and users that are not initialised apart", () =>
      Effect.gen(function*() {
        const machine = yield* register({ kind: "machine" })
        const initial = yield* register({ state: "initial" })
        const store = yield* UserStore
        assert.strictEqual((yield* store.load(machine.userId))?.kind, "machine")
        assert.strictEqual((yield* store.load(initial.userId))?.state, "initial")
      }))

    it.effect("takes an id once, by any of many at once", () =>
      Effect.gen(function*() {
        const userId = newUserId()
        const results = yield* Effect.forEach(
          Array.from({ length: 16 }),
          () => Effect.result(register({ userId })),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(results.filter((result) => result._tag === "Success").length, 1)
        for (const result of results) {
          if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "UserAlreadyExists")
        }
      }))

    it.effect("takes ids of 200 code points outside the basic plane", () =>
      Effect.gen(function*() {
        const { userId } = yield* register({ userId: `${"😀".repeat(180)}${newUserId().slice(0, 20)}` as never })
        assert.strictEqual((yield* UserStore.use((store) => store.load(userId)))?.userId, userId)
      }))

    it.effect("updates what is given, keeps the rest and raises no sequence", () =>
      Effect.gen(function*() {
        const users = yield* Users
        const store = yield* UserStore
        const registered = yield* register({ state: "initial", language: "fr" })
        yield* users.update(registered.userId, { state: "active" })
        assertSame(yield* store.load(registered.userId), { ...registered, state: "active" })
        const resourceOwner = OrganizationId.make("other")
        yield* users.update(registered.userId, { resourceOwner, language: undefined })
        assertSame(yield* store.load(registered.userId), {
          ...registered,
          state: "active",
          resourceOwner,
          language: undefined
        })
        // A member that is undefined counts as not given, except for a language, which may be unknown.
        yield* users.update(registered.userId, { resourceOwner: undefined, state: undefined } as object)
        const { resourceOwner: owner, state } = (yield* store.load(registered.userId))!
        assertSame([owner, state], [resourceOwner, "active"])
      }))

    it.effect("takes a language that is no tag for an unknown one", () =>
      Effect.gen(function*() {
        const users = yield* Users
        const store = yield* UserStore
        for (const language of ["", "de\0", "de\ud800", "x".repeat(101), "de, en;q=0.5"]) {
          const { userId } = yield* register({ language })
          assert.isUndefined((yield* store.load(userId))!.language)
          yield* users.update(userId, { language: "de" })
          yield* users.update(userId, { language })
          assert.isUndefined((yield* store.load(userId))!.language)
        }
      }))

    it.effect("removes a user with its phone, its pending code and its queued messages", () =>
      Effect.gen(function*() {
        const users = yield* Users
        const store = yield* UserStore
        const outbox = yield* Outbox
        const now = yield* DateTime.now
        const registered = yield* register()
        // Committed by a process whose clock is ahead.
        const ahead = DateTime.add(now, { seconds: 2 })
        yield* Effect.flatMap(store.commit(settingNumber(registered, numberOf(1), ahead)), committed)
        yield* users.remove(registered.userId)

        assert.strictEqual(yield* store.load(registered.userId), undefined)
        const state = yield* folded(registered)
        assert.strictEqual(state.phone, undefined)
        assert.strictEqual(state.pending, undefined)
        assert.strictEqual(state.sequence, 3n)
        assertSame(state.changeDate, ahead)
        const claimed = yield* outbox.claim({
          route: "sms",
          now: DateTime.add(ahead, { seconds: 1 }),
          limit: 1000,
          lease: Duration.seconds(1)
        })
        assert.isFalse(claimed.some((message) => message.userId === registered.userId))
      }))

    it.effect("does not give the id of a removed user out again", () =>
      Effect.gen(function*() {
        const users = yield* Users
        const { userId } = yield* register()
        yield* users.remove(userId)
        assert.strictEqual((yield* Effect.flip(register({ userId })))._tag, "UserAlreadyExists")
        assertSame(yield* UserStore.use((store) => store.history(userId)), [])
      }))

    it.effect("fails with NotFound for a user that is unknown or removed", () =>
      Effect.gen(function*() {
        const users = yield* Users
        const unknown = newUserId()
        const { userId: removed } = yield* register()
        yield* users.remove(removed)
        for (const userId of [unknown, removed]) {
          assert.strictEqual((yield* Effect.flip(users.update(userId, { state: "active" })))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(users.remove(userId)))._tag, "NotFound")
        }
      }))

    it.effect("lists users in pages, without removed ones", () =>
      Effect.gen(function*() {
        const users = yield* Users
        const registered = yield* Effect.replicateEffect(register(), 5)
        yield* users.remove(registered[2]!.userId)
        const listed: Array<string> = []
        let page = yield* users.list({ limit: 2 })
        while (page.length > 0) {
          assert.isAtMost(page.length, 2)
          listed.push(...page.map((user) => user.userId))
          page = yield* users.list({ after: page[page.length - 1]!.userId, limit: 2 })
        }
        assertSame(listed, listed.toSorted())
        assert.strictEqual(new Set(listed).size, listed.length)
        for (const [index, { userId }] of registered.entries()) {
          assert.strictEqual(listed.includes(userId), index !== 2)
        }
      }))
  })
