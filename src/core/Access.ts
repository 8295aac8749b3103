/**
 * The port that decides what an actor may do to users other than itself. What actors may do to themselves is a rule of
 * each operation, not of this port.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Actor, Permission } from "./Actor.ts"
import type { Unavailable } from "./Errors.ts"
import type { OrganizationId, UserId } from "./UserId.ts"

/**
 * Whether an actor may do something to a user. Every operation asks, before and after the user is looked up.
 *
 * @category services
 * @since 0.1.0
 */
export class Access extends Context.Service<Access, {
  /**
   * Whether the actor holds the permission anywhere at all. Asked before a user is looked up, so that a caller without
   * any rights learns nothing about which users exist.
   */
  readonly holdsAnywhere: (actor: Actor["Service"], permission: Permission) => Effect.Effect<boolean, Unavailable>
  /** Whether the actor holds the permission over this user. */
  readonly holdsOver: (
    actor: Actor["Service"],
    permission: Permission,
    user: { readonly userId: UserId; readonly resourceOwner: OrganizationId }
  ) => Effect.Effect<boolean, Unavailable>
}>()("effect-user-phone/core/Access") {}

/**
 * By the actor's grants: a permission holds over the users of the organisation that it was granted in.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Access> = Layer.succeed(Access, {
  holdsAnywhere: (actor, permission) =>
    Effect.succeed(Array.from(actor.grants.values()).some((permissions) => permissions.has(permission))),
  holdsOver: (actor, permission, user) => Effect.succeed(actor.grants.get(user.resourceOwner)?.has(permission) ?? false)
})

/**
 * Every actor may do everything: for a host that has decided before it calls.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAllowAll: Layer.Layer<Access> = Layer.succeed(Access, {
  holdsAnywhere: () => Effect.succeed(true),
  holdsOver: () => Effect.succeed(true)
})
