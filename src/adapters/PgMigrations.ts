/**
 * The tables in PostgreSQL and their changes in order, all in a schema of their own, `user_phone`, so that they can
 * stand beside a host's tables.
 *
 * Running the layer is safe on every start and by several processes at once.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as PgFunctions from "./internal/PgFunctions.ts"

const tables = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  yield* sql`CREATE TABLE user_phone.users (
    user_id text COLLATE "C" PRIMARY KEY,
    resource_owner text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('human', 'machine')),
    state text NOT NULL CHECK (state IN ('initial', 'active')),
    removed boolean NOT NULL DEFAULT false,
    language text,
    sequence bigint NOT NULL DEFAULT 0,
    change_date timestamptz,
    phone text,
    phone_verified boolean NOT NULL DEFAULT false,
    pending jsonb,
    guesses jsonb NOT NULL
  )`

  yield* sql`CREATE TABLE user_phone.events (
    user_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    phone text,
    data jsonb NOT NULL,
    PRIMARY KEY (user_id, sequence)
  )`

  yield* sql`CREATE TABLE user_phone.outbox (
    message_id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    code_id uuid,
    key_id text NOT NULL,
    sealed bytea,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    lease_token uuid,
    leased_until timestamptz,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sent', 'dead', 'dropped')),
    reason text,
    receipt text,
    settled_at timestamptz,
    CHECK ((status = 'queued') = (sealed IS NOT NULL))
  )`
  yield* sql`CREATE INDEX outbox_due ON user_phone.outbox (due_at) WHERE status = 'queued'`
  yield* sql`CREATE INDEX outbox_queued_of_user ON user_phone.outbox (user_id) WHERE status = 'queued'`

  yield* sql`CREATE TABLE user_phone.counters (
    counter text COLLATE "C" PRIMARY KEY,
    times timestamptz[] NOT NULL,
    kept_until timestamptz NOT NULL
  )`
  yield* sql`CREATE INDEX counters_kept_until ON user_phone.counters (kept_until)`

  yield* sql`CREATE TABLE user_phone.answers (
    scope text COLLATE "C" PRIMARY KEY,
    request text NOT NULL,
    sequence bigint NOT NULL,
    change_date timestamptz NOT NULL,
    resource_owner text NOT NULL,
    kept_until timestamptz NOT NULL
  )`
  yield* sql`CREATE INDEX answers_kept_until ON user_phone.answers (kept_until)`
})

/**
 * What proving a number and the limits on sending need to know of a user, and an index to find the message of a code.
 */
const proofAndWait = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE user_phone.users ADD COLUMN proven text, ADD COLUMN wait jsonb`
  yield* sql`UPDATE user_phone.events SET data = data || '{"proven": ""}' WHERE type = 'user.human.phone.verified'`
  yield* sql`UPDATE user_phone.events SET data = jsonb_set(data, '{pending,current,sent}', to_jsonb(data -> 'returned' = 'false'))
    WHERE type = 'user.human.phone.code.added'`
  yield* sql`UPDATE user_phone.users SET pending = jsonb_set(pending, '{current,sent}', 'true') WHERE pending IS NOT NULL`
  yield* sql`CREATE INDEX outbox_of_code ON user_phone.outbox (user_id, code_id)`
  yield* sql`CREATE INDEX outbox_settled ON user_phone.outbox (settled_at) WHERE status <> 'queued'`
})

/**
 * What delivery needs to know of a message: who took it, and what they reported about it. Messages that were put off
 * have an index of their own, so that they are in nobody's way, however many there are.
 */
const delivery = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE user_phone.outbox RENAME COLUMN receipt TO reference`
  yield* sql`ALTER TABLE user_phone.outbox
    ADD COLUMN resends integer NOT NULL DEFAULT 0, ADD COLUMN provider text,
    ADD COLUMN receipt text CHECK (receipt IN ('delivered', 'failed')), ADD COLUMN receipt_code text`
  yield* sql`DROP INDEX user_phone.outbox_due`
  yield* sql`CREATE INDEX outbox_fresh ON user_phone.outbox (created_at) WHERE status = 'queued' AND due_at <= created_at`
  yield* sql`CREATE INDEX outbox_put_off ON user_phone.outbox (due_at) WHERE status = 'queued' AND due_at > created_at`
  yield* sql`UPDATE user_phone.users SET pending = pending || '{"resends": 0}' WHERE pending ->> '_tag' = 'OwnCode'`
  yield* sql`UPDATE user_phone.events SET data = jsonb_set(data, '{pending,resends}', '0')
    WHERE type = 'user.human.phone.code.added' AND data #>> '{pending,_tag}' = 'OwnCode'`
})

