/**
 * The user store in memory: the reference implementation of the port's contract.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import { fullUntil, longest, remembered } from "../core/Counters.ts"
import { type Commit, type CommitResult, type Details, UserStore } from "../core/UserStore.ts"
import { MemoryTables } from "./MemoryTables.ts"

/**
 * The user store over tables in memory; it counts charges.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UserStore, never, MemoryTables> = Layer.effect(
  UserStore,
  Effect.gen(function*() {
    const { answers, arrivals, counters, outbox, users } = yield* MemoryTables

    const recallNow = (scope: string, now: DateTime.Utc) => {
      const recorded = answers.get(scope)
      return recorded !== undefined && DateTime.isGreaterThan(recorded.keptUntil, now) ? recorded.answer : undefined
    }

    const commitNow = ({ after, before, charges, events, idempotency, messages }: Commit): CommitResult => {
      const last = events[events.length - 1]!
      const answer = idempotency && recallNow(idempotency.scope, last.at)
      if (answer !== undefined) return { _tag: "Replayed", answer }

      const row = users.get(before.userId)
      if (row === undefined || row.removed || !isAsLoaded(row.state, before)) return { _tag: "LostRace" }

      const full = charges.filter(({ instead }) => instead !== "refund").flatMap((charge) => {
        const until = fullUntil(counters.get(charge.counter)?.times ?? [], charge)
        return until === undefined ? [] : [{ _tag: "LimitReached", reason: charge.reason, until } as const]
      })
      const [limit] = full.toSorted((a, b) => b.until.epochMilliseconds - a.until.epochMilliseconds)
      if (limit !== undefined) return limit

      const details: Details = { sequence: last.sequence, changeDate: last.at, resourceOwner: after.resourceOwner }
      // The language is not part of the change, and may have been updated since the user was loaded.
      row.state = { ...after, language: row.state.language }
      row.events.push(...events)
      for (const charge of charges) {
        if (charge.instead === "check") continue
        const known = counters.get(charge.counter)
        if (charge.instead === "refund") {
          if (known !== undefined) counters.set(charge.counter, { ...known, times: without(known.times, charge.at) })
          continue
        }
        const end = DateTime.addDuration(charge.at, longest(charge))
        counters.delete(charge.counter)
        counters.set(charge.counter, {
          times: [charge.at, ...known?.times ?? []].slice(0, remembered(charge)),
          keptUntil: known === undefined ? end : DateTime.max(known.keptUntil, end)
        })
      }
      for (const message of messages) {
        outbox.set(message.messageId, {
          message,
          state: "queued",
          receipt: undefined,
          reason: undefined,
          attempts: 0,
          dueAt: message.createdAt,
          lease: undefined
        })
      }
      if (messages.length > 0) PubSub.publishUnsafe(arrivals, undefined)
      if (idempotency !== undefined) {
        const { keptUntil, request, scope } = idempotency
        answers.delete(scope)
        answers.set(scope, { answer: { request, details }, keptUntil })
      }
      // A user's time may be ahead of the clock.
      const now = [...charges, ...events].map(({ at }) => at).reduce(DateTime.min)
      forgetExpired(counters, now)
      forgetExpired(answers, now)
      return { _tag: "Committed", details }
    }

    return UserStore.of({
      counts: true,
      load: (userId) =>
        Effect.sync(() => {
          const row = users.get(userId)
          return row === undefined || row.removed ? undefined : row.state
        }),
      commit: (commit) => Effect.sync(() => commitNow(commit)),
      history: (userId) => Effect.sync(() => [...users.get(userId)?.events ?? []]),
      recall: (scope, now) => Effect.sync(() => recallNow(scope, now))
    })
  })
)

const without = (times: ReadonlyArray<DateTime.Utc>, at: DateTime.Utc): ReadonlyArray<DateTime.Utc> => {
  const index = times.findIndex((time) => DateTime.Equivalence(time, at))
  return index < 0 ? times : times.toSpliced(index, 1)
}

/** The oldest rows come first, so that this looks at little more than it deletes. */
const forgetExpired = (rows: Map<string, { readonly keptUntil: DateTime.Utc }>, now: DateTime.Utc): void => {
  for (const [key, { keptUntil }] of rows) {
    if (DateTime.isGreaterThan(keptUntil, now)) break
    rows.delete(key)
  }
}

const isAsLoaded = (now: Commit["before"], before: Commit["before"]): boolean =>
  now.sequence === before.sequence && now.resourceOwner === before.resourceOwner && now.state === before.state
