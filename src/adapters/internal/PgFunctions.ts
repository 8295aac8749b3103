/**
 * The functions in PostgreSQL: what has to be one atomic step, in one round trip.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { declared, unnested } from "./PgColumns.ts"
import { byIndex, installCommitChanges } from "./PgCommitChanges.ts"
import { columns as sent } from "./PgSettlements.ts"

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
  yield* sql`DROP FUNCTION IF EXISTS user_phone.settle_sent(jsonb)`
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.settle_sent(${sql.literal(declared("sent", sent))})
  RETURNS boolean[] LANGUAGE plpgsql
  ${sql.literal(byIndex)}
  AS $settle$
  DECLARE
    v_results boolean[];
  BEGIN
    PERFORM 1 FROM user_phone.users WHERE user_id = ANY (p_sent_user_id) ORDER BY user_id FOR UPDATE;
    WITH told AS MATERIALIZED (
      SELECT message_id, lease_token, at, provider, reference, verification_id, place
        FROM ${sql.literal(unnested("sent", sent, "m", "place"))}
    ), held AS MATERIALIZED (
      SELECT told.*, o.status, o.user_id, o.code_id FROM told
        JOIN LATERAL (SELECT * FROM user_phone.outbox WHERE message_id = told.message_id OFFSET 0) AS o
          ON o.lease_token = told.lease_token
    ), settled AS (
      -- A report may have come in first, and has settled it as sent.
      UPDATE user_phone.outbox AS o
        SET status = 'sent', sealed = NULL, lease_token = NULL, reason = NULL, provider = held.provider,
          reference = held.reference, settled_at = coalesce(o.settled_at, now())
        FROM held
        WHERE o.message_id = held.message_id AND o.message_id = ANY (p_sent_message_id) AND o.lease_token = held.lease_token
          AND held.status IN ('queued', 'sent')
        RETURNING held.*
    ), logged AS (
      UPDATE user_phone.users AS u
        SET sequence = u.sequence + 1, change_date = greatest(s.at, u.change_date), pending = CASE
            WHEN s.verification_id IS NOT NULL AND u.pending ->> '_tag' = 'ProviderCode'
              AND u.pending ->> 'codeId' = s.code_id::text
            THEN u.pending || jsonb_build_object('verificationId', s.verification_id) ELSE u.pending
          END
        FROM settled AS s
        WHERE s.status = 'queued' AND u.user_id = s.user_id AND u.user_id = ANY (p_sent_user_id) AND s.code_id IS NOT NULL
          AND NOT u.removed
        RETURNING u.user_id, u.sequence, u.change_date, s.code_id, s.message_id, s.verification_id
    ), appended AS (
      INSERT INTO user_phone.events (user_id, sequence, type, at, data)
        SELECT user_id, sequence, 'user.human.phone.code.sent', change_date, jsonb_strip_nulls(jsonb_build_object(
          'codeId', code_id, 'messageId', message_id, 'verificationId', verification_id)) FROM logged
    )
    SELECT array_agg(place IN (SELECT place FROM settled) ORDER BY place)
      INTO v_results FROM told;
    RETURN v_results;
  END $settle$`

  yield* sql`CREATE OR REPLACE FUNCTION user_phone.take_receipt(
    p_message_id uuid, p_receipt text, p_receipt_code text, p_at timestamptz
  ) RETURNS boolean LANGUAGE plpgsql ${sql.literal(byIndex)} AS $receipt$
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
  RETURNS boolean LANGUAGE plpgsql ${sql.literal(byIndex)} AS $remove$
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

/** What is read for every request, and for every message. */
const usersAndClaims = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  yield* sql`CREATE OR REPLACE FUNCTION user_phone.users_of(p_user_ids text[]) RETURNS SETOF user_phone.users LANGUAGE plpgsql STABLE
  ${sql.literal(byIndex)}
  AS $users$
  BEGIN
    RETURN QUERY SELECT * FROM user_phone.users WHERE user_id = ANY (p_user_ids) AND NOT removed;
  END $users$`

  // A claim that is lost in a crash of the database is made again, like one whose worker dies. Settling flushes it as
  // well.
  yield* sql`CREATE OR REPLACE FUNCTION user_phone.claim_due(p_route text, p_now timestamptz, p_limit integer, p_lease_ms double precision)
  RETURNS TABLE (message_id uuid, user_id text, kind text, route text, code_id uuid, key_id text, sealed bytea,
    created_at timestamptz, expires_at timestamptz, resends integer, lease_token uuid, attempts integer,
    code_is_pending boolean, wrong_guesses integer) LANGUAGE plpgsql
  ${sql.literal(byIndex)}
  AS $claim$
  #variable_conflict use_column
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY WITH fresh AS (
        SELECT message_id, created_at FROM user_phone.outbox
        WHERE status = 'queued' AND due_at <= created_at AND created_at <= p_now AND route = p_route
          AND kind IN ('code', 'notice') AND (leased_until IS NULL OR leased_until <= now())
        ORDER BY created_at LIMIT p_limit FOR UPDATE SKIP LOCKED
      ), put_off AS (
        SELECT message_id, created_at FROM user_phone.outbox
        WHERE status = 'queued' AND due_at > created_at AND due_at <= p_now AND route = p_route
          AND kind IN ('code', 'notice') AND (leased_until IS NULL OR leased_until <= now())
        ORDER BY due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
      ), due AS (
        SELECT message_id FROM (SELECT * FROM fresh UNION ALL SELECT * FROM put_off) AS oldest ORDER BY created_at LIMIT p_limit
      ), claimed AS (
        UPDATE user_phone.outbox AS o
        SET attempts = attempts + 1, lease_token = gen_random_uuid(),
          leased_until = now() + p_lease_ms * interval '1 millisecond'
        WHERE o.message_id = ANY (ARRAY(SELECT message_id FROM due))
        RETURNING o.*
      )
      SELECT c.message_id, c.user_id, c.kind, c.route, c.code_id, c.key_id, c.sealed, c.created_at, c.expires_at, c.resends,
        c.lease_token, c.attempts - 1,
        coalesce(coalesce(u.pending -> 'current' ->> 'codeId', u.pending ->> 'codeId') = c.code_id::text, false),
        coalesce((u.pending ->> 'wrongGuesses')::integer, 0)
      FROM claimed AS c
      LEFT JOIN LATERAL (SELECT pending FROM user_phone.users WHERE user_id = c.user_id OFFSET 0) AS u ON true;
  END $claim$`
})

/** Creates the functions, or replaces older ones. */
export const install = Effect.all([installCommitChanges, settleAndRemove, usersAndClaims], { discard: true })
