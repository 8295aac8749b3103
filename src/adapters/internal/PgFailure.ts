/**
 * Turns PostgreSQL's failures into the core's: the store is unavailable. PostgreSQL's own words stay here, since they
 * can quote a row.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { Unavailable } from "../../core/Errors.ts"

const tryAgain = Schedule.exponential("5 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 8 }))

const isRolledBack = (error: { readonly _tag: string }): boolean =>
  isSqlError(error) && (error.reason._tag === "SerializationError" || error.reason._tag === "DeadlockError")

/** How long a statement may take, locks included, in milliseconds. */
export const statementTimeout = 10_000

type Failure = SqlError | Schema.SchemaError | Cause.NoSuchElementError | Cause.TimeoutError

/**
 * Bounds a statement in time, and runs it again if PostgreSQL rolled it back because of others, under a stricter
 * isolation level or in a deadlock.
 */
export const bounded = <A, E extends Failure, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Cause.TimeoutError, R> =>
  effect.pipe(
    Effect.retry({ while: isRolledBack, schedule: tryAgain }),
    Effect.timeout(statementTimeout)
  )

/**
 * If a batch is refused, one of its members may be at fault, so each is done alone. If the server cannot be reached,
 * none is.
 */
export const orEachAlone =
  <A, B>(all: ReadonlyArray<A>, alone: (one: A) => B) =>
  <E extends { readonly _tag: string }, R>(
    asked: Effect.Effect<ReadonlyArray<B>, E | SqlError, R>
  ): Effect.Effect<ReadonlyArray<B>, E | SqlError, R> =>
    Effect.catchIf(
      asked,
      (error) => all.length > 1 && isSqlError(error) && error.reason._tag !== "ConnectionError",
      () => Effect.succeed(all.map(alone))
    )

/** Maps the failures of a bounded statement. A row that does not decode is a bug, not an outage. */
export const mapped = <A, R>(effect: Effect.Effect<A, Failure, R>): Effect.Effect<A, Unavailable, R> =>
  Effect.catch(effect, (error): Effect.Effect<never, Unavailable> => {
    switch (error._tag) {
      case "SqlError":
        return Effect.fail(new Unavailable({ cause: `PostgreSQL: ${error.reason._tag}` }))
      case "TimeoutError":
        return Effect.fail(new Unavailable({ cause: "PostgreSQL: no answer in time" }))
      default:
        return Effect.die(error)
    }
  })

/** Bounds a statement in time and maps its failures. */
export const orUnavailable = <A, E extends Failure, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, Unavailable, R> => mapped(bounded(effect))
