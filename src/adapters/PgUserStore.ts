/**
 * The user store in PostgreSQL. What is loaded or committed at the same time goes in one round trip and one transaction: the
 * function `commit_changes` of `PgFunctions`, and `commit_change` for one that has to wait for others.
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
import { orUnavailable } from "./internal/PgFailure.ts"
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
      ask: Effect.fnUntraced(function*(userIds: ReadonlyArray<UserId>) {
        const rows = yield* sql<{ readonly user_id: string }>`SELECT ${sql.literal(userColumns)} FROM user_phone.users
          WHERE user_id = ANY (${userIds}::text[]) AND NOT removed`
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

    const commitAlone = SqlSchema.findOne({
      Request: Change,
      Result: Schema.Struct({ result: CommitOutcome }),
      execute: ({ after, before, charges, events, idempotency, messages, userId }) =>
        sql`SELECT user_phone.commit_change(${userId}, ${before}::jsonb, ${after}::jsonb, ${events}::jsonb,
          ${messages}::jsonb, ${charges}::jsonb, nullif(${idempotency}::jsonb, 'null')) AS result`
    })

    const alone = (change: typeof Change.Type) => Effect.map(commitAlone(change), ({ result }) => result)

    const commitTogether = yield* Batch.make({
      keyOf: ({ userId }: typeof Change.Type) => userId,
      ask: (changes) =>
        sql<{ readonly results: ReadonlyArray<unknown> }>`SELECT user_phone.commit_changes(${`[${
          changes.map(changeJson).join(",")
        }]`}::jsonb) AS results`.pipe(
          Effect.map(([row]) =>
            row!.results.map((result, index) => isBusy(result) ? alone(changes[index]!) : decodeOutcome(result))
          ),
          // One of them may be at fault.
          Effect.catchIf(
            ({ reason }) => changes.length > 1 && reason._tag !== "ConnectionError",
            () => Effect.succeed(changes.map(alone))
          )
        )
    })

    const commit = Effect.fnUntraced(function*(change: Commit) {
      const { after, before, charges, events, idempotency, messages } = change
      const outcome = yield* commitTogether({
        userId: before.userId,
        before: json({ sequence: String(before.sequence), resourceOwner: before.resourceOwner, state: before.state }),
        after: json(yield* afterJson(after)),
        events: json(yield* Effect.forEach(events, eventJson)),
        messages: json(messages.map(messageJson)),
        charges: json(charges.map(chargeJson)),
        idempotency: json(
          idempotency === undefined ? null : { ...idempotency, keptUntil: DateTime.formatIso(idempotency.keptUntil) }
        )
      })
      return resultOf(change, outcome)
    })

    return UserStore.of({
      counts: true,
      load: Effect.fn("PgUserStore.load")(function*(userId) {
        return yield* findUser(userId)
      }, orUnavailable),
      commit: Effect.fn("PgUserStore.commit")(commit, orUnavailable),
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

const decodeUser = Schema.decodeUnknownEffect(UserRow)
const noUser = Effect.undefined

/** A parameter as JSON text. */
const Json = Schema.String
const json = (value: unknown): typeof Json.Type => JSON.stringify(value)

/** What `commit_change` takes. */
const Change = Schema.Struct({
  userId: UserId,
  before: Json,
  after: Json,
  events: Json,
  messages: Json,
  charges: Json,
  idempotency: Json
})

/** As `commit_changes` takes it. */
const changeJson = ({ userId, ...parts }: typeof Change.Type): string =>
  `{"userId":${json(userId)},${Object.entries(parts).map(([name, text]) => `"${name}":${text}`).join(",")}}`

const Time = Schema.DateTimeUtcFromMillis

/** What `commit_change` answers. */
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
