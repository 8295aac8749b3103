/**
 * The outbox in memory. A message is gone once it is settled for good.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type ClaimedMessage, Outbox } from "../core/Outbox.ts"
import { append, MemoryTables } from "./MemoryTables.ts"

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Outbox, never, MemoryTables> = Layer.effect(
  Outbox,
  Effect.gen(function*() {
    const { outbox, users } = yield* MemoryTables
    let leases = 0

    return Outbox.of({
      claim: ({ lease, limit, now }) =>
        Effect.map(DateTime.now, (clock) => {
          const due = Array.from(outbox.values())
            .filter((row) => DateTime.isLessThanOrEqualTo(row.dueAt, now))
            .filter((row) => row.lease === undefined || DateTime.isLessThanOrEqualTo(row.lease.until, clock))
            .toSorted((a, b) => a.dueAt.epochMilliseconds - b.dueAt.epochMilliseconds)
            .slice(0, limit)
          return due.map((row): ClaimedMessage => {
            row.lease = { token: `lease-${++leases}`, until: DateTime.addDuration(clock, lease) }
            return { ...row.message, leaseToken: row.lease.token, attempts: row.attempts++ }
          })
        }),
      settle: ({ leaseToken, messageId }, settlement) =>
        Effect.sync(() => {
          const row = outbox.get(messageId)
          if (row === undefined || row.lease?.token !== leaseToken) return false
          row.lease = undefined
          if (settlement._tag === "Retry" || settlement._tag === "Released") {
            row.dueAt = settlement.at
            if (settlement._tag === "Released") row.attempts--
            return true
          }
          outbox.delete(messageId)
          const user = users.get(row.message.userId)
          const { codeId } = row.message
          if (settlement._tag === "Sent" && codeId !== undefined && user !== undefined && !user.removed) {
            append(user, { type: "user.human.phone.code.sent", codeId, messageId }, settlement.at)
          }
          return true
        })
    })
  })
)
