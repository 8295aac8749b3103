/**
 * The port through which the host tells which users exist. It has no HTTP route: users come from the host's own
 * sign-up, from `npm run users`, or from tokens.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { NotFound, Unavailable } from "./Errors.ts"
import { noGuesses } from "./Guesses.ts"
import type { OrganizationId, UserId } from "./UserId.ts"
import type { UserPhone } from "./UserPhone.ts"

/**
 * The id is taken, by a user or by one that was removed: ids are never used again.
 *
 * @category errors
 * @since 0.1.0
 */
export class UserAlreadyExists extends Schema.TaggedError<UserAlreadyExists>()("UserAlreadyExists", {}) {
  override get message() {
    return "a user with this id exists already, or existed and was removed"
  }
}

/**
 * A user as it is registered.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewUser {
  readonly userId: UserId
  readonly resourceOwner: OrganizationId
  readonly kind: "human" | "machine"
  readonly state: "initial" | "active"
  /** The preferred language as a BCP 47 tag; a text that is not a tag counts as not known. */
  readonly language?: string | undefined
}

/**
 * A language in the form in which it is kept; undefined for a text that cannot be a tag.
 *
 * @category conversions
 * @since 0.1.0
 */
export const languageOf = (language: string | undefined): string | undefined =>
  language !== undefined && /^[a-z0-9_-]{1,100}$/i.test(language) ? language : undefined

/**
 * The state of a user before anything has happened to its phone.
 *
 * @category models
 * @since 0.1.0
 */
export const stateOf = (user: NewUser): UserPhone => ({
  ...user,
  language: languageOf(user.language),
  sequence: 0n,
  changeDate: undefined,
  phone: undefined,
  pending: undefined,
  proven: undefined,
  guesses: noGuesses,
  wait: undefined
})

/**
 * Contract:
 *
 * - `register` adds a user with sequence 0 and no phone.
 * - `update` changes what is given and keeps the rest; it is no event and does not raise the sequence.
 * - `remove` takes the user's phone and pending code with it (as an event, if there was a phone) and drops its messages
 *   that are still queued; the log and the counts stay.
 * - `list` gives users that are not removed by ascending id, from the first after `after`, at most `limit`.
 *
 * @category services
 * @since 0.1.0
 */
export class Users extends Context.Service<Users, {
  readonly register: (user: NewUser) => Effect.Effect<void, UserAlreadyExists | Unavailable>
  readonly update: (
    userId: UserId,
    changes: Partial<Pick<NewUser, "resourceOwner" | "state" | "language">>
  ) => Effect.Effect<void, NotFound | Unavailable>
  readonly remove: (userId: UserId) => Effect.Effect<void, NotFound | Unavailable>
  readonly list: (options: {
    readonly after?: UserId | undefined
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<UserPhone>, Unavailable>
}>()("effect-user-phone/core/Users") {}
