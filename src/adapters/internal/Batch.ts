/**
 * Questions that come in one turn of the event loop, or while others are being answered, are asked together: one round
 * trip and one commit for all of them. A question that comes while nothing is going on is asked at the end of the turn.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** Asks several at once, and answers each in its place. */
export interface Options<Q, A, E, F> {
  readonly ask: (questions: ReadonlyArray<Q>) => Effect.Effect<ReadonlyArray<Effect.Effect<A, E>>, F>
  /** In milliseconds. A question that has waited for longer when a batch ends is given up without being asked. */
  readonly patience: number
  /** Questions with the same key are never asked at the same time. */
  readonly keyOf?: (question: Q) => string
}

/** How many batches are on their way at once. */
const batchesAtOnce = 2

/** The most questions in a batch, and the number up to which all waiting questions go in one batch. */
const [mostInBatch, fewInBatch] = [64, 20]

/**
 * How many of the present questions go in the next batch. If all of them went together, they would stay together from
 * then on, since callers who are answered together ask again together. So two thirds are on their way in two batches,
 * while the callers of the last third work with their answers.
 */
const sizeOf = (there: number): number => Math.min(mostInBatch, Math.max(fewInBatch, Math.ceil(there / 3)))

interface Question<Q, A, E> {
  readonly question: Q
  readonly since: number
  readonly resume: (answer: Effect.Effect<A, E>) => void
  /** The batch in which it is asked. */
  batch: Batch | undefined
}

interface Batch {
  readonly keys: ReadonlySet<string>
  fiber: Fiber.Fiber<void> | undefined
  /** How many of its callers are still there. */
  left: number
}

/** A function that asks, as long as the scope is open. */
export const make = <Q, A, E, F>(
  options: Options<Q, A, E, F>
): Effect.Effect<(question: Q) => Effect.Effect<A, E | F | Cause.TimeoutError>, never, Scope.Scope> =>
  Effect.flatMap(Effect.context<never>(), (context) => {
    const { ask, close } = makeAsking(options, Effect.runForkWith(context))
    return Effect.as(Effect.addFinalizer(() => close), ask)
  })

const makeAsking = <Q, A, E, F>(
  { ask, keyOf, patience }: Options<Q, A, E, F>,
  fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
) => {
  type Asked = Question<Q, A, E | F | Cause.TimeoutError>
  // Lists, since a long-lived set or map that changes all the time keeps alive what was taken out of it until the next
  // full collection: V8 links each table that it has outgrown to the next.
  let waiting: Array<Asked> = []
  let batches: ReadonlyArray<Batch> = []
  let isGathering = false
  let isClosed = false

  const giveUp = (): void => {
    const latest = performance.now() - patience
    const late = waiting.filter(({ since }) => since <= latest)
    if (late.length === 0) return
    waiting = waiting.slice(late.length)
    for (const { resume } of late) resume(Effect.fail(new Cause.TimeoutError()))
  }

  /** Takes the questions that may be asked next, at most as many as go in a batch; the others keep waiting. */
  const take = (): { readonly taken: ReadonlyArray<Asked>; readonly keys: ReadonlySet<string> } => {
    const taken: Array<Asked> = []
    const left: Array<Asked> = []
    const keys = new Set<string>()
    const size = sizeOf(batches.reduce((there, { left }) => there + left, waiting.length))
    for (const one of waiting) {
      const key = keyOf?.(one.question)
      const isAsked = key !== undefined && (keys.has(key) || batches.some((batch) => batch.keys.has(key)))
      if (isAsked || taken.length === size) {
        left.push(one)
      } else {
        taken.push(one)
        if (key !== undefined) keys.add(key)
      }
    }
    waiting = left
    return { taken, keys }
  }

  const finish = (batch: Batch, taken: ReadonlyArray<Asked>): void => {
    batches = batches.filter((other) => other !== batch)
    for (const one of taken) {
      one.batch = undefined
      // A question without an answer by now gets none, because the scope was closed.
      one.resume(Effect.interrupt)
    }
    giveUp()
    askWaiting()
  }

  const askWaiting = (): void => {
    if (isGathering || waiting.length === 0 || batches.length === batchesAtOnce) return
    isGathering = true
    // Callers who were answered together go on together, while requests that arrived together are read one after the
    // other.
    setImmediate(() => {
      isGathering = false
      askNow()
    })
  }

  const askNow = (): void => {
    while (batches.length < batchesAtOnce) {
      const { keys, taken } = take()
      if (taken.length === 0) return
      const batch: Batch = { keys, fiber: undefined, left: taken.length }
      batches = [...batches, batch]
      for (const one of taken) one.batch = batch
      batch.fiber = fork(
        Effect.exit(ask(taken.map(({ question }) => question))).pipe(
          Effect.map((exit) => {
            taken.forEach(({ resume }, index) =>
              resume(exit._tag === "Success" ? exit.value[index]! : Effect.failCause(exit.cause))
            )
          }),
          Effect.ensuring(Effect.sync(() => finish(batch, taken)))
        )
      )
    }
  }

  return {
    ask: (question: Q): Effect.Effect<A, E | F | Cause.TimeoutError> =>
      Effect.callback((resume) => {
        if (isClosed) return resume(Effect.interrupt)
        const one: Asked = { question, since: performance.now(), resume, batch: undefined }
        waiting.push(one)
        askWaiting()
        return Effect.suspend(() => {
          waiting = waiting.filter((other) => other !== one)
          const { batch } = one
          // No caller of the batch is left.
          return batch?.fiber !== undefined && --batch.left === 0 ? Fiber.interrupt(batch.fiber) : Effect.void
        })
      }),

    close: Effect.suspend(() => {
      isClosed = true
      for (const { resume } of waiting) resume(Effect.interrupt)
      waiting = []
      return Fiber.interruptAll(batches.flatMap(({ fiber }) => fiber ?? []))
    })
  }
}
