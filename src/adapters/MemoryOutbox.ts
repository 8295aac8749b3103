/**
 * The outbox in memory. What is known of a settled message is kept until the message would have expired.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { type ClaimedMessage, type Delivery, Outbox, type Route } from "../core/Outbox.ts"
import { codeIdOf } from "../core/PendingCode.ts"
import { append, MemoryTables, type MessageRow } from "./MemoryTables.ts"

/**
 * The outbox over tables in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Outbox, never, MemoryTables> = Layer.effect(
  Outbox,
  Effect.gen(function*() {
    const { arrivals, outbox, users } = yield* MemoryTables
    let leases = 0

    const codeOf = ({ codeId, userId }: MessageRow["message"]) => {
      const pending = users.get(userId)?.state.pending
      return pending !== undefined && codeIdOf(pending) === codeId
        ? { codeIsPending: true, wrongGuesses: pending.wrongGuesses }
        : { codeIsPending: false, wrongGuesses: 0 }
    }

    /** Records in the user's log what becomes of a code. */
    const logSent = (row: MessageRow, at: DateTime.Utc, verificationId: string | undefined): void => {
      const { codeId, messageId, userId } = row.message
      const user = users.get(userId)
      if (codeId === undefined || user === undefined || user.removed) return
      const made = verificationId === undefined ? {} : { verificationId }
      append(user, { type: "user.human.phone.code.sent", codeId, messageId, ...made }, at)
    }

    return Outbox.of({
      claim: ({ lease, limit, now, route }) =>
        Effect.map(DateTime.now, (clock) => {
          forget(outbox, route, now)
          const due = Array.from(outbox.values())
            .filter((row) => row.state === "queued" && row.message.route === route)
            .filter((row) => DateTime.isLessThanOrEqualTo(row.dueAt, now))
            .filter((row) => row.lease === undefined || DateTime.isLessThanOrEqualTo(row.lease.until, clock))
            .toSorted((a, b) => a.message.createdAt.epochMilliseconds - b.message.createdAt.epochMilliseconds)
            .slice(0, limit)
          return due.map((row): ClaimedMessage => {
            row.lease = { token: `lease-${++leases}`, until: DateTime.addDuration(clock, lease) }
            const { message, lease: { token: leaseToken } } = row
            return { ...message, leaseToken, attempts: row.attempts++, ...codeOf(message) }
          })
        }),
      settle: ({ leaseToken, messageId }, settlement) =>
        Effect.sync(() => {
          const row = outbox.get(messageId)
          if (row === undefined || row.lease?.token !== leaseToken) return false
          // A report came in first, and has settled it as sent.
          if (row.state === "sent" && settlement._tag === "Sent") {
            row.lease = undefined
            return true
          }
          if (row.state !== "queued") return false
          row.lease = undefined
          row.reason = "reason" in settlement ? settlement.reason : undefined
          if (settlement._tag === "Retry" || settlement._tag === "Released") {
            row.dueAt = settlement.at
            if (settlement._tag === "Released") row.attempts--
            return true
          }
          row.state = settled[settlement._tag]
          row.message = { ...row.message, sealed: new Uint8Array() }
          if (settlement._tag === "Sent") logSent(row, settlement.at, settlement.verificationId)
          return true
        }),
      report: (messageId, receipt, at) =>
        Effect.sync(() => {
          const row = outbox.get(messageId)
          if (
            row === undefined || row.state === "dead" || row.state === "dropped" ||
            row.receipt !== undefined && (row.receipt.status === "delivered" || receipt.status === "failed")
          ) return false
          if (row.state === "queued") {
            if (row.attempts === 0) return false
            row.state = "sent"
            row.reason = undefined
            row.message = { ...row.message, sealed: new Uint8Array() }
            logSent(row, at, undefined)
          }
          row.receipt = receipt
          const { codeId, userId } = row.message
          const user = users.get(userId)
          if (codeId !== undefined && user !== undefined && !user.removed) {
            append(
              user,
              receipt.status === "delivered"
                ? { type: "user.human.phone.code.delivered", codeId, messageId }
                : { type: "user.human.phone.code.undelivered", codeId, messageId, code: receipt.code },
              at
            )
          }
          return true
        }),
      arrivals: Stream.fromPubSub(arrivals),
      delivery: (userId, codeId) =>
        Effect.sync(() => {
          for (const row of outbox.values()) {
            if (row.message.codeId === codeId && row.message.userId === userId) return deliveryOf(row)
          }
          return undefined
        })
    })
  })
)

const settled = { Sent: "sent", Dead: "dead", Dropped: "dropped" } as const

const deliveryOf = ({ attempts, reason, receipt, state }: MessageRow): Delivery => {
  if (receipt?.status === "failed") return { state: "failed", attempts, reason: `not delivered: ${receipt.code}` }
  if (receipt !== undefined) return { state: "delivered", attempts, reason }
  return { state: state === "dead" ? "failed" : state, attempts, reason }
}

/** Forgets expired messages that are settled, or that are on another route, where perhaps nobody takes them. */
const forget = (outbox: Map<string, MessageRow>, route: Route, now: DateTime.Utc): void => {
  for (const [messageId, { lease, message, state }] of outbox) {
    const isDone = state !== "queued" || (message.route !== route && lease === undefined)
    if (isDone && DateTime.isLessThanOrEqualTo(message.expiresAt, now)) outbox.delete(messageId)
  }
}
