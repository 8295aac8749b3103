/**
 * The port of messages on their way out. They are written by `UserStore.commit` together with the change that they
 * belong to; a worker claims those that are due, hands them over and settles them.
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Unavailable } from "./Errors.ts"
import type { Receipt } from "./SmsNotifier.ts"
import type { UserId } from "./UserId.ts"

/**
 * What a message is for: to carry a code, or to tell the holder of a number that it was replaced or removed.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageKind = "code" | "notice"

/**
 * Who delivers a message: the notifier, or the verification provider of that id, which makes the code that it sends.
 * Each route has a queue of its own, so that a route that is down does not hold up the messages of another.
 *
 * @category models
 * @since 0.1.0
 */
export type Route = "sms" | `verification/${string}`

/**
 * The route of the codes that a provider makes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const routeOfProvider = (providerId: string): Route => `verification/${providerId}`

/**
 * A message as it is committed. Its text and its recipient are sealed; only the user whom it is about can be read.
 *
 * @category models
 * @since 0.1.0
 */
export interface OutboxMessage {
  readonly messageId: string
  readonly userId: UserId
  readonly kind: MessageKind
  readonly route: Route
  /** The code that the message carries, none for a notice. */
  readonly codeId: string | undefined
  /** The key that sealed it. */
  readonly keyId: string
  readonly sealed: Uint8Array
  readonly createdAt: DateTime.Utc
  /** When the message can no longer help, such as when its code expires. */
  readonly expiresAt: DateTime.Utc
  /** How often a new code was asked for before this one, since the number was set. */
  readonly resends: number
}

/**
 * A message in the hands of one worker until the lease ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClaimedMessage extends OutboxMessage {
  /** Proves the lease when the message is settled; a later claim makes a new one. */
  readonly leaseToken: string
  /** How often the message has been tried before; a claim that was released does not count. */
  readonly attempts: number
  /** For a code: whether it was still the newest pending one of its user at the claim. */
  readonly codeIsPending: boolean
  /** For a code that was: the wrong guesses at it. */
  readonly wrongGuesses: number
}

/**
 * How an attempt at a message ended.
 *
 * - `Sent`: a provider took it. For a code, the user's log gets `user.human.phone.code.sent` in the same step. Where
 *   the provider makes the code, the pending one gets `verificationId`.
 * - `Retry`: due again at `at`. `Released`: the same, and the attempt does not count.
 * - `Dead`: given up; `reason` says why. `Dropped`: no longer of use, so not sent.
 *
 * After all but `Retry` and `Released` the sealed body is wiped.
 *
 * @category models
 * @since 0.1.0
 */
export type Settlement =
  | {
    readonly _tag: "Sent"
    readonly at: DateTime.Utc
    readonly provider: string
    /** The provider's own id of the message. */
    readonly reference: string | undefined
    readonly verificationId?: string | undefined
  }
  | { readonly _tag: "Retry"; readonly at: DateTime.Utc; readonly reason: string }
  | { readonly _tag: "Released"; readonly at: DateTime.Utc; readonly reason: string }
  | { readonly _tag: "Dead"; readonly reason: string }
  | { readonly _tag: "Dropped"; readonly reason: string }

/**
 * What is known of a message's way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  /**
   * `queued` until it is settled for good. `sent`: a provider took it. `delivered`: the provider also reported that it
   * arrived. `failed`: it was given up, or the provider reported that it did not arrive. `dropped`: it was no longer of
   * use.
   */
  readonly state: "queued" | "sent" | "delivered" | "failed" | "dropped"
  /** How often the message was tried; a claim that was released does not count. */
  readonly attempts: number
  /** Why the message is tried again or has failed; never a provider's own words. */
  readonly reason: string | undefined
}

/**
 * Contract:
 *
 * - `claim` hands out messages of a route that are due, the oldest first, at most `limit`. While a lease lives, no
 *   other claim returns its message, from any process; after it, the message is due again.
 * - `settle` acts only for the latest lease on a message and answers whether it did. Once another worker has the
 *   message, or its user is removed, the worker that lost it changes nothing.
 * - `report` records what a provider says became of a message. The first report stands, except that a report of arrival
 *   replaces an earlier one of failure, as when one provider failed and the next delivered. If a worker has claimed the
 *   message and not settled it yet, the report settles it as sent. For a code, the user's log gets
 *   `user.human.phone.code.delivered` or `.undelivered` in the same step. A message that was never claimed, was given
 *   up or dropped, or is unknown stays as it is. `report` answers whether it recorded anything.
 * - `arrivals` tells that there may be messages to claim, soon after a commit by any process. It is only a hint: it
 *   does not announce retries, and may miss messages.
 * - `delivery` tells what is known of the message that carries a user's code, at least until that code expires;
 *   undefined if there is no such message.
 *
 * @category services
 * @since 0.1.0
 */
export class Outbox extends Context.Service<Outbox, {
  readonly claim: (options: {
    readonly route: Route
    readonly now: DateTime.Utc
    readonly limit: number
    readonly lease: Duration.Duration
  }) => Effect.Effect<ReadonlyArray<ClaimedMessage>, Unavailable>
  readonly settle: (message: ClaimedMessage, settlement: Settlement) => Effect.Effect<boolean, Unavailable>
  readonly report: (
    messageId: string,
    receipt: Receipt,
    at: DateTime.Utc
  ) => Effect.Effect<boolean, Unavailable>
  readonly arrivals: Stream.Stream<void, Unavailable>
  readonly delivery: (userId: UserId, codeId: string) => Effect.Effect<Delivery | undefined, Unavailable>
}>()("effect-user-phone/core/Outbox") {}
