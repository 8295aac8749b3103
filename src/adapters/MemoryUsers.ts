/**
 * The users in memory.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NotFound } from "../core/Errors.ts"
import type { UserId } from "../core/UserId.ts"
import { languageOf, stateOf, UserAlreadyExists, Users } from "../core/Users.ts"
import { append, MemoryTables } from "./MemoryTables.ts"

/**
 * The users over tables in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Users, never, MemoryTables> = Layer.effect(
  Users,
  Effect.gen(function*() {
    const { outbox, users } = yield* MemoryTables

    const find = (userId: UserId) =>
      Effect.suspend(() => {
        const row = users.get(userId)
        return row === undefined || row.removed ? Effect.fail(new NotFound()) : Effect.succeed(row)
      })

    return Users.of({
      register: (user) =>
        Effect.suspend(() => {
          if (users.has(user.userId)) return Effect.fail(new UserAlreadyExists())
          users.set(user.userId, { state: stateOf(user), removed: false, events: [] })
          return Effect.void
        }),
      update: (userId, changes) =>
        Effect.map(find(userId), (row) => {
          const { resourceOwner = row.state.resourceOwner, state = row.state.state, ...rest } = changes
          const language = "language" in rest ? languageOf(rest.language) : row.state.language
          row.state = { ...row.state, resourceOwner, state, language }
        }),
      remove: Effect.fnUntraced(function*(userId) {
        const row = yield* find(userId)
        const now = yield* DateTime.now
        if (row.state.phone !== undefined) append(row, { type: "user.human.phone.removed" }, now)
        row.removed = true
        for (const [messageId, { message }] of outbox) {
          if (message.userId === userId) outbox.delete(messageId)
        }
      }),
      list: ({ after, limit }) =>
        Effect.sync(() =>
          Array.from(users.values())
            .filter((row) => !row.removed && (after === undefined || row.state.userId > after))
            .map((row) => row.state)
            .toSorted((a, b) => a.userId < b.userId ? -1 : 1)
            .slice(0, limit)
        )
    })
  })
)
