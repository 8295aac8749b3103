/**
 * Who may do what to which user. The checks come in the order that tells a stranger least: a caller without any rights
 * does not learn which users exist; to a caller with rights elsewhere, a user that exists looks the same as one that
 * does not.
 */
import * as Effect from "effect/Effect"
import { Access } from "../Access.ts"
import type { Actor, Permission } from "../Actor.ts"
import { NotFound, PermissionDenied } from "../Errors.ts"
import type { UserId } from "../UserId.ts"
import type { UserPhone } from "../UserPhone.ts"
import { UserStore } from "../UserStore.ts"

/**
 * Who may call.
 *
 * - `SelfOrWriter`: the user itself, or a caller who holds `user.write` over the user.
 * - `Writer`: a caller who holds `user.write` over the user, even if the caller is that user.
 * - `OtherWriter`: a caller who holds `user.write` over the user and is not that user.
 * - `SelfOrReader`: the user itself, or a caller who holds `user.read` or `user.write` over the user.
 */
export type Who = "SelfOrWriter" | "Writer" | "OtherWriter" | "SelfOrReader"

export const make = Effect.gen(function*() {
  const access = yield* Access
  const store = yield* UserStore

  const anyOf = <E>(who: Who, holds: (permission: Permission) => Effect.Effect<boolean, E>) =>
    who === "SelfOrReader"
      ? Effect.flatMapEager(holds("user.write"), (writes) => writes ? Effect.succeed(true) : holds("user.read"))
      : holds("user.write")

  return {
    /** Refuses, before the user is looked up, a caller who cannot have the right, whoever the user is. */
    admit: Effect.fnUntracedEager(function*(actor: Actor["Service"], userId: UserId, who: Who) {
      const admitted = actor.userId === userId
        ? who !== "OtherWriter"
        : yield* anyOf(who, (permission) => access.holdsAnywhere(actor, permission))
      if (!admitted) return yield* new PermissionDenied()
    }),

    /** The user, if it exists and this caller may act on it. */
    load: Effect.fnUntraced(function*(actor: Actor["Service"], userId: UserId, who: Who) {
      const self = actor.userId === userId
      const user: UserPhone | undefined = yield* store.load(userId)
      if (user === undefined || user.kind === "machine") return yield* new NotFound()
      if (self && who !== "Writer") return user
      const holds = yield* anyOf(who, (permission) => access.holdsOver(actor, permission, user))
      if (!holds) return yield* self ? new PermissionDenied() : new NotFound()
      return user
    })
  }
})
