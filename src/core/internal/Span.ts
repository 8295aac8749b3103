/**
 * Spans of what runs for every request.
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"

/**
 * A span like that of `Effect.fn`, but without the place of the call, which costs more to find than the span itself. It
 * costs next to nothing when spans are off.
 */
export const inSpan = (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(References.TracerEnabled)
      ? Effect.withSpan(name, {}, { captureStackTrace: false })(effect)
      : effect
  )
