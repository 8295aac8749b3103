/**
 * Deletes from PostgreSQL what no longer matters: expired counters and answers, and messages that were settled a month
 * ago. It also drops expired messages that no worker took. Any number of processes may do so at once.
 *
 * A row is deleted only when it is over both by the database's clock and by this process's own, so that neither clock
 * alone can lift a limit.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { Unavailable } from "../core/Errors.ts"
import { orUnavailable } from "./internal/PgFailure.ts"

/**
 * Tidies up every five minutes for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effectDiscard(Effect.suspend(() =>
  tidy.pipe(
    Effect.catch(() => Effect.logWarning("expired rows could not be taken away")),
    Effect.repeat(Schedule.spaced("5 minutes")),
    Effect.forkScoped
  )
))

/** How many rows one statement deletes at most, so that it holds its locks only for a moment. */
const batch = 1000

/**
 * Tidies up now.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tidy: Effect.Effect<void, Unavailable, SqlClient.SqlClient> = Effect.gen(function*() {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const clock = DateTime.toDateUtc(yield* DateTime.now)

  // The keys come as an array and in the index's order, so that no table is ever read from end to end.
  const takeAway = (table: string, key: string, over: string, after: string, which = sql`true`) =>
    sql`DELETE FROM ${sql(`user_phone.${table}`)} WHERE ${sql(key)} = ANY (ARRAY(
      SELECT ${sql(key)} FROM ${sql(`user_phone.${table}`)}
      WHERE ${sql(over)} <= least(now(), ${clock}) - ${after}::interval AND ${which}
      ORDER BY ${sql(over)} LIMIT ${batch} FOR UPDATE SKIP LOCKED
    )) RETURNING 1`

  const dropExpired = sql`UPDATE user_phone.outbox
    SET status = 'dropped', sealed = NULL, lease_token = NULL, reason = 'expired', settled_at = now()
    WHERE message_id = ANY (ARRAY(
      SELECT message_id FROM user_phone.outbox
      WHERE status = 'queued' AND expires_at <= least(now(), ${clock})
        AND (leased_until IS NULL OR leased_until <= now())
      ORDER BY expires_at LIMIT ${batch} FOR UPDATE SKIP LOCKED
    )) RETURNING 1`

  for (
    const statement of [
      takeAway("counters", "counter", "kept_until", "0"),
      takeAway("answers", "scope", "kept_until", "0"),
      dropExpired,
      // Worded as in the index, so that the index is used.
      takeAway("outbox", "message_id", "settled_at", "30 days", sql`status <> 'queued'`)
    ]
  ) yield* statement.pipe(orUnavailable, Effect.repeat({ while: (rows) => rows.length === batch }))
})
