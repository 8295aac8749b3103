/**
 * The outbox in PostgreSQL. Leases are timed by the database's own clock, so that workers need not agree on the time.
 * NOTIFY announces new messages to all who listen.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import * as Stream from "effect/Stream"
import { Unavailable } from "../core/Errors.ts"
import { inSpan } from "../core/internal/Span.ts"
import { type ClaimedMessage, type Delivery, Outbox, type Route, type Settlement } from "../core/Outbox.ts"
import { UserId } from "../core/UserId.ts"
import * as Batch from "./internal/Batch.ts"
import { consuming } from "./internal/PgColumns.ts"
import { bounded, mapped, orEachAlone, orUnavailable, statementTimeout } from "./internal/PgFailure.ts"
import { parametersFor, type Sent, settleSent } from "./internal/PgSettlements.ts"

/**
 * The outbox in PostgreSQL, over the schema that `PgMigrations` makes; it listens for messages on a connection of its
 * own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Outbox, never, SqlClient.SqlClient | PgClient.PgClient> = Layer.effect(
  Outbox,
  Effect.gen(function*() {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()
    const pg = yield* PgClient.PgClient

    const claimDue = SqlSchema.findAll({
      Request: Schema.Struct({ route: Schema.String, now: Schema.Date, limit: Schema.Int, leaseMillis: Schema.Finite }),
      Result: ClaimedRow,
      execute: ({ leaseMillis, limit, now, route }) =>
        sql`SELECT message_id AS "messageId", user_id AS "userId", kind, route, code_id AS "codeId", key_id AS "keyId", sealed,
            created_at AS "createdAt", expires_at AS "expiresAt", resends, lease_token AS "leaseToken", attempts,
            code_is_pending AS "codeIsPending", wrong_guesses AS "wrongGuesses"
          FROM user_phone.claim_due(${route}, ${now}, ${limit}, ${leaseMillis})`
    })

    const settleAll = (messages: ReadonlyArray<Sent>) =>
      consuming(
        () => parametersFor(messages),
        (parameters) =>
          sql.unsafe<{ readonly settled: ReadonlyArray<boolean> }>(settleSent, parameters).pipe(
            bounded,
            Effect.map(([row]) => row!.settled)
          )
      )

    const settleTogether = yield* Batch.make({
      patience: statementTimeout,
      keyOf: ({ message }: Sent) => message.userId,
      ask: (messages) =>
        Effect.map(settleAll(messages), (settled) => settled.map((one) => Effect.succeed(one))).pipe(
          orEachAlone(messages, (message) => Effect.map(settleAll([message]), ([settled]) => settled!))
        )
    })

    const dueAgain = (
      { leaseToken, messageId }: ClaimedMessage,
      { at, reason }: { readonly at: DateTime.Utc; readonly reason: string },
      attempts: number
    ) =>
      sql<{ readonly settled: boolean }>`UPDATE user_phone.outbox
        SET due_at = ${DateTime.toDateUtc(at)}, lease_token = NULL, leased_until = NULL, reason = ${reason},
          attempts = ${attempts}
        WHERE message_id = ${messageId}::uuid AND lease_token = ${leaseToken}::uuid AND status = 'queued'
        RETURNING true AS settled`

    const giveUp = ({ leaseToken, messageId }: ClaimedMessage, status: "dead" | "dropped", reason: string) =>
      sql<{ readonly settled: boolean }>`UPDATE user_phone.outbox
        SET status = ${status}, sealed = NULL, lease_token = NULL, reason = ${reason}, settled_at = now()
        WHERE message_id = ${messageId}::uuid AND lease_token = ${leaseToken}::uuid AND status = 'queued'
        RETURNING true AS settled`

    const statementFor = (message: ClaimedMessage, settlement: Exclude<Settlement, { readonly _tag: "Sent" }>) => {
      switch (settlement._tag) {
        case "Retry":
          return dueAgain(message, settlement, message.attempts + 1)
        case "Released":
          return dueAgain(message, settlement, message.attempts)
        case "Dead":
          return giveUp(message, "dead", settlement.reason)
        case "Dropped":
          return giveUp(message, "dropped", settlement.reason)
      }
    }

    const findDelivery = SqlSchema.findOneOption({
      Request: Schema.Struct({ userId: UserId, codeId: Schema.String }),
      Result: DeliveryRow,
      execute: ({ codeId, userId }) =>
        sql`SELECT status, attempts, reason, receipt, receipt_code AS "receiptCode" FROM user_phone.outbox
          WHERE user_id = ${userId} AND code_id = ${codeId}::uuid`
    })

    return Outbox.of({
      claim: Effect.fnUntraced(
        function*({ lease, limit, now, route }) {
          const claimed = yield* claimDue({
            route,
            now: DateTime.toDateUtc(now),
            limit,
            leaseMillis: Duration.toMillis(lease)
          })
          return claimed
            .toSorted((a, b) => a.createdAt.epochMilliseconds - b.createdAt.epochMilliseconds)
            .map(({ codeId, ...message }) => ({ ...message, codeId: codeId ?? undefined }))
        },
        orUnavailable,
        inSpan("PgOutbox.claim")
      ),
      settle: Effect.fnUntraced(function*(message, settlement) {
        if (settlement._tag === "Sent") return yield* mapped(settleTogether({ message, settlement }))
        const [row] = yield* orUnavailable(statementFor(message, settlement))
        return row?.settled ?? false
      }, inSpan("PgOutbox.settle")),
      report: Effect.fn("PgOutbox.report")(function*(messageId, receipt, at) {
        if (!isUuid(messageId)) return false
        const code = receipt.status === "failed" ? receipt.code : null
        const [row] = yield* sql<{ readonly taken: boolean }>`SELECT user_phone.take_receipt(
          ${messageId}::uuid, ${receipt.status}, ${code}, ${DateTime.toDateUtc(at)}) AS taken`
        return row?.taken ?? false
      }, orUnavailable),
      arrivals: Stream.unwrap(Effect.map(pg.listen("user_phone_outbox"), Stream.fromQueue)).pipe(
        Stream.map(() => undefined),
        Stream.mapError(({ reason }) => new Unavailable({ cause: `PostgreSQL: ${reason._tag}` }))
      ),
      delivery: Effect.fn("PgOutbox.delivery")(function*(userId, codeId) {
        return Option.getOrUndefined(Option.map(yield* findDelivery({ userId, codeId }), deliveryOf))
      }, orUnavailable)
    })
  })
)

const ClaimedRow = Schema.Struct({
  messageId: Schema.String,
  userId: UserId,
  kind: Schema.Literals(["code", "notice"]),
  route: Schema.declare((route): route is Route => typeof route === "string"),
  codeId: Schema.NullOr(Schema.String),
  keyId: Schema.String,
  sealed: Schema.Uint8Array,
  createdAt: Schema.DateTimeUtcFromDate,
  expiresAt: Schema.DateTimeUtcFromDate,
  resends: Schema.Int,
  leaseToken: Schema.String,
  attempts: Schema.Int,
  codeIsPending: Schema.Boolean,
  wrongGuesses: Schema.Int
})

const DeliveryRow = Schema.Struct({
  status: Schema.Literals(["queued", "sent", "dead", "dropped"]),
  attempts: Schema.Int,
  reason: Schema.NullOr(Schema.String),
  receipt: Schema.NullOr(Schema.Literals(["delivered", "failed"])),
  receiptCode: Schema.NullOr(Schema.String)
})

const deliveryOf = ({ attempts, reason, receipt, receiptCode, status }: typeof DeliveryRow.Type): Delivery => ({
  state: receipt ?? (status === "dead" ? "failed" : status),
  attempts,
  reason: receipt === "failed" ? `not delivered: ${receiptCode}` : reason ?? undefined
})

const isUuid = Schema.is(Schema.String.check(Schema.isUUID()))
