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
 * `commit_change` is `UserStore.commit` in one round trip: every check comes before the first write, under locks that are
 * taken in one order (user, then counters by name), so that what it refuses has left no trace and nothing deadlocks.
 */
const commitChange = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.commit_change(
    p_user_id text, p_before jsonb, p_after jsonb, p_events jsonb, p_messages jsonb, p_charges jsonb, p_idempotency jsonb
  ) RETURNS jsonb LANGUAGE plpgsql AS $commit$
  DECLARE
    v_user user_phone.users;
    v_answer user_phone.answers;
    v_charge record;
    v_until timestamptz;
    v_full_until timestamptz;
    v_full_reason text;
    v_last jsonb := p_events -> -1;
  BEGIN
    SELECT * INTO v_user FROM user_phone.users WHERE user_id = p_user_id FOR UPDATE;

    IF p_idempotency IS NOT NULL THEN
      SELECT * INTO v_answer FROM user_phone.answers
        WHERE scope = p_idempotency ->> 'scope' AND kept_until > (v_last ->> 'at')::timestamptz;
      IF FOUND THEN
        RETURN jsonb_build_object('tag', 'Replayed', 'request', v_answer.request,
          'sequence', v_answer.sequence::text, 'changeDate', user_phone.epoch_ms(v_answer.change_date),
          'resourceOwner', v_answer.resource_owner);
      END IF;
    END IF;

    IF v_user.user_id IS NULL OR v_user.removed
      OR v_user.sequence <> (p_before ->> 'sequence')::bigint
      OR v_user.resource_owner <> p_before ->> 'resourceOwner'
      OR v_user.state <> p_before ->> 'state' THEN
      RETURN jsonb_build_object('tag', 'LostRace');
    END IF;

    FOR v_charge IN SELECT DISTINCT c ->> 'counter' AS counter FROM jsonb_array_elements(p_charges) c ORDER BY 1 LOOP
      PERFORM pg_advisory_xact_lock(hashtextextended('user_phone:' || v_charge.counter, 0));
    END LOOP;
    FOR v_charge IN
      SELECT * FROM jsonb_to_recordset(p_charges) AS c (counter text, reason text, at timestamptz, windows jsonb, instead text)
      WHERE instead IS DISTINCT FROM 'refund'
    LOOP
      SELECT max(counters.times[w.max] + w.within * interval '1 millisecond') INTO v_until
        FROM user_phone.counters, jsonb_to_recordset(v_charge.windows) AS w (max integer, within double precision)
        WHERE counters.counter = v_charge.counter
          AND counters.times[w.max] + w.within * interval '1 millisecond' > v_charge.at;
      IF v_until > v_full_until OR v_full_until IS NULL THEN
        v_full_until := v_until;
        v_full_reason := v_charge.reason;
      END IF;
    END LOOP;
    IF v_full_until IS NOT NULL THEN
      RETURN jsonb_build_object('tag', 'LimitReached', 'reason', v_full_reason,
        'until', user_phone.epoch_ms(v_full_until));
    END IF;

    UPDATE user_phone.users SET
      sequence = (v_last ->> 'sequence')::bigint,
      change_date = (v_last ->> 'at')::timestamptz,
      phone = p_after ->> 'phone',
      phone_verified = (p_after ->> 'verified')::boolean,
      pending = nullif(p_after -> 'pending', 'null'),
      proven = p_after ->> 'proven',
      guesses = p_after -> 'guesses',
      wait = nullif(p_after -> 'wait', 'null')
    WHERE user_id = p_user_id;

    INSERT INTO user_phone.events (user_id, sequence, type, at, phone, data)
      SELECT p_user_id, sequence, type, at, phone, data
      FROM jsonb_to_recordset(p_events) AS e (sequence bigint, type text, at timestamptz, phone text, data jsonb);

    INSERT INTO user_phone.outbox
        (message_id, user_id, kind, route, code_id, key_id, sealed, created_at, expires_at, resends, due_at)
      SELECT message_id, p_user_id, kind, route, code_id, key_id, decode(sealed, 'base64'), created_at, expires_at, resends,
        created_at
      FROM jsonb_to_recordset(p_messages) AS m (message_id uuid, kind text, route text, code_id uuid, key_id text, sealed text,
        created_at timestamptz, expires_at timestamptz, resends integer);
    IF FOUND THEN PERFORM pg_notify('user_phone_outbox', ''); END IF;

    FOR v_charge IN
      SELECT * FROM jsonb_to_recordset(p_charges)
        AS c (counter text, at timestamptz, instead text, remembered integer, kept_until timestamptz)
      WHERE instead IS DISTINCT FROM 'check'
    LOOP
      IF v_charge.instead = 'refund' THEN
        UPDATE user_phone.counters SET
          times = times[:array_position(times, v_charge.at) - 1] || times[array_position(times, v_charge.at) + 1:]
          WHERE counter = v_charge.counter AND v_charge.at = ANY (times);
        CONTINUE;
      END IF;
      INSERT INTO user_phone.counters AS c (counter, times, kept_until)
        VALUES (v_charge.counter, ARRAY[v_charge.at], v_charge.kept_until)
        ON CONFLICT (counter) DO UPDATE SET
          times = (v_charge.at || c.times)[1:v_charge.remembered],
          kept_until = greatest(c.kept_until, v_charge.kept_until);
    END LOOP;

    IF p_idempotency IS NOT NULL THEN
      INSERT INTO user_phone.answers AS a (scope, request, sequence, change_date, resource_owner, kept_until)
        VALUES (p_idempotency ->> 'scope', p_idempotency ->> 'request', (v_last ->> 'sequence')::bigint,
          (v_last ->> 'at')::timestamptz, v_user.resource_owner, (p_idempotency ->> 'keptUntil')::timestamptz)
        ON CONFLICT (scope) DO UPDATE SET request = excluded.request, sequence = excluded.sequence,
          change_date = excluded.change_date, resource_owner = excluded.resource_owner,
          kept_until = excluded.kept_until;
    END IF;

    RETURN jsonb_build_object('tag', 'Committed');
  END $commit$`
})

/**
 * `commit_changes` commits what it can of several at once, and waits for nobody: where a user or a counter is in other hands it
 * answers `Busy`, and that change is to be made alone.
 */
const commitChanges = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.commit_changes(p_changes jsonb) RETURNS jsonb LANGUAGE plpgsql AS $commit$
  DECLARE
    v_locked text[];
    v_change jsonb;
    v_charge record;
    v_busy boolean;
    v_results jsonb := '[]';
  BEGIN
    SELECT coalesce(array_agg(user_id), '{}') INTO v_locked FROM (
      SELECT user_id FROM user_phone.users
      WHERE user_id = ANY (ARRAY(SELECT c ->> 'userId' FROM jsonb_array_elements(p_changes) AS c))
      FOR UPDATE SKIP LOCKED
    ) AS locked;
    FOR v_change IN SELECT * FROM jsonb_array_elements(p_changes) LOOP
      v_busy := v_change ->> 'userId' <> ALL (v_locked)
        AND EXISTS (SELECT FROM user_phone.users WHERE user_id = v_change ->> 'userId');
      IF NOT v_busy THEN
        FOR v_charge IN SELECT DISTINCT c ->> 'counter' AS counter FROM jsonb_array_elements(v_change -> 'charges') c LOOP
          v_busy := v_busy OR NOT pg_try_advisory_xact_lock(hashtextextended('user_phone:' || v_charge.counter, 0));
        END LOOP;
      END IF;
      v_results := v_results || CASE WHEN v_busy THEN '{"tag": "Busy"}'::jsonb ELSE user_phone.commit_change(
        v_change ->> 'userId', v_change -> 'before', v_change -> 'after', v_change -> 'events', v_change -> 'messages',
        v_change -> 'charges', nullif(v_change -> 'idempotency', 'null')) END;
    END LOOP;
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
    IF p_more ? 'verificationId' THEN
      UPDATE user_phone.users SET pending = pending || p_more
        WHERE user_id = v_user.user_id AND pending ->> '_tag' = 'ProviderCode' AND pending ->> 'codeId' = v_code_id::text;
    END IF;
  END $event$`

  yield* sql`DROP FUNCTION IF EXISTS user_phone.settle_sent(uuid, uuid, timestamptz, text)`
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.settle_sent(
    p_message_id uuid, p_lease_token uuid, p_at timestamptz, p_provider text, p_reference text, p_verification_id text
  ) RETURNS boolean LANGUAGE plpgsql AS $settle$
  BEGIN
    PERFORM 1 FROM user_phone.users
      WHERE user_id = (SELECT user_id FROM user_phone.outbox WHERE message_id = p_message_id) FOR UPDATE;
    -- A report may have come in first, and has settled it as sent.
    UPDATE user_phone.outbox
      SET lease_token = NULL, provider = p_provider, reference = p_reference
      WHERE message_id = p_message_id AND lease_token = p_lease_token AND status = 'sent';
    IF FOUND THEN RETURN true; END IF;
    UPDATE user_phone.outbox
      SET status = 'sent', sealed = NULL, lease_token = NULL, reason = NULL, provider = p_provider,
        reference = p_reference, settled_at = now()
      WHERE message_id = p_message_id AND lease_token = p_lease_token AND status = 'queued';
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM user_phone.message_event(p_message_id, 'user.human.phone.code.sent', p_at,
      jsonb_strip_nulls(jsonb_build_object('verificationId', p_verification_id)));
    RETURN true;
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
export const install = Effect.all([epochMs, commitChange, commitChanges, settleAndRemove], { discard: true })
