/**
 * The port of a user's phone state. A store loads and commits; it decides nothing.
 *
 * A host with a users table of its own implements this port and runs the contract suite of `effect-user-phone/testing`
 * against it. Such a host implements `Users` and `Outbox` as well: they work on the same users, and `commit` queues the
 * messages that `Outbox` hands out.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type { Charge } from "./Counters.ts"
import type { Unavailable } from "./Errors.ts"
import type { OutboxMessage } from "./Outbox.ts"
import type { OrganizationId, UserId } from "./UserId.ts"
import type { UserPhone, UserPhoneEvent } from "./UserPhone.ts"

/**
 * What every successful call answers: the sequence and time of the last event that it appended, and the organisation
 * that owns the user.
 *
 * @category models
 * @since 0.1.0
 */
export interface Details {
  readonly sequence: bigint
  readonly changeDate: DateTime.Utc
  readonly resourceOwner: OrganizationId
}

/**
 * A request that its caller may repeat: remembered with its answer until `keptUntil`.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdempotentRequest {
  /** The keyed fingerprint of caller, operation, target user and the caller's key. */
  readonly scope: string
  /** The keyed fingerprint of what was asked for; another request under the same scope differs in it. */
  readonly request: string
  readonly keptUntil: DateTime.Utc
}

/**
 * The answer that was given to a request with an idempotency key.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordedAnswer {
  /** The fingerprint of the request that was answered. */
  readonly request: string
  readonly details: Details
}

/**
 * One change of one user, with all that has to be written with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Commit {
  readonly before: UserPhone
  readonly events: readonly [UserPhoneEvent, ...Array<UserPhoneEvent>]
  readonly after: UserPhone
  readonly messages: ReadonlyArray<OutboxMessage>
  readonly charges: ReadonlyArray<Charge>
  readonly idempotency?: IdempotentRequest | undefined
}

/**
 * How a commit ended. Anything but `Committed` has left no trace.
 *
 * - `Committed`: everything is written, durably.
 * - `LostRace`: the user is no longer as it was loaded.
 * - `LimitReached`: a counter has no room. If several have none, the answer names the one that will have room last, and
 *   when.
 * - `Replayed`: this idempotency scope has been answered before.
 *
 * @category models
 * @since 0.1.0
 */
export type CommitResult =
  | { readonly _tag: "Committed"; readonly details: Details }
  | { readonly _tag: "LostRace" }
  | { readonly _tag: "LimitReached"; readonly reason: string; readonly until: DateTime.Utc }
  | { readonly _tag: "Replayed"; readonly answer: RecordedAnswer }

/**
 * Contract:
 *
 * - `load` gives the latest committed state, or undefined for a user that is unknown or removed.
 * - `commit` is one atomic step, or nothing at all happens. It requires that the user's sequence, `resourceOwner` and
 *   `state` are still those of `before`, that the counters have room, and that the idempotency scope is new at the time
 *   of the last event. It then charges the counters (a charge that only checks leaves its counter as it is), appends
 *   the events, sets the state to `after` except for `language`, which only `Users` changes, and queues the messages.
 *   If there are several reasons not to commit, the answer is the first of `Replayed`, `LostRace`, `LimitReached`.
 * - `recall` gives the answer recorded under an idempotency scope that is still kept at `now`.
 * - `history` gives the user's events, oldest first, also those of a removed user.
 * - Two commits on one loaded state never both succeed, from any process.
 *
 * @category services
 * @since 0.1.0
 */
export class UserStore extends Context.Service<UserStore, {
  /**
   * Whether charges are counted. Limits by counters need a store that counts; a store that cannot count ignores
   * `charges`.
   */
  readonly counts: boolean
  readonly load: (userId: UserId) => Effect.Effect<UserPhone | undefined, Unavailable>
  readonly commit: (commit: Commit) => Effect.Effect<CommitResult, Unavailable>
  readonly history: (userId: UserId) => Effect.Effect<ReadonlyArray<UserPhoneEvent>, Unavailable>
  readonly recall: (scope: string, now: DateTime.Utc) => Effect.Effect<RecordedAnswer | undefined, Unavailable>
}>()("effect-user-phone/core/UserStore") {}
