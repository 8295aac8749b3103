/**
 * The function in PostgreSQL that commits: it has to be one atomic step, in one round trip.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { columns } from "./PgChanges.ts"
import { declared, placeholders, unnested } from "./PgColumns.ts"

/**
 * A plan is made once for each connection and kept while tables grow, so it must not depend on how large the planner
 * thinks they are: it reads by index, and joins by looking up one key after the other. A lookup in a subquery with
 * `OFFSET 0` stays a lookup; without it, the index of a table that was once nearly empty may be read from end to end.
 */
export const byIndex = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off " +
  "SET plan_cache_mode = force_generic_plan"

const epochMs = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.epoch_ms(p_at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $epoch$ SELECT round(extract(epoch FROM p_at) * 1000)::bigint $epoch$`
})

/** The parameters of `commit_changes` in SQL, after the one that says whether it waits. */
const parameters = Object.entries(columns).map(([rows, of]) => declared(rows, of)).join(", ")

/** The statement that calls it. */
export const commitChanges = `SELECT user_phone.commit_changes(${
  placeholders(1 + Object.values(columns).flatMap(Object.keys).length)
}) AS outcomes`

/** The rows of a kind as a table of this name. */
const rowsOf = (rows: keyof typeof columns, as: string, number?: string): string =>
  unnested(rows, columns[rows], as, number)

/** Whether a user is still as the change expects it. */
const stands = `u.sequence = change.before_sequence AND u.resource_owner = change.resource_owner
  AND u.state = change.state AND NOT u.removed`

/**
 * `commit_changes` is `UserStore.commit` of several changes of different users in one round trip. Every check comes
 * before the first write, under locks on users and counters, so that a refused change leaves no trace. It answers null
 * if all of them were committed, and otherwise what became of each.
 *
 * With `p_waits` it waits for those locks, which are taken in one order (users, then counters by name), so that nothing
 * deadlocks. Without it, it waits for nobody: a change whose user or counter is locked by others, or whose counter an
 * earlier change of the batch charges, is answered with `Busy`, and is to be made alone.
 *
 * It runs the same few statements for any number of changes, and skips those for parts that none of the changes has.
 */
export const installCommitChanges = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* epochMs
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_change(text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb)`
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_changes(jsonb)`
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_changes(jsonb, boolean)`
  yield* sql.unsafe(
    `CREATE OR REPLACE FUNCTION user_phone.commit_changes(p_waits boolean, ${parameters}) RETURNS jsonb LANGUAGE plpgsql
  ${byIndex}
  AS $commit$
  DECLARE
    v_locked text[] := p_change_user_id;
    v_busy integer[] := '{}';
    -- By place, what changes have met.
    v_replayed jsonb := '{}';
    v_limited jsonb := '{}';
    v_made integer[];
    v_all boolean;
    v_outcomes jsonb;
    v_charge record;
  BEGIN
    IF p_waits THEN
      PERFORM 1 FROM user_phone.users WHERE user_id = ANY (p_change_user_id) ORDER BY user_id FOR UPDATE;
      PERFORM pg_advisory_xact_lock(hashtextextended('user_phone:' || counter, 0))
        FROM (SELECT DISTINCT counter FROM unnest(p_charge_counter) AS counter ORDER BY 1) AS charged;
    ELSE
      v_locked := ARRAY(SELECT user_id FROM user_phone.users WHERE user_id = ANY (p_change_user_id) FOR UPDATE SKIP LOCKED);
      IF cardinality(p_charge_place) > 0 THEN
        v_busy := ARRAY(
          SELECT place FROM (
            SELECT place, counter, min(place) OVER (PARTITION BY counter) AS first
            FROM unnest(p_charge_place, p_charge_counter) AS charge (place, counter)
          ) AS charged
          WHERE place <> first OR NOT pg_try_advisory_xact_lock(hashtextextended('user_phone:' || counter, 0))
        );
      END IF;
    END IF;

    -- Each further statement sees what was committed before the locks were had. Where the isolation level is stricter, it does
    -- not, but nothing can be written that was changed since: so counters are, and what comes too late runs again.
    IF cardinality(p_charge_place) > 0 AND current_setting('transaction_isolation') <> 'read committed' THEN
      INSERT INTO user_phone.counters (counter, times, kept_until)
        SELECT counter, '{}', max(kept_until)
        FROM unnest(p_charge_place, p_charge_counter, p_charge_kept_until) AS charge (place, counter, kept_until)
        WHERE place <> ALL (v_busy) GROUP BY counter
        ON CONFLICT (counter) DO UPDATE SET times = counters.times;
    END IF;
    IF cardinality(p_request_place) > 0 THEN
      SELECT coalesce(jsonb_object_agg(r.place, jsonb_build_object('tag', 'Replayed', 'request', a.request,
          'sequence', a.sequence::text, 'changeDate', user_phone.epoch_ms(a.change_date), 'resourceOwner', a.resource_owner
        )), '{}') INTO v_replayed
        FROM unnest(p_request_place, p_request_scope) AS r (place, scope),
          LATERAL (SELECT * FROM user_phone.answers WHERE scope = r.scope AND kept_until > p_change_at[r.place] OFFSET 0) AS a;
    END IF;
    IF cardinality(p_charge_place) > 0 THEN
      SELECT coalesce(jsonb_object_agg(place, jsonb_build_object(
          'tag', 'LimitReached', 'reason', reason, 'until', user_phone.epoch_ms(until)
        )), '{}') INTO v_limited
        FROM (
          SELECT DISTINCT ON (charge.place) charge.place, charge.reason,
            counted.times[w.max] + w.within * interval '1 millisecond' AS until
          FROM unnest(p_charge_place, p_charge_counter, p_charge_reason, p_charge_at, p_charge_windows, p_charge_instead)
              WITH ORDINALITY AS charge (place, counter, reason, at, windows, instead, nth),
            LATERAL (SELECT times FROM user_phone.counters WHERE counter = charge.counter OFFSET 0) AS counted,
            jsonb_to_recordset(charge.windows) AS w (max integer, within double precision)
          WHERE charge.instead IS DISTINCT FROM 'refund'
            AND counted.times[w.max] + w.within * interval '1 millisecond' > charge.at
          ORDER BY charge.place, until DESC, charge.nth
        ) AS met;
    END IF;

    WITH made AS (
      UPDATE user_phone.users AS u SET
        sequence = change.sequence, change_date = change.at, phone = change.phone, phone_verified = change.verified,
        pending = change.pending, proven = change.proven, guesses = change.guesses, wait = change.wait
      FROM ${rowsOf("change", "change", "place")}
      WHERE u.user_id = change.user_id AND u.user_id = ANY (v_locked) AND ${stands}
        AND change.place <> ALL (v_busy) AND NOT v_replayed ? change.place::text AND NOT v_limited ? change.place::text
      RETURNING change.place
    )
    SELECT coalesce(array_agg(place), '{}') INTO v_made FROM made;
    v_all := cardinality(v_made) = cardinality(p_change_user_id);

    INSERT INTO user_phone.events (user_id, sequence, type, at, phone, data)
      SELECT p_change_user_id[event.place], event.sequence, event.type, event.at, event.phone,
        CASE WHEN event.shows_pending
          THEN event.data || jsonb_build_object('pending', p_change_pending[event.place]) ELSE event.data END
      FROM ${rowsOf("event", "event")} WHERE v_all OR event.place = ANY (v_made);
    IF cardinality(p_message_place) > 0 THEN
      INSERT INTO user_phone.outbox
          (message_id, user_id, kind, route, code_id, key_id, sealed, created_at, expires_at, resends, due_at)
        SELECT m.message_id, p_change_user_id[m.place], m.kind, m.route, m.code_id, m.key_id, m.sealed, m.created_at,
          m.expires_at, m.resends, m.created_at
        FROM ${rowsOf("message", "m")} WHERE v_all OR m.place = ANY (v_made);
      IF FOUND THEN PERFORM pg_notify('user_phone_outbox', ''); END IF;
    END IF;
    IF cardinality(p_charge_place) > 0 THEN
      INSERT INTO user_phone.counters (counter, times, kept_until)
        SELECT charge.counter,
          (array_agg(charge.at ORDER BY charge.nth DESC) || counted.times)[1:max(charge.remembered)],
          greatest(max(charge.kept_until), counted.kept_until)
        FROM unnest(p_charge_place, p_charge_counter, p_charge_at, p_charge_instead, p_charge_remembered, p_charge_kept_until)
          WITH ORDINALITY AS charge (place, counter, at, instead, remembered, kept_until, nth)
        LEFT JOIN LATERAL (SELECT times, kept_until FROM user_phone.counters WHERE counter = charge.counter OFFSET 0)
          AS counted ON true
        WHERE charge.instead IS NULL AND (v_all OR charge.place = ANY (v_made))
        GROUP BY charge.counter, counted.times, counted.kept_until
        ON CONFLICT (counter) DO UPDATE SET times = excluded.times, kept_until = excluded.kept_until;
      IF 'refund' = ANY (p_charge_instead) THEN
        FOR v_charge IN
          SELECT counter, at FROM unnest(p_charge_place, p_charge_counter, p_charge_at, p_charge_instead)
            AS charge (place, counter, at, instead) WHERE instead = 'refund' AND (v_all OR place = ANY (v_made))
        LOOP
          UPDATE user_phone.counters SET
            times = times[:array_position(times, v_charge.at) - 1] || times[array_position(times, v_charge.at) + 1:]
            WHERE counter = v_charge.counter AND v_charge.at = ANY (times);
        END LOOP;
      END IF;
    END IF;
    IF cardinality(p_request_place) > 0 THEN
      INSERT INTO user_phone.answers (scope, request, sequence, change_date, resource_owner, kept_until)
        SELECT r.scope, r.request, p_change_sequence[r.place], p_change_at[r.place], p_change_resource_owner[r.place],
          r.kept_until
        FROM ${rowsOf("request", "r")} WHERE v_all OR r.place = ANY (v_made)
        ON CONFLICT (scope) DO UPDATE SET request = excluded.request, sequence = excluded.sequence,
          change_date = excluded.change_date, resource_owner = excluded.resource_owner, kept_until = excluded.kept_until;
    END IF;

    IF v_all THEN RETURN NULL; END IF;
    SELECT jsonb_agg(
        CASE
          WHEN change.place = ANY (v_made) THEN '{"tag": "Committed"}'
          WHEN change.place = ANY (v_busy) OR (u.user_id IS NOT NULL AND change.user_id <> ALL (v_locked)) THEN '{"tag": "Busy"}'
          WHEN v_replayed ? change.place::text THEN v_replayed -> change.place::text
          WHEN ${stands} AND v_limited ? change.place::text THEN v_limited -> change.place::text
          ELSE '{"tag": "LostRace"}'
        END ORDER BY change.place
      ) INTO v_outcomes
      FROM unnest(p_change_user_id, p_change_before_sequence, p_change_resource_owner, p_change_state)
        WITH ORDINALITY AS change (user_id, before_sequence, resource_owner, state, place)
      LEFT JOIN LATERAL (SELECT * FROM user_phone.users WHERE user_id = change.user_id OFFSET 0) AS u ON true;
    RETURN v_outcomes;
  END $commit$`
  )
})
