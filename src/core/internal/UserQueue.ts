/**
 * Calls on one user take turns within a process, so that they do not make each other lose the race for a commit.
 */
import * as Effect from "effect/Effect"
import { Unavailable } from "../Errors.ts"
import type { UserId } from "../UserId.ts"

/** How many calls on one user may be in the queue, the one at work included. */
const maxCallsPerUser = 64

/** A call's place in its user's queue. */
interface Place {
  readonly queue: Array<Place>
  /** Lets the call begin; set once the call waits. */
  begin: (() => void) | undefined
}

/** A queue for each user. `inTurn` runs an effect when no other on its user runs, and refuses when too many wait. */
export const make = Effect.sync(() => {
  /** The first in each queue is at work. */
  const queues = new Map<UserId, Array<Place>>()

  const enter = (userId: UserId): Place | undefined => {
    let queue = queues.get(userId)
    if (queue === undefined) queues.set(userId, queue = [])
    if (queue.length >= maxCallsPerUser) return undefined
    const place: Place = { queue, begin: undefined }
    queue.push(place)
    return place
  }

  const leave = (userId: UserId, place: Place): void => {
    const { queue } = place
    const isFirst = queue[0] === place
    queue.splice(queue.indexOf(place), 1)
    if (queue.length === 0) queues.delete(userId)
    else if (isFirst) queue[0]!.begin?.()
  }

  const turn = (place: Place) =>
    Effect.callback<void>((resume) => {
      place.begin = () => resume(Effect.void)
      // Those in front may have left before this one began to wait.
      if (place.queue[0] === place) place.begin()
    })

  const inTurn = (userId: UserId) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Unavailable, R> =>
    Effect.suspend(() => {
      let place: Place | undefined
      // Entering is part of the effect whose end makes the call leave, so that no interruption comes in between.
      return Effect.onExit(
        Effect.suspend((): Effect.Effect<A, E | Unavailable, R> => {
          place = enter(userId)
          if (place === undefined) return Effect.fail(new Unavailable({ cause: "too many calls on one user" }))
          return place.queue[0] === place ? effect : Effect.andThen(turn(place), effect)
        }),
        () => {
          if (place !== undefined) leave(userId, place)
          return Effect.void
        }
      )
    })

  /** Whether a call on this user would have to wait. */
  const isBusy = (userId: UserId) => queues.has(userId)

  return { inTurn, isBusy }
})
