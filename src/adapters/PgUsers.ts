/**
 * The users in PostgreSQL.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"
import { NotFound } from "../core/Errors.ts"
import { noGuesses } from "../core/Guesses.ts"
import type { UserId } from "../core/UserId.ts"
import { languageOf, type NewUser, UserAlreadyExists, Users } from "../core/Users.ts"
import { orUnavailable } from "./internal/PgFailure.ts"
import { userColumns, userOf, type UserRow } from "./internal/PgRows.ts"

/**
 * The users in PostgreSQL, over the schema that `PgMigrations` makes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Users, never, SqlClient.SqlClient> = Layer.effect(
  Users,
  Effect.gen(function*() {
    const sql = (yield* SqlClient.SqlClient).withoutTransforms()

    const insert = ({ kind, language, resourceOwner, state, userId }: NewUser) =>
      sql`INSERT INTO user_phone.users (user_id, resource_owner, kind, state, language, guesses)
        VALUES (${userId}, ${resourceOwner}, ${kind}, ${state}, ${languageOf(language) ?? null}, ${
        JSON.stringify(noGuesses)
      }::jsonb)
        ON CONFLICT (user_id) DO NOTHING RETURNING user_id`

    const change = (userId: UserId, { resourceOwner, state, ...rest }: Parameters<Users["Service"]["update"]>[1]) =>
      sql`UPDATE user_phone.users SET
          resource_owner = coalesce(${resourceOwner ?? null}, resource_owner),
          state = coalesce(${state ?? null}, state),
          language = CASE WHEN ${"language" in rest} THEN ${languageOf(rest.language) ?? null} ELSE language END
        WHERE user_id = ${userId} AND NOT removed RETURNING user_id`

    const remove = SqlSchema.findOne({
      Request: Schema.Struct({ userId: Schema.String, now: Schema.Date }),
      Result: Schema.Struct({ removed: Schema.Boolean }),
      execute: ({ now, userId }) => sql`SELECT user_phone.remove_user(${userId}, ${now}) AS removed`
    })

    const page = (after: string, limit: number) =>
      sql<UserRow>`SELECT ${sql.literal(userColumns)} FROM user_phone.users
        WHERE user_id > ${after} AND NOT removed ORDER BY user_id LIMIT ${limit}`

    return Users.of({
      register: Effect.fn("PgUsers.register")(function*(user) {
        const inserted = yield* orUnavailable(insert(user))
        if (inserted.length === 0) return yield* new UserAlreadyExists()
      }),
      update: Effect.fn("PgUsers.update")(function*(userId, changes) {
        const updated = yield* orUnavailable(change(userId, changes))
        if (updated.length === 0) return yield* new NotFound()
      }),
      remove: Effect.fn("PgUsers.remove")(function*(userId) {
        const now = DateTime.toDateUtc(yield* DateTime.now)
        const { removed } = yield* orUnavailable(remove({ userId, now }))
        if (!removed) return yield* new NotFound()
      }),
      list: Effect.fn("PgUsers.list")(function*({ after, limit }) {
        return yield* Effect.forEach(yield* page(after ?? "", limit), userOf)
      }, orUnavailable)
    })
  })
)
