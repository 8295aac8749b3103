/**
 * A queue of messages that the contract suites of the outbox work on.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type ClaimedMessage, Outbox, type Settlement } from "../../core/Outbox.ts"
import { UserStore } from "../../core/UserStore.ts"
import { committed, numberOf, register, settingNumber } from "./Samples.ts"

export const claim = (now: DateTime.Utc, limit: number, lease: Duration.Input = "10 minutes") =>
  Outbox.use((outbox) => outbox.claim({ route: "sms", now, limit, lease: Duration.fromInputUnsafe(lease) }))

export const withoutLease = (
  { attempts: _, codeIsPending: __, leaseToken: ___, wrongGuesses: ____, ...message }: ClaimedMessage
) => message

/** One settlement of each kind. */
export const settlements = (at: DateTime.Utc): ReadonlyArray<Settlement> => [
  { _tag: "Sent", at, provider: "test", reference: undefined },
  { _tag: "Retry", at, reason: "test" },
  { _tag: "Released", at, reason: "test" },
  { _tag: "Dead", reason: "test" },
  { _tag: "Dropped", reason: "test" }
]

/** Empties the queue, then queues messages of new users, a millisecond apart. */
export const freshlyQueued = Effect.fnUntraced(function*(count: number) {
  const store = yield* UserStore
  const outbox = yield* Outbox
  const start = yield* DateTime.now
  while (true) {
    const left = yield* claim(DateTime.add(start, { hours: 48 }), 100)
    if (left.length === 0) break
    yield* Effect.forEach(left, (message) => outbox.settle(message, { _tag: "Dropped", reason: "test" }))
  }
  const registered = yield* Effect.replicateEffect(register(), count)
  const queued = yield* Effect.forEach(registered, (user, index) => {
    const change = settingNumber(user, numberOf(index), DateTime.add(start, { milliseconds: index }))
    return Effect.as(Effect.flatMap(store.commit(change), committed), change.messages[0]!)
  })
  return { now: DateTime.add(start, { milliseconds: count }), registered, queued }
})
