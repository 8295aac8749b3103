/**
 * The function in PostgreSQL that commits: it has to be one atomic step, in one round trip.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * A plan is made once for each connection, and kept while tables grow, so it must not hang on how large the planner takes them
 * for: it reads by index, and joins by looking up one key after the other. A lookup in a subquery with `OFFSET 0` stays one;
 * without it, an index of what was once nearly empty may be read from end to end.
 */
export const byIndex = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off " +
  "SET plan_cache_mode = force_generic_plan"

const epochMs = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.epoch_ms(p_at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $epoch$ SELECT round(extract(epoch FROM p_at) * 1000)::bigint $epoch$`
})

/**
 * `commit_changes` is `UserStore.commit` of several changes of different users in one round trip. Every check comes before the
 * first write, under locks on users and counters, so that what it refuses has left no trace.
 *
 * With `p_waits` it waits for those locks, which are taken in one order (users, then counters by name), so that nothing
 * deadlocks. Without, it waits for nobody: a change whose user or counter is in other hands, or whose counter an earlier change
 * of the batch charges, is answered `Busy`, and is to be made alone.
 *
 * It is the same few statements for any number of changes.
 */
export const commitChanges = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* epochMs
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_change(text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb)`
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_changes(jsonb)`
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.commit_changes(p_changes jsonb, p_waits boolean) RETURNS jsonb LANGUAGE plpgsql
  ${sql.literal(byIndex)}
  AS $commit$
  DECLARE
    v_users text[] := ARRAY(SELECT c ->> 'user_id' FROM jsonb_array_elements(p_changes) AS c ORDER BY 1);
    v_locked text[];
    v_busy bigint[];
    v_results jsonb;
    v_queued bigint;
    v_refunds boolean;
    v_charge record;
  BEGIN
    IF p_waits THEN
      PERFORM 1 FROM user_phone.users WHERE user_id = ANY (v_users) ORDER BY user_id FOR UPDATE;
      v_locked := v_users;
      PERFORM pg_advisory_xact_lock(hashtextextended('user_phone:' || counter, 0)) FROM (
        SELECT DISTINCT charge ->> 'counter' AS counter
        FROM jsonb_array_elements(p_changes) AS c, jsonb_array_elements(c -> 'charges') AS charge ORDER BY 1
      ) AS charged;
    ELSE
      v_locked := ARRAY(SELECT user_id FROM user_phone.users WHERE user_id = ANY (v_users) FOR UPDATE SKIP LOCKED);
      v_busy := ARRAY(
        SELECT place FROM (
          SELECT place, charge ->> 'counter' AS counter, min(place) OVER (PARTITION BY charge ->> 'counter') AS first
          FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS e (c, place), jsonb_array_elements(c -> 'charges') AS charge
        ) AS charged
        WHERE place <> first OR NOT pg_try_advisory_xact_lock(hashtextextended('user_phone:' || counter, 0))
      );
    END IF;

    -- One more statement sees what was committed before the locks were had.
    WITH judged AS MATERIALIZED (
      SELECT change.*, answer.answer, full_.reason, full_.until,
        CASE
          WHEN change.place = ANY (v_busy) OR (u.user_id IS NOT NULL AND change.user_id <> ALL (v_locked)) THEN 'Busy'
          WHEN answer.answer IS NOT NULL THEN 'Replayed'
          WHEN u.user_id IS NULL OR u.removed OR u.sequence <> change.before_sequence
            OR u.resource_owner <> change.resource_owner OR u.state <> change.state THEN 'LostRace'
          WHEN full_.until IS NOT NULL THEN 'LimitReached'
          ELSE 'Committed'
        END AS tag
      FROM ROWS FROM (jsonb_to_recordset(p_changes) AS (
          user_id text, before_sequence bigint, resource_owner text, state text, sequence bigint, at timestamptz,
          phone text, verified boolean, pending jsonb, proven text, guesses jsonb, wait jsonb,
          events jsonb, messages jsonb, charges jsonb, idempotency jsonb
        )) WITH ORDINALITY AS change (
          user_id, before_sequence, resource_owner, state, sequence, at, phone, verified, pending, proven, guesses, wait,
          events, messages, charges, idempotency, place
        )
      LEFT JOIN LATERAL (SELECT * FROM user_phone.users WHERE user_id = change.user_id OFFSET 0) AS u ON true
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('request', request, 'sequence', a.sequence::text,
          'changeDate', user_phone.epoch_ms(change_date), 'resourceOwner', a.resource_owner) AS answer
        FROM user_phone.answers AS a WHERE a.scope = change.idempotency ->> 'scope' AND a.kept_until > change.at
        OFFSET 0
      ) AS answer ON true
      LEFT JOIN LATERAL (
        SELECT charge.reason, counted.times[w.max] + w.within * interval '1 millisecond' AS until
        FROM ROWS FROM (jsonb_to_recordset(change.charges)
            AS (counter text, reason text, at timestamptz, windows jsonb, instead text))
            WITH ORDINALITY AS charge (counter, reason, at, windows, instead, place),
          LATERAL (SELECT times FROM user_phone.counters WHERE counter = charge.counter OFFSET 0) AS counted,
          jsonb_to_recordset(charge.windows) AS w (max integer, within double precision)
        WHERE charge.instead IS DISTINCT FROM 'refund'
          AND counted.times[w.max] + w.within * interval '1 millisecond' > charge.at
        ORDER BY until DESC, charge.place LIMIT 1
      ) AS full_ ON true
    ), changed AS (
      UPDATE user_phone.users AS u SET
        sequence = c.sequence, change_date = c.at, phone = c.phone, phone_verified = c.verified, pending = c.pending,
        proven = c.proven, guesses = c.guesses, wait = c.wait
      FROM judged AS c WHERE c.tag = 'Committed' AND u.user_id = c.user_id AND u.user_id = ANY (v_users)
    ), appended AS (
      INSERT INTO user_phone.events (user_id, sequence, type, at, phone, data)
        SELECT c.user_id, e.sequence, e.type, e.at, e.phone, e.data
        FROM judged AS c, jsonb_to_recordset(c.events)
          AS e (sequence bigint, type text, at timestamptz, phone text, data jsonb)
        WHERE c.tag = 'Committed'
    ), queued AS (
      INSERT INTO user_phone.outbox
          (message_id, user_id, kind, route, code_id, key_id, sealed, created_at, expires_at, resends, due_at)
        SELECT m.message_id, c.user_id, m.kind, m.route, m.code_id, m.key_id, decode(m.sealed, 'base64'), m.created_at,
          m.expires_at, m.resends, m.created_at
        FROM judged AS c, jsonb_to_recordset(c.messages) AS m (message_id uuid, kind text, route text, code_id uuid,
          key_id text, sealed text, created_at timestamptz, expires_at timestamptz, resends integer)
        WHERE c.tag = 'Committed'
      RETURNING 1
    ), charged AS (
      INSERT INTO user_phone.counters (counter, times, kept_until)
        SELECT charge.counter,
          (array_agg(charge.at ORDER BY charge.place DESC) || counted.times)[1:max(charge.remembered)],
          greatest(max(charge.kept_until), counted.kept_until)
        FROM judged AS c, ROWS FROM (jsonb_to_recordset(c.charges)
          AS (counter text, at timestamptz, instead text, remembered integer, kept_until timestamptz))
          WITH ORDINALITY AS charge (counter, at, instead, remembered, kept_until, place)
        LEFT JOIN LATERAL (SELECT times, kept_until FROM user_phone.counters WHERE counter = charge.counter OFFSET 0)
          AS counted ON true
        WHERE c.tag = 'Committed' AND charge.instead IS NULL
        GROUP BY charge.counter, counted.times, counted.kept_until
        ON CONFLICT (counter) DO UPDATE SET times = excluded.times, kept_until = excluded.kept_until
    ), answered AS (
      INSERT INTO user_phone.answers AS a (scope, request, sequence, change_date, resource_owner, kept_until)
        SELECT idempotency ->> 'scope', idempotency ->> 'request', sequence, at, resource_owner,
          (idempotency ->> 'keptUntil')::timestamptz
        FROM judged WHERE tag = 'Committed' AND idempotency IS NOT NULL
        ON CONFLICT (scope) DO UPDATE SET request = excluded.request, sequence = excluded.sequence,
          change_date = excluded.change_date, resource_owner = excluded.resource_owner, kept_until = excluded.kept_until
    )
    SELECT
      jsonb_agg(
        CASE tag
          WHEN 'Replayed' THEN answer || '{"tag": "Replayed"}'
          WHEN 'LimitReached' THEN
            jsonb_build_object('tag', tag, 'reason', reason, 'until', user_phone.epoch_ms(until))
          ELSE jsonb_build_object('tag', tag)
        END ORDER BY place
      ),
      (SELECT count(*) FROM queued),
      bool_or(tag = 'Committed' AND charges @> '[{"instead": "refund"}]')
      INTO v_results, v_queued, v_refunds FROM judged;

    IF v_queued > 0 THEN PERFORM pg_notify('user_phone_outbox', ''); END IF;
    IF v_refunds THEN
      FOR v_charge IN
        SELECT charge.* FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS e (c, place),
          jsonb_to_recordset(c -> 'charges') AS charge (counter text, at timestamptz, instead text)
        WHERE charge.instead = 'refund' AND v_results -> (place - 1)::integer ->> 'tag' = 'Committed'
      LOOP
        UPDATE user_phone.counters SET
          times = times[:array_position(times, v_charge.at) - 1] || times[array_position(times, v_charge.at) + 1:]
          WHERE counter = v_charge.counter AND v_charge.at = ANY (times);
      END LOOP;
    END IF;
    RETURN v_results;
  END $commit$`
})
