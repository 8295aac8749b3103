/**
 * The user store in PostgreSQL. What is loaded or committed at the same time goes in one round trip and one transaction: the
 * function of `PgCommitChanges`; one that has to wait for others goes alone.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import { type Charge, longest, remembered } from "../core/Counters.ts"
import type { OutboxMessage } from "../core/Outbox.ts"
import { OrganizationId, UserId } from "../core/UserId.ts"
import { type Commit, type CommitResult, UserStore } from "../core/UserStore.ts"
import * as Batch from "./internal/Batch.ts"
import { bounded, mapped, orUnavailable, statementTimeout } from "./internal/PgFailure.ts"
import { afterJson, eventJson, eventOf, EventRow, userColumns, userOf, UserRow } from "./internal/PgRows.ts"

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UserStore, never, SqlClient.SqlClient> = Layer.effect(
  UserStore,
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient

    const findUser = yield* Batch.make({
      patience: statementTimeout,
      ask: Effect.fnUntraced(function*(userIds: ReadonlyArray<UserId>) {
        const rows = yield* bounded(
          sql<{ readonly user_id: string }>`SELECT ${
            sql.literal(userColumns)
          } FROM user_phone.users_of(${userIds}::text[])`
        )
        const found = new Map(rows.map((row) => [row.user_id, row]))
        return userIds.map((userId) => {
          const row = found.get(userId)
          return row === undefined ? noUser : Effect.map(decodeUser(row), userOf)
        })
      })
    })

    const findEvents = SqlSchema.findAll({
      Request: UserId,
      Result: EventRow,
      execute: (userId) =>
        sql`SELECT sequence, type, at, phone, data FROM user_phone.events WHERE user_id = ${userId} ORDER BY sequence`
    })

    const findAnswer = SqlSchema.findOneOption({
      Request: Schema.Struct({ scope: Schema.String, now: Schema.Date }),
      Result: Schema.Struct({
        request: Schema.String,
        sequence: Schema.BigInt,
        changeDate: Schema.DateTimeUtcFromDate,
        resourceOwner: OrganizationId
      }),
      execute: ({ now, scope }) =>
        sql`SELECT request, sequence, change_date AS "changeDate", resource_owner AS "resourceOwner"
          FROM user_phone.answers WHERE scope = ${scope} AND kept_until > ${now}`
    })

    const commitAll = (changes: ReadonlyArray<Change>, { waits }: { readonly waits: boolean }) => {
      const all = `[${changes.map(({ json }) => json).join(",")}]`
      return sql<{ readonly results: ReadonlyArray<unknown> }>`
        SELECT user_phone.commit_changes(${all}::jsonb, ${waits}) AS results`
        .pipe(bounded, Effect.map(([row]) => row!.results))
    }

    const alone = (change: Change) =>
      Effect.flatMap(commitAll([change], { waits: true }), ([result]) => decodeOutcome(result))

    const commitTogether = yield* Batch.make({
      patience: statementTimeout,
      keyOf: ({ userId }: Change) => userId,
      ask: (changes) =>
        Effect.map(
          commitAll(changes, { waits: false }),
          (results) => results.map((result, index) => isBusy(result) ? alone(changes[index]!) : decodeOutcome(result))
        ).pipe(
          // One of them may be at fault.
          Effect.catchIf(
            (error) => changes.length > 1 && error._tag === "SqlError" && error.reason._tag !== "ConnectionError",
            () => Effect.succeed(changes.map(alone))
          )
        )
    })

    const commit = Effect.fnUntraced(function*(change: Commit) {
      const { userId } = change.before
      const json = JSON.stringify(yield* changeJson(change))
      return resultOf(change, yield* commitTogether({ userId, json }))
    })

    return UserStore.of({
      counts: true,
      load: (userId) => mapped(findUser(userId)).pipe(Effect.withSpan("PgUserStore.load", {}, span)),
      commit: (change) => mapped(commit(change)).pipe(Effect.withSpan("PgUserStore.commit", {}, span)),
      history: Effect.fn("PgUserStore.history")(function*(userId) {
        return yield* Effect.forEach(yield* findEvents(userId), eventOf)
      }, orUnavailable),
      recall: Effect.fn("PgUserStore.recall")(function*(scope, now) {
        return Option.getOrUndefined(
          Option.map(
            yield* findAnswer({ scope, now: DateTime.toDateUtc(now) }),
            ({ request, ...details }) => ({ request, details })
          )
        )
      }, orUnavailable)
    })
  })
)

/** Where it was called from tells nothing here, and costs more than the span. */
const span = { captureStackTrace: false }

