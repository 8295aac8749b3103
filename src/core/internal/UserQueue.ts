/**
 * Calls on one user take turns within a process, so that they do not make each other lose the race for a commit.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { Unavailable } from "../Errors.ts"
import type { UserId } from "../UserId.ts"

/** How many calls on one user may be in the queue, the one at work included. */
const maxCallsPerUser = 64

/** A queue for each user. `inTurn` runs an effect when no other on its user runs, and refuses when too many wait. */
export const make = Effect.sync(() => {
  const queues = new Map<UserId, { readonly turn: Semaphore.Semaphore; length: number }>()

  const enter = (userId: UserId) =>
    Effect.suspend(() => {
      const queue = queues.get(userId) ?? { turn: Semaphore.makeUnsafe(1), length: 0 }
      if (queue.length >= maxCallsPerUser) return Effect.fail(new Unavailable({ cause: "too many calls on one user" }))
      queues.set(userId, queue)
      queue.length++
      return Effect.succeed(queue)
    })

  const inTurn = (userId: UserId) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      enter(userId),
      ({ turn }) => turn.withPermits(1)(effect),
      (queue) =>
        Effect.sync(() => {
          if (--queue.length === 0) queues.delete(userId)
        })
    )

  /** Whether a call on this user would have to wait. */
  const isBusy = (userId: UserId) => queues.has(userId)

  return { inTurn, isBusy }
})
