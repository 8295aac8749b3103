/**
 * The contract of the counters of a `UserStore` that counts, as a test suite.
 */
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Charge } from "../core/Counters.ts"
import type { Outbox } from "../core/Outbox.ts"
import type { Users } from "../core/Users.ts"
import { type Commit, UserStore } from "../core/UserStore.ts"
import { assertSame } from "./internal/Same.ts"
import {
  charge,
  committed,
  newUserId,
  noTraceOf,
  numberOf,
  register,
  request,
  settingNumber
} from "./internal/Samples.ts"

/**
 * Declares the tests of the contract for a store that counts.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (name: string, adapter: Layer.Layer<Users | UserStore | Outbox, unknown>): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`UserStore's counters (${name})`, (it) => {
    it.effect("charges counters up to their limit, then says until when, and leaves no trace", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `number/${newUserId()}`
        for (const age of [50, 40]) {
          const user = yield* register()
          yield* Effect.flatMap(
            store.commit({
              ...settingNumber(user, numberOf(1), now),
              charges: [charge(counter, DateTime.subtract(now, { seconds: age }))]
            }),
            committed
          )
        }
        const user = yield* register()
        const free = `free/${user.userId}`
        const change: Commit = {
          ...settingNumber(user, numberOf(1), now),
          charges: [charge(free, now), charge(counter, now)],
          idempotency: request(`limited/${user.userId}`, now)
        }
        assertSame(yield* store.commit(change), {
          _tag: "LimitReached",
          reason: "TEST_LIMIT",
          until: DateTime.add(now, { seconds: 10 })
        })
        yield* noTraceOf(user, change)

        const later = DateTime.add(now, { seconds: 10 })
        yield* Effect.flatMap(store.commit({ ...change, charges: [charge(counter, later)] }), committed)
        const other = yield* register()
        assert.strictEqual(
          (yield* store.commit({ ...settingNumber(other, numberOf(1), now), charges: [charge(free, now)] }))._tag,
          "Committed"
        )
      }))

    it.effect("names the full counter that has room last", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const fill = Effect.fnUntraced(function*(counter: string, secondsAgo: number) {
          const user = yield* register()
          const at = DateTime.subtract(now, { seconds: secondsAgo })
          const full = { ...settingNumber(user, numberOf(1), at), charges: [charge(counter, at, 1)] }
          yield* Effect.flatMap(store.commit(full), committed)
          return { ...charge(counter, now, 1), reason: counter }
        })
        const [early, late] = [yield* fill(`early/${newUserId()}`, 40), yield* fill(`late/${newUserId()}`, 10)]
        const room = charge(`room/${newUserId()}`, now, 1)
        for (const charges of [[early, late, room], [room, late, early], [late, room, early]]) {
          const user = yield* register()
          assertSame(yield* store.commit({ ...settingNumber(user, numberOf(2), now), charges }), {
            _tag: "LimitReached",
            reason: late.counter,
            until: DateTime.add(now, { seconds: 50 })
          })
        }
      }))

    it.effect("forgets no counter because the time of a user is ahead of the clock", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `full/${newUserId()}`
        for (let count = 0; count < 2; count++) {
          const at = DateTime.subtract(now, { seconds: 59 })
          const change = settingNumber(yield* register(), numberOf(1), at)
          yield* Effect.flatMap(store.commit({ ...change, charges: [charge(counter, at)] }), committed)
        }
        const ahead = settingNumber(yield* register(), numberOf(1), DateTime.add(now, { seconds: 3 }))
        yield* Effect.flatMap(store.commit(ahead), committed)
        const next = settingNumber(ahead.after, numberOf(2), now)
        yield* Effect.flatMap(store.commit({ ...next, charges: [charge(`next/${counter}`, now)] }), committed)
        const full = { ...settingNumber(yield* register(), numberOf(1), now), charges: [charge(counter, now)] }
        assertSame((yield* store.commit(full))._tag, "LimitReached")
      }))

    it.effect("forgets no counter sooner because it is charged for a shorter window, too", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `hour/${newUserId()}`
        const hour = (at: DateTime.Utc): Charge => ({
          ...charge(counter, at),
          windows: [{ max: 2, within: Duration.hours(1) }]
        })
        const later = DateTime.add(now, { minutes: 2 })
        for (const one of [hour(now), charge(counter, now), charge(`other/${counter}`, later)]) {
          const change = settingNumber(yield* register(), numberOf(1), one.at)
          yield* Effect.flatMap(store.commit({ ...change, charges: [one] }), committed)
        }
        const full = { ...settingNumber(yield* register(), numberOf(1), later), charges: [hour(later)] }
        assertSame(yield* store.commit(full), {
          _tag: "LimitReached",
          reason: "TEST_LIMIT",
          until: DateTime.add(now, { hours: 1 })
        })
      }))

    it.effect("counts again what is charged after a counter has been empty for long", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `empty/${newUserId()}`
        for (const days of [-3, -2, -1]) {
          const at = DateTime.add(now, { days })
          for (const expected of ["Committed", "LimitReached"]) {
            const user = yield* register()
            const change = { ...settingNumber(user, numberOf(1), at), charges: [charge(counter, at, 1)] }
            assert.strictEqual((yield* store.commit(change))._tag, expected)
          }
        }
      }))

    it.effect("asks a counter for room without taking it where a charge only checks, and leaves no trace when full", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `checked/${newUserId()}`
        const commit = Effect.fnUntraced(function*(changes: Partial<Charge>) {
          const user = yield* register()
          const change = {
            ...settingNumber(user, numberOf(1), now),
            charges: [{ ...charge(counter, now), ...changes }]
          }
          const result = yield* store.commit(change)
          if (result._tag !== "Committed") yield* noTraceOf(user, change)
          return result
        })
        const check: Partial<Charge> = { instead: "check" }
        const until = DateTime.add(now, { minutes: 1 })
        const full = { _tag: "LimitReached", reason: "TEST_LIMIT", until }
        for (const changes of [check, check, check, {}, check, {}]) yield* Effect.flatMap(commit(changes), committed)
        for (const changes of [check, {}]) assertSame(yield* commit(changes), full)
        yield* Effect.flatMap(commit({ ...check, at: until }), committed)
      }))

    it.effect("takes back a charge, of that very time and only once, though the counter is full", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `refunded/${newUserId()}`
        const commit = Effect.fnUntraced(function*(...charges: ReadonlyArray<Charge>) {
          return (yield* store.commit({ ...settingNumber(yield* register(), numberOf(1), now), charges }))._tag
        })
        const at = (seconds: number) => charge(counter, DateTime.add(now, { seconds }))
        const back = (seconds: number): Charge => ({ ...at(seconds), instead: "refund" })

        assert.strictEqual(yield* commit(back(0)), "Committed")
        for (const second of [1, 2]) assert.strictEqual(yield* commit(at(second)), "Committed")
        assert.strictEqual(yield* commit(back(3)), "Committed")
        assert.strictEqual(yield* commit(at(4)), "LimitReached")
        for (const time of ["first", "second"]) assert.strictEqual(yield* commit(back(1)), "Committed", time)
        assert.strictEqual(yield* commit(at(4)), "Committed")
        assert.strictEqual(yield* commit(at(5)), "LimitReached")
        assert.strictEqual(yield* commit(back(2), back(4)), "Committed")
        for (const second of [6, 7]) assert.strictEqual(yield* commit(at(second)), "Committed")
        assert.strictEqual(yield* commit(at(8)), "LimitReached")
      }))

    it.effect("never goes over a limit, whoever charges it at once", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const counter = `shared/${newUserId()}`
        const users = yield* Effect.replicateEffect(register(), 24)
        const results = yield* Effect.forEach(users, (user) =>
          store.commit({
            ...settingNumber(user, numberOf(3), now),
            charges: [charge(counter, now), charge(`own/${user.userId}`, now)]
          }), { concurrency: "unbounded" })
        assert.strictEqual(results.filter((result) => result._tag === "Committed").length, 2)
        assert.strictEqual(results.filter((result) => result._tag === "LimitReached").length, 22)
      }))

    it.effect("answers Replayed before LostRace, and LostRace before LimitReached", () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const now = yield* DateTime.now
        const registered = yield* register()
        const full = `full/${registered.userId}`
        const idempotency = request(full, now)
        const first: Commit = {
          ...settingNumber(registered, numberOf(1), now),
          charges: [charge(full, now, 1)],
          idempotency
        }
        yield* Effect.flatMap(store.commit(first), committed)
        assert.strictEqual((yield* store.commit(first))._tag, "Replayed")
        assert.strictEqual((yield* store.commit({ ...first, idempotency: undefined }))._tag, "LostRace")
        const next = { ...settingNumber(first.after, numberOf(2), now), charges: [charge(full, now, 1)] }
        assert.strictEqual((yield* store.commit(next))._tag, "LimitReached")
      }))
  })
