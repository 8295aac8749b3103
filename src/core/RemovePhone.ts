/**
 * RemovePhone: remove a user's phone number, verified or not, and any pending code. If the number was verified, its
 * holder is told. What was counted against the user stays counted.
 */
import * as Context from "effect/Context"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import type { CodeVault } from "./CodeVault.ts"
import { decideRemove } from "./Decision.ts"
import type { InvalidArgument, NoPhone, NotFound, PermissionDenied, Unavailable, UserNotInitialized } from "./Errors.ts"
import * as OneTimeCode from "./internal/OneTimeCode.ts"
import * as PhoneCommand from "./internal/PhoneCommand.ts"
import * as RequestShape from "./internal/RequestShape.ts"
import { inSpan } from "./internal/Span.ts"
import type { LimitsRefused } from "./Limits.ts"
import { Notices } from "./Notices.ts"
import type { Details, UserStore } from "./UserStore.ts"

/**
 * Whose phone is removed.
 *
 * @category models
 * @since 0.1.0
 */
export interface RemovePhoneRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
}

/**
 * The event that records the removal.
 *
 * @category models
 * @since 0.1.0
 */
export interface RemovePhoneAnswer {
  readonly details: Details
}

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type RemovePhoneError =
  | InvalidArgument
  | PermissionDenied
  | NotFound
  | UserNotInitialized
  | NoPhone
  | Unavailable

/**
 * Removes a phone and any pending code. Open to the user itself, and to a caller who holds `user.write` over the user.
 * It has no idempotency key: if the answer was lost, GetPhone tells whether the phone is gone.
 *
 * @category services
 * @since 0.1.0
 */
export class RemovePhone extends Context.Service<RemovePhone, {
  readonly removePhone: (request: RemovePhoneRequest) => Effect.Effect<RemovePhoneAnswer, RemovePhoneError, Actor>
}>()("effect-user-phone/core/RemovePhone") {}

const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand.PhoneCommand
  const limits = yield* PhoneCommand.limitsInForce
  const notices = yield* Notices
  const { enclose } = yield* OneTimeCode.makeEnvelope

  const remove = Effect.fnUntraced(function*({ user }: PhoneCommand.Target) {
    const now = yield* DateTime.now
    const decision = yield* Effect.fromResult(decideRemove(user, { limits, notices, now }))
    return { details: yield* commands.append(decision, yield* enclose(decision, undefined, now)) }
  })

  return RemovePhone.of({
    removePhone: Effect.fnUntraced(function*({ userId: id }) {
      const userId = yield* RequestShape.checkUserId("RemovePhoneRequest", id)

      return yield* commands.onUser(userId, "SelfOrWriter", remove)
    }, inSpan("RemovePhone.removePhone"))
  })
})

/**
 * The operation over its ports.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  RemovePhone,
  LimitsRefused,
  Access | UserStore | CodeVault | SecureRandom.SecureRandom
> = Layer.effect(RemovePhone, make).pipe(Layer.provide(PhoneCommand.layer))
