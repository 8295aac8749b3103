/**
 * The functions in PostgreSQL: what has to be one atomic step, in one round trip.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

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
 * It is the same few statements for any number of changes. Its settings make their plans the same whatever the planner knows of
 * the tables: by index, and not compiled.
 */
const commitChanges = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_change(text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb)`
  yield* sql`DROP FUNCTION IF EXISTS user_phone.commit_changes(jsonb)`
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.commit_changes(p_changes jsonb, p_waits boolean) RETURNS jsonb LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
  SET plan_cache_mode = force_generic_plan
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
      LEFT JOIN user_phone.users AS u ON u.user_id = change.user_id
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('request', request, 'sequence', a.sequence::text,
          'changeDate', user_phone.epoch_ms(change_date), 'resourceOwner', a.resource_owner) AS answer
        FROM user_phone.answers AS a WHERE a.scope = change.idempotency ->> 'scope' AND a.kept_until > change.at
      ) AS answer ON true
      LEFT JOIN LATERAL (
        SELECT charge.reason, counted.times[w.max] + w.within * interval '1 millisecond' AS until
        FROM ROWS FROM (jsonb_to_recordset(change.charges)
            AS (counter text, reason text, at timestamptz, windows jsonb, instead text))
            WITH ORDINALITY AS charge (counter, reason, at, windows, instead, place)
          JOIN user_phone.counters AS counted USING (counter),
          jsonb_to_recordset(charge.windows) AS w (max integer, within double precision)
        WHERE charge.instead IS DISTINCT FROM 'refund'
          AND counted.times[w.max] + w.within * interval '1 millisecond' > charge.at
        ORDER BY until DESC, charge.place LIMIT 1
      ) AS full_ ON true
    ), changed AS (
      UPDATE user_phone.users AS u SET
        sequence = c.sequence, change_date = c.at, phone = c.phone, phone_verified = c.verified, pending = c.pending,
        proven = c.proven, guesses = c.guesses, wait = c.wait
      FROM judged AS c WHERE c.tag = 'Committed' AND u.user_id = c.user_id
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
        LEFT JOIN user_phone.counters AS counted ON counted.counter = charge.counter
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

/** These change a message and its user's log together; all lock the user first. */
const settleAndRemove = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  yield* sql`CREATE OR REPLACE FUNCTION user_phone.append_event(p_user user_phone.users, p_type text, p_at timestamptz, p_data jsonb)
  RETURNS void LANGUAGE sql AS $append$
    INSERT INTO user_phone.events (user_id, sequence, type, at, data)
      VALUES (p_user.user_id, p_user.sequence + 1, p_type, greatest(p_at, p_user.change_date), p_data);
    UPDATE user_phone.users SET sequence = sequence + 1, change_date = greatest(p_at, change_date)
      WHERE user_id = p_user.user_id;
  $append$`

  yield* sql`CREATE OR REPLACE FUNCTION user_phone.message_event(p_message_id uuid, p_type text, p_at timestamptz, p_more jsonb)
  RETURNS void LANGUAGE plpgsql AS $event$
  DECLARE
    v_user user_phone.users;
    v_code_id uuid;
  BEGIN
    SELECT code_id INTO v_code_id FROM user_phone.outbox WHERE message_id = p_message_id;
    SELECT u.* INTO v_user FROM user_phone.users u JOIN user_phone.outbox o USING (user_id)
      WHERE o.message_id = p_message_id;
    IF v_code_id IS NULL OR v_user.removed THEN RETURN; END IF;
    PERFORM user_phone.append_event(v_user, p_type, p_at,
      jsonb_build_object('codeId', v_code_id, 'messageId', p_message_id) || p_more);
  END $event$`

  yield* sql`DROP FUNCTION IF EXISTS user_phone.settle_sent(uuid, uuid, timestamptz, text)`
  yield* sql`DROP FUNCTION IF EXISTS user_phone.settle_sent(uuid, uuid, timestamptz, text, text, text)`
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.settle_sent(p_messages jsonb) RETURNS jsonb LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
  SET plan_cache_mode = force_generic_plan
  AS $settle$
  DECLARE
    v_results jsonb;
  BEGIN
    PERFORM 1 FROM user_phone.users
      WHERE user_id = ANY (ARRAY(SELECT m ->> 'user_id' FROM jsonb_array_elements(p_messages) AS m)) ORDER BY user_id FOR UPDATE;
    WITH told AS MATERIALIZED (
      SELECT * FROM ROWS FROM (jsonb_to_recordset(p_messages) AS (
        message_id uuid, lease_token uuid, at timestamptz, provider text, reference text, verification_id text
      )) WITH ORDINALITY AS m (message_id, lease_token, at, provider, reference, verification_id, place)
    ), held AS MATERIALIZED (
      -- By its id alone, or another index could be taken, of all that wait.
      SELECT told.*, o.status, o.user_id, o.code_id FROM told
        JOIN user_phone.outbox AS o ON o.message_id = told.message_id AND o.lease_token = told.lease_token
    ), settled AS (
      -- A report may have come in first, and has settled it as sent.
      UPDATE user_phone.outbox AS o
        SET status = 'sent', sealed = NULL, lease_token = NULL, reason = NULL, provider = held.provider,
          reference = held.reference, settled_at = coalesce(o.settled_at, now())
        FROM held
        WHERE o.message_id = held.message_id AND o.lease_token = held.lease_token AND held.status IN ('queued', 'sent')
        RETURNING held.*
    ), logged AS (
      UPDATE user_phone.users AS u
        SET sequence = u.sequence + 1, change_date = greatest(s.at, u.change_date), pending = CASE
            WHEN s.verification_id IS NOT NULL AND u.pending ->> '_tag' = 'ProviderCode'
              AND u.pending ->> 'codeId' = s.code_id::text
            THEN u.pending || jsonb_build_object('verificationId', s.verification_id) ELSE u.pending
          END
        FROM settled AS s
        WHERE s.status = 'queued' AND u.user_id = s.user_id AND s.code_id IS NOT NULL AND NOT u.removed
        RETURNING u.user_id, u.sequence, u.change_date, s.code_id, s.message_id, s.verification_id
    ), appended AS (
      INSERT INTO user_phone.events (user_id, sequence, type, at, data)
        SELECT user_id, sequence, 'user.human.phone.code.sent', change_date, jsonb_strip_nulls(jsonb_build_object(
          'codeId', code_id, 'messageId', message_id, 'verificationId', verification_id)) FROM logged
    )
    SELECT jsonb_agg(place IN (SELECT place FROM settled) ORDER BY place)
      INTO v_results FROM told;
    RETURN v_results;
  END $settle$`

  yield* sql`CREATE OR REPLACE FUNCTION user_phone.take_receipt(
    p_message_id uuid, p_receipt text, p_receipt_code text, p_at timestamptz
  ) RETURNS boolean LANGUAGE plpgsql AS $receipt$
  DECLARE
    v_message user_phone.outbox;
  BEGIN
    PERFORM 1 FROM user_phone.users
      WHERE user_id = (SELECT user_id FROM user_phone.outbox WHERE message_id = p_message_id) FOR UPDATE;
    SELECT * INTO v_message FROM user_phone.outbox WHERE message_id = p_message_id FOR UPDATE;
    IF v_message.message_id IS NULL OR v_message.status IN ('dead', 'dropped')
      OR v_message.receipt = 'delivered' OR (v_message.receipt IS NOT NULL AND p_receipt = 'failed')
      OR (v_message.status = 'queued' AND v_message.attempts = 0) THEN
      RETURN false;
    END IF;
    UPDATE user_phone.outbox SET receipt = p_receipt, receipt_code = p_receipt_code WHERE message_id = p_message_id;
    IF v_message.status = 'queued' THEN
      -- The lease stays: its worker may still settle, and finds it done.
      UPDATE user_phone.outbox SET status = 'sent', sealed = NULL, reason = NULL, settled_at = now()
        WHERE message_id = p_message_id;
      PERFORM user_phone.message_event(p_message_id, 'user.human.phone.code.sent', p_at, '{}');
    END IF;
    PERFORM user_phone.message_event(p_message_id,
      CASE p_receipt WHEN 'delivered' THEN 'user.human.phone.code.delivered' ELSE 'user.human.phone.code.undelivered' END,
      p_at, jsonb_strip_nulls(jsonb_build_object('code', p_receipt_code)));
    RETURN true;
  END $receipt$`

  yield* sql`CREATE OR REPLACE FUNCTION user_phone.remove_user(p_user_id text, p_at timestamptz)
  RETURNS boolean LANGUAGE plpgsql AS $remove$
  DECLARE
    v_user user_phone.users;
  BEGIN
    SELECT * INTO v_user FROM user_phone.users WHERE user_id = p_user_id AND NOT removed FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    IF v_user.phone IS NOT NULL THEN
      PERFORM user_phone.append_event(v_user, 'user.human.phone.removed', p_at, '{}');
    END IF;
    UPDATE user_phone.users SET removed = true, phone = NULL, phone_verified = false, pending = NULL
      WHERE user_id = p_user_id;
    UPDATE user_phone.outbox
      SET status = 'dropped', sealed = NULL, lease_token = NULL, reason = 'user removed', settled_at = now()
      WHERE user_id = p_user_id AND status = 'queued';
    RETURN true;
  END $remove$`
})

/** Creates the functions, or replaces older ones. */
export const install = Effect.all([epochMs, commitChanges, settleAndRemove], { discard: true })
