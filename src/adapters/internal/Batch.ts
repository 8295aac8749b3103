/**
 * Questions that come in one turn of the event loop, or while others are being answered, are asked together: one round trip
 * and one commit for all of them. Who comes while nothing is going on is asked at the end of the turn.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/** Asks several at once, and answers each in its place. */
export interface Options<Q, A, E, F> {
  readonly ask: (questions: ReadonlyArray<Q>) => Effect.Effect<ReadonlyArray<Effect.Effect<A, E>>, F>
  /** Who has waited for longer when a batch ends, in milliseconds, is given up unasked. */
  readonly patience: number
  /** Questions with the same key are never asked at the same time. */
  readonly keyOf?: (question: Q) => string
}

/** How many batches are on their way at once. */
const batchesAtOnce = 2

/** How many questions there are in a batch at most. */
const mostInBatch = 64

interface Waiting<Q, A, E> {
  readonly question: Q
  readonly since: number
  readonly resume: (answer: Effect.Effect<A, E>) => void
}

interface Batch {
  fiber: Fiber.Fiber<void> | undefined
  /** How many of its callers are still there. */
  left: number
}

/** The way to ask, as long as the scope is open. */
export const make = <Q, A, E, F>(
  options: Options<Q, A, E, F>
): Effect.Effect<(question: Q) => Effect.Effect<A, E | F | Cause.TimeoutError>, never, Scope.Scope> =>
  Effect.map(FiberSet.makeRuntime<never, void, never>(), (fork) => makeAsking(options, fork))

const makeAsking = <Q, A, E, F>(
  { ask, keyOf, patience }: Options<Q, A, E, F>,
  fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
) => {
  const waiting = new Set<Waiting<Q, A, E | F | Cause.TimeoutError>>()
  const asked = new Map<Waiting<Q, A, E | F | Cause.TimeoutError>, Batch>()
  const keys = new Set<string>()
  let batches = 0
  let isGathering = false

  const giveUp = (): void => {
    const latest = performance.now() - patience
    for (const one of waiting) {
      if (one.since > latest) break
      waiting.delete(one)
      one.resume(Effect.fail(new Cause.TimeoutError()))
    }
  }

  const take = (): ReadonlyArray<Waiting<Q, A, E | F | Cause.TimeoutError>> => {
    const taken: Array<Waiting<Q, A, E | F | Cause.TimeoutError>> = []
    for (const one of waiting) {
      if (taken.length === mostInBatch) break
      const key = keyOf?.(one.question)
      if (key !== undefined && keys.has(key)) continue
      if (key !== undefined) keys.add(key)
      waiting.delete(one)
      taken.push(one)
    }
    return taken
  }

  const finish = (taken: ReadonlyArray<Waiting<Q, A, E | F | Cause.TimeoutError>>): void => {
    batches--
    for (const one of taken) {
      asked.delete(one)
      // Who has no answer by now gets none: the scope was closed.
      one.resume(Effect.interrupt)
      if (keyOf !== undefined) keys.delete(keyOf(one.question))
    }
    giveUp()
    askWaiting()
  }

  const askWaiting = (): void => {
    if (isGathering || waiting.size === 0 || batches === batchesAtOnce) return
    isGathering = true
    // What was answered together goes on together, and what arrived together is read one after the other.
    setImmediate(() => {
      isGathering = false
      askNow()
    })
  }

  const askNow = (): void => {
    while (batches < batchesAtOnce) {
      const taken = take()
      if (taken.length === 0) return
      batches++
      const batch: Batch = { fiber: undefined, left: taken.length }
      for (const one of taken) asked.set(one, batch)
      batch.fiber = fork(
        Effect.exit(ask(taken.map(({ question }) => question))).pipe(
          Effect.map((exit) => {
            taken.forEach(({ resume }, index) =>
              resume(exit._tag === "Success" ? exit.value[index]! : Effect.failCause(exit.cause))
            )
          }),
          Effect.ensuring(Effect.sync(() => finish(taken)))
        )
      )
    }
  }

  return (question: Q): Effect.Effect<A, E | F | Cause.TimeoutError> =>
    Effect.callback((resume) => {
      const one: Waiting<Q, A, E | F | Cause.TimeoutError> = { question, since: performance.now(), resume }
      waiting.add(one)
      askWaiting()
      return Effect.suspend(() => {
        waiting.delete(one)
        const batch = asked.get(one)
        // Nobody is left to whom it matters.
        return batch?.fiber !== undefined && --batch.left === 0 ? Fiber.interrupt(batch.fiber) : Effect.void
      })
    })
}
