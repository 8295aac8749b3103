/**
 * Calls on one user take turns within a process, so that they do not make each other lose the race for a commit.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Unavailable } from "../Errors.ts"
import type { UserId } from "../UserId.ts"

/** How many calls on one user may be in the queue, the one at work included. */
const bound = 64

export class UserQueue extends Context.Service<UserQueue, {
  /** Runs the effect when no other on this user runs; refuses when too many wait already. */
  readonly inTurn: (
    userId: UserId
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Unavailable, R>
}>()("effect-user-phone/core/internal/UserQueue") {}

export const layer: Layer.Layer<UserQueue> = Layer.sync(UserQueue, () => {
  const queues = new Map<UserId, { readonly turn: Semaphore.Semaphore; length: number }>()
  return UserQueue.of({
    inTurn: (userId) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | Unavailable, R> => {
        let queue = queues.get(userId)
        if (queue === undefined) {
          queue = { turn: Semaphore.makeUnsafe(1), length: 0 }
          queues.set(userId, queue)
        }
        if (queue.length >= bound) return Effect.fail(new Unavailable({ cause: "too many calls on one user" }))
        queue.length++
        return Effect.ensuring(
          queue.turn.withPermits(1)(effect),
          Effect.sync(() => {
            if (--queue.length === 0) queues.delete(userId)
          })
        )
      })
  })
})
