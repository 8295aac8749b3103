/**
 * Spans of what runs for every request.
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"

/**
 * A span as of `Effect.fn`, but one that does not ask where it was called from, which costs more than the span, and that costs
 * next to nothing where spans are off.
 */
export const inSpan = (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(References.TracerEnabled)
      ? Effect.withSpan(name, {}, { captureStackTrace: false })(effect)
      : effect
  )
