/**
 * The outbox in memory. What is known of a settled message is kept until the message would have expired.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type ClaimedMessage, Outbox } from "../core/Outbox.ts"
import { append, MemoryTables, type MessageRow } from "./MemoryTables.ts"

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
          forgetSettled(outbox, now)
          const due = Array.from(outbox.values())
            .filter((row) => row.state === "queued")
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
          if (row?.state !== "queued" || row.lease?.token !== leaseToken) return false
          row.lease = undefined
          row.reason = "reason" in settlement ? settlement.reason : undefined
          if (settlement._tag === "Retry" || settlement._tag === "Released") {
            row.dueAt = settlement.at
            if (settlement._tag === "Released") row.attempts--
            return true
          }
          row.state = settled[settlement._tag]
          row.message = { ...row.message, sealed: new Uint8Array() }
          const user = users.get(row.message.userId)
          const { codeId } = row.message
          if (settlement._tag === "Sent" && codeId !== undefined && user !== undefined && !user.removed) {
            append(user, { type: "user.human.phone.code.sent", codeId, messageId }, settlement.at)
          }
          return true
        }),
      delivery: (userId, codeId) =>
        Effect.sync(() => {
          for (const { attempts, message, reason, state } of outbox.values()) {
            if (message.codeId === codeId && message.userId === userId) return { state, attempts, reason }
          }
          return undefined
        })
    })
  })
)

const settled = { Sent: "sent", Dead: "dead", Dropped: "dropped" } as const

const forgetSettled = (outbox: Map<string, MessageRow>, now: DateTime.Utc): void => {
  for (const [messageId, { message, state }] of outbox) {
    if (state !== "queued" && DateTime.isLessThanOrEqualTo(message.expiresAt, now)) outbox.delete(messageId)
  }
}
