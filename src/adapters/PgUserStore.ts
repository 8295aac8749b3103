/**
 * The user store in PostgreSQL. Loads that come at the same time share one round trip, and so do commits, in one
 * transaction by the function of `PgCommitChanges`. A commit that has to wait for others goes alone.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import { inSpan } from "../core/internal/Span.ts"
import { OrganizationId, UserId } from "../core/UserId.ts"
import { type Commit, type CommitResult, UserStore } from "../core/UserStore.ts"
import * as Batch from "./internal/Batch.ts"
import { parametersFor } from "./internal/PgChanges.ts"
import { consuming } from "./internal/PgColumns.ts"
import { commitChanges } from "./internal/PgCommitChanges.ts"
import { bounded, mapped, orEachAlone, orUnavailable, statementTimeout } from "./internal/PgFailure.ts"
import { eventOf, EventRow, userColumns, userOf, type UserRow } from "./internal/PgRows.ts"

/**
 * The user store in PostgreSQL, over the schema that `PgMigrations` makes. It counts charges, and commits together what
 * comes at the same time.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UserStore, never, SqlClient.SqlClient> = Layer.effect(
  UserStore,
  Effect.gen(function*() {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()

    const findUser = yield* Batch.make({
      patience: statementTimeout,
      ask: Effect.fnUntraced(function*(userIds: ReadonlyArray<UserId>) {
        const rows = yield* bounded(
          sql<UserRow>`SELECT ${sql.literal(userColumns)} FROM user_phone.users_of(${userIds}::text[])`
        )
        const found = new Map(rows.map((row) => [row.user_id, row]))
        return userIds.map((userId) => {
          const row = found.get(userId)
          return row === undefined ? noUser : userOf(row)
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

    const commitAll = (commits: ReadonlyArray<Commit>, { waits }: { readonly waits: boolean }) =>
      consuming(
        () => parametersFor(commits),
        (parameters) =>
          sql.unsafe<{ readonly outcomes: ReadonlyArray<unknown> | null }>(commitChanges, [waits, ...parameters]).pipe(
            bounded,
            Effect.map(([row]) => row!.outcomes)
          )
      )

    const outsideTransactions = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.updateContext(
        effect,
        (context: Context.Context<R>) => Context.omit(sql.transactionService)(context) as typeof context
      )

    // This runs in the caller's fiber, but must not run in a transaction that the caller may have open.
    const alone = (commit: Commit) =>
      Effect.flatMap(
        commitAll([commit], { waits: true }),
        (outcomes) => outcomes === null ? committed : decodeOutcome(outcomes[0])
      ).pipe(outsideTransactions)

    const commitTogether = yield* Batch.make({
      patience: statementTimeout,
      keyOf: ({ before }: Commit) => before.userId,
      ask: (commits) =>
        Effect.map(
          commitAll(commits, { waits: false }),
          (outcomes) =>
            commits.map((commit, index) => {
              if (outcomes === null) return committed
              return isBusy(outcomes[index]) ? alone(commit) : decodeOutcome(outcomes[index])
            })
        ).pipe(orEachAlone(commits, alone))
    })

    const commit = (commit: Commit) => Effect.map(commitTogether(commit), (outcome) => resultOf(commit, outcome))

    return UserStore.of({
      counts: true,
      load: (userId) => mapped(findUser(userId)).pipe(inSpan("PgUserStore.load")),
      commit: (change) => mapped(commit(change)).pipe(inSpan("PgUserStore.commit")),
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

const noUser = Effect.undefined

const Time = Schema.DateTimeUtcFromMillis

/** What `commit_changes` answers for each, unless all are committed. */
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
const committed = Effect.succeed({ tag: "Committed" } as const)

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