/** Messages of each route in a queue of their own. */
const routes = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE user_phone.outbox ADD COLUMN route text COLLATE "C" NOT NULL DEFAULT 'sms'`
  yield* sql`UPDATE user_phone.outbox o SET route = 'verification/' || (u.pending ->> 'providerId') FROM user_phone.users u
    WHERE o.status = 'queued' AND u.user_id = o.user_id AND u.pending ->> '_tag' = 'ProviderCode'
      AND u.pending ->> 'codeId' = o.code_id::text`
  yield* sql`DROP INDEX IF EXISTS user_phone.outbox_fresh, user_phone.outbox_put_off`
  yield* sql`CREATE INDEX outbox_fresh ON user_phone.outbox (route, created_at)
    WHERE status = 'queued' AND due_at <= created_at`
  yield* sql`CREATE INDEX outbox_put_off ON user_phone.outbox (route, due_at) WHERE status = 'queued' AND due_at > created_at`
  yield* sql`CREATE INDEX outbox_expiring ON user_phone.outbox (expires_at) WHERE status = 'queued'`
})

/**
 * Keeps the cost of a change constant while tables grow. An update of a user or a claim of a message touches no index
 * if the page has room for the new row. Settled messages stay in the indexes of waiting ones until the next vacuum,
 * which by default would come only after a fifth of all kept messages had changed. The index `outbox_of_code` also
 * finds what is queued for a user.
 */
const growth = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE user_phone.users SET (fillfactor = 70)`
  yield* sql`ALTER TABLE user_phone.outbox SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)`
  yield* sql`DROP INDEX IF EXISTS user_phone.outbox_queued_of_user`
})

/** Gives attempts at providers' codes ids, and tells numbers that a host vouched for from those that a code proved. */
const attempts = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const attempted = "user.human.phone.verification.attempted"
  yield* sql`UPDATE user_phone.events SET data = data || jsonb_build_object('attemptId', sequence::text)
    WHERE type = ${attempted} AND NOT data ? 'attemptId'`
  // The outcome named the time of its attempt, or, if wrong, only that there was one: the latest, as far as anybody knows.
  yield* sql`UPDATE user_phone.events e SET data = (data - 'attemptedAt' - 'attempted') || jsonb_build_object('attemptId',
      coalesce((SELECT max(a.sequence)::text FROM user_phone.events a
        WHERE a.user_id = e.user_id AND a.type = ${attempted} AND a.sequence < e.sequence
          AND (e.data ? 'attempted' OR a.at = (e.data ->> 'attemptedAt')::timestamptz)), ''))
    WHERE data ? 'attemptedAt' OR data ? 'attempted'`
  yield* sql`UPDATE user_phone.users SET guesses = jsonb_set(guesses, '{unsettled}',
      (SELECT jsonb_agg('{"inRow": true}'::jsonb || one) FROM jsonb_array_elements(guesses -> 'unsettled') one))
    WHERE guesses ? 'unsettled'`
  // A host vouches for a number whose code it had returned, too: for the code of then, or the one before that.
  yield* sql`UPDATE user_phone.events e SET data = jsonb_set(data, '{proven}', to_jsonb('vouched/' || (data ->> 'proven')))
    WHERE type = 'user.human.phone.verified' AND data ->> 'proven' <> '' AND NOT starts_with(data ->> 'proven', 'vouched/')
      AND ((data ->> 'vouched')::boolean OR (
        SELECT 'false' IN (a.data #>> '{pending,current,sent}', a.data #>> '{pending,previous,sent}')
        FROM user_phone.events a WHERE a.user_id = e.user_id AND a.sequence < e.sequence
          AND a.type = 'user.human.phone.code.added' ORDER BY a.sequence DESC LIMIT 1))`
  yield* sql`UPDATE user_phone.users u SET proven = 'vouched/' || proven
    WHERE 'vouched/' || proven = (SELECT data ->> 'proven' FROM user_phone.events e
      WHERE e.user_id = u.user_id AND type = 'user.human.phone.verified' ORDER BY sequence DESC LIMIT 1)`
})

/** In order, and never changed once released. The newest one installs all functions in their present form. */
const migrations = {
  "0001_user_phone": tables,
  "0002_proof_and_wait": proofAndWait,
  "0003_delivery": delivery,
  "0004_group_commit": Effect.void,
  "0005_routes": routes,
  "0006_growth": growth,
  "0007_arrays": Effect.void,
  "0008_isolation": Effect.void,
  "0009_attempts": Effect.andThen(attempts, PgFunctions.install)
}

/** Refuses a schema of a newer version: its functions have been replaced, so single calls would fail. */
const refuseNewer = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const known = Object.keys(migrations).length
  const [row] = yield* sql<{ readonly newest: number }>`SELECT max(migration_id) AS newest FROM user_phone.migrations`
  if (row !== undefined && row.newest > known) {
    return yield* new Migrator.MigrationError({
      kind: "BadState",
      message:
        `the schema user_phone is of a newer version: it has migration ${row.newest}, and this one knows ${known}`
    })
  }
})

/**
 * Brings the schema up to date. It fails if the schema is of a newer version than this one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run: Effect.Effect<void, SqlError | Migrator.MigrationError, SqlClient.SqlClient> = Effect.gen(
  function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(Effect.gen(function*() {
      // A process that has waited for the lock has to see what was done under it, whatever the database's default.
      yield* sql`SET TRANSACTION ISOLATION LEVEL READ COMMITTED`
      // Several processes may start at once, and CREATE … IF NOT EXISTS is not safe against itself.
      yield* sql`SELECT pg_advisory_xact_lock(hashtextextended('user_phone:migrations', 0))`
      // Asked first, since a role that was given the schema may not be allowed to create one.
      const [schema] = yield* sql<
        { readonly exists: boolean }
      >`SELECT to_regnamespace('user_phone') IS NOT NULL AS exists`
      if (schema?.exists !== true) yield* sql`CREATE SCHEMA user_phone`
      yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: "user_phone.migrations" })
      yield* refuseNewer
    }))
  }
)

/**
 * Brings the schema up to date before whatever it is provided to.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, SqlError | Migrator.MigrationError, SqlClient.SqlClient> = Layer.effectDiscard(
  run
)
