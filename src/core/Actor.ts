/**
 * Who is calling. Every operation needs an `Actor` in its context: the host provides one per request, and the HTTP
 * layer makes it from the token.
 */
import * as Context from "effect/Context"
import { OrganizationId, UserId } from "./UserId.ts"

/**
 * A permission by ZITADEL's name. `user.write`: change any user of an organisation; `user.read`: see any.
 *
 * @category models
 * @since 0.1.0
 */
export type Permission = "user.read" | "user.write"

/**
 * The caller: a user or a service account, its own organisation, and what it may do in which organisation.
 *
 * @category services
 * @since 0.1.0
 */
export class Actor extends Context.Service<Actor, {
  readonly userId: UserId
  readonly organization: OrganizationId
  /** Permissions by the organisation that they were granted in. */
  readonly grants: ReadonlyMap<OrganizationId, ReadonlySet<Permission>>
}>()("effect-user-phone/core/Actor") {}

/**
 * Makes an actor from plain values, with its grants as lists of permissions by organisation. It throws when an id is
 * empty, longer than 200 code points, or no text that a database can store.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (actor: {
  readonly userId: string
  readonly organization: string
  readonly grants?: Readonly<Record<string, ReadonlyArray<Permission>>> | undefined
}): Actor["Service"] => ({
  userId: UserId.make(actor.userId),
  organization: OrganizationId.make(actor.organization),
  grants: new Map(
    Object.entries(actor.grants ?? {}).map(([organization, permissions]) => [
      OrganizationId.make(organization),
      new Set(permissions)
    ])
  )
})