const decodeUser = Schema.decodeUnknownEffect(UserRow)
const noUser = Effect.undefined

/** What `commit_changes` takes of one user. */
interface Change {
  readonly userId: UserId
  readonly json: string
}

const changeJson = Effect.fnUntraced(
  function*({ after, before, charges, events, idempotency, messages }: Commit) {
    const { at, sequence } = events[events.length - 1]!
    return {
      user_id: before.userId,
      before_sequence: String(before.sequence),
      resource_owner: before.resourceOwner,
      state: before.state,
      sequence: String(sequence),
      at: DateTime.formatIso(at),
      ...yield* afterJson(after),
      events: yield* Effect.forEach(events, eventJson),
      messages: messages.map(messageJson),
      charges: charges.map(chargeJson),
      idempotency: idempotency && { ...idempotency, keptUntil: DateTime.formatIso(idempotency.keptUntil) }
    }
  }
)

const Time = Schema.DateTimeUtcFromMillis

/** What `commit_changes` answers for each. */
const CommitOutcome = Schema.Union([
  Schema.Struct({ tag: Schema.Literal("Committed") }),
  Schema.Struct({ tag: Schema.Literal("LostRace") }),
  Schema.Struct({ tag: Schema.Literal("LimitReached"), reason: Schema.String, until: Time }),
  Schema.Struct({
    tag: Schema.Literal("Replayed"),
    request: Schema.String,
    sequence: Schema.BigIntFromString,
    changeDate: Time,
    resourceOwner: OrganizationId
  })
])

const decodeOutcome = Schema.decodeUnknownEffect(CommitOutcome)

const isBusy = (result: unknown): boolean => (result as { readonly tag: string }).tag === "Busy"

const resultOf = ({ after, events }: Commit, outcome: typeof CommitOutcome.Type): CommitResult => {
  switch (outcome.tag) {
    case "Committed": {
      const last = events[events.length - 1]!
      return {
        _tag: "Committed",
        details: { sequence: last.sequence, changeDate: last.at, resourceOwner: after.resourceOwner }
      }
    }
    case "LostRace":
      return { _tag: "LostRace" }
    case "LimitReached":
      return { _tag: "LimitReached", reason: outcome.reason, until: outcome.until }
    case "Replayed": {
      const { request, tag: _, ...details } = outcome
      return { _tag: "Replayed", answer: { request, details } }
    }
  }
}

const messageJson = (message: OutboxMessage) => ({
  message_id: message.messageId,
  kind: message.kind,
  route: message.route,
  code_id: message.codeId ?? null,
  key_id: message.keyId,
  sealed: Base64.encode(message.sealed),
  created_at: DateTime.formatIso(message.createdAt),
  expires_at: DateTime.formatIso(message.expiresAt),
  resends: message.resends
})

const chargeJson = (charge: Charge) => ({
  counter: charge.counter,
  reason: charge.reason,
  at: DateTime.formatIso(charge.at),
  windows: charge.windows.map(({ max, within }) => ({ max, within: Duration.toMillis(within) })),
  instead: charge.instead ?? null,
  remembered: remembered(charge),
  kept_until: DateTime.formatIso(DateTime.addDuration(charge.at, longest(charge)))
})
