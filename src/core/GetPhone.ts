/**
 * GetPhone: read a user's phone number, whether it is verified, and how far proving it has come. ZITADEL has no such
 * call. A user who has not finished signing up can be read too.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Access } from "./Access.ts"
import { Actor } from "./Actor.ts"
import type { InvalidArgument, NotFound, PermissionDenied, Unavailable } from "./Errors.ts"
import * as Authorization from "./internal/Authorization.ts"
import * as RequestShape from "./internal/RequestShape.ts"
import { inSpan } from "./internal/Span.ts"
import * as Limits from "./Limits.ts"
import { type Delivery, Outbox } from "./Outbox.ts"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { OrganizationId } from "./UserId.ts"
import type { UserPhone } from "./UserPhone.ts"
import type { UserStore } from "./UserStore.ts"

/**
 * Whose phone is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface GetPhoneRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
}

/**
 * The code that a user is expected to enter.
 *
 * @category models
 * @since 0.1.0
 */
export interface PendingCodeStatus {
  readonly expiresAt: DateTime.Utc
  /**
   * How many more wrong guesses will be checked now; undefined if guesses are not limited. Wrong guesses by others at
   * the same phone number may leave fewer.
   */
  readonly guessesLeft: number | undefined
  /** When the wait between codes allows the next one to be sent. Other limits may still refuse it. */
  readonly canResendAt: DateTime.Utc
  /** What is known of the message that carries it; undefined if the code was returned, or expired long ago. */
  readonly delivery: Delivery | undefined
}

/**
 * The number, whether it is verified, and how far proving it has come.
 *
 * @category models
 * @since 0.1.0
 */
export interface GetPhoneAnswer {
  readonly details: {
    /** The sequence of the user's last event, 0 before the first. */
    readonly sequence: bigint
    /** The time of that event. */
    readonly changeDate: DateTime.Utc | undefined
    readonly resourceOwner: OrganizationId
  }
  readonly phone: { readonly number: PhoneNumber; readonly verified: boolean } | undefined
  readonly pendingCode: PendingCodeStatus | undefined
  /** Whether wrong codes have switched verification off, until `UnlockPhoneVerification`. */
  readonly verificationOff: boolean
}

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type GetPhoneError = InvalidArgument | PermissionDenied | NotFound | Unavailable

/**
 * Reads a phone. Open to the user itself, and to a caller who holds `user.read` or `user.write` over the user. It
 * changes nothing.
 *
 * @category services
 * @since 0.1.0
 */
export class GetPhone extends Context.Service<GetPhone, {
  readonly getPhone: (request: GetPhoneRequest) => Effect.Effect<GetPhoneAnswer, GetPhoneError, Actor>
}>()("effect-user-phone/core/GetPhone") {}

const make = Effect.gen(function*() {
  const { admit, load } = yield* Authorization.make
  const outbox = yield* Outbox
  const limits = yield* Limits.Limits

  const statusOf = Effect.fnUntraced(function*({ guesses, pending, userId, wait }: UserPhone) {
    if (pending === undefined) return undefined
    const now = yield* DateTime.now
    const current = pending._tag === "OwnCode" ? pending.current : pending
    const dead = Limits.isOff(limits, guesses) || DateTime.isLessThanOrEqualTo(current.expiresAt, now) ||
      (pending._tag === "ProviderCode" && pending.dead !== undefined)
    const status: PendingCodeStatus = {
      expiresAt: current.expiresAt,
      guessesLeft: dead ? 0 : Limits.guessesLeft(limits, pending.wrongGuesses, guesses, now),
      canResendAt: DateTime.max(Limits.waitedUntil(limits, wait, now) ?? current.createdAt, current.createdAt),
      delivery: yield* outbox.delivery(userId, current.codeId)
    }
    return status
  })

  return GetPhone.of({
    getPhone: Effect.fnUntraced(function*({ userId: id }) {
      const userId = yield* RequestShape.checkUserId("GetPhoneRequest", id)
      const actor = yield* Actor
      yield* admit(actor, userId, "SelfOrReader")
      const user = yield* load(actor, userId, "SelfOrReader")
      const { changeDate, phone, resourceOwner, sequence } = user
      return {
        details: { sequence, changeDate, resourceOwner },
        phone,
        pendingCode: yield* statusOf(user),
        verificationOff: Limits.isOff(limits, user.guesses)
      }
    }, inSpan("GetPhone.getPhone"))
  })
})

/**
 * The operation over its ports.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<GetPhone, never, Access | UserStore | Outbox> = Layer.effect(GetPhone, make)
