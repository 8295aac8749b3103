/**
 * For what many calls would otherwise log at once.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"

/** Runs what it is given at most once a minute, and nothing in between. */
export const make = () => {
  let last: DateTime.Utc | undefined
  return <E, R>(log: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
    Effect.flatMap(DateTime.now, (now) => {
      if (last !== undefined && DateTime.isLessThan(now, DateTime.add(last, { minutes: 1 }))) return Effect.void
      last = now
      return log
    })
}
