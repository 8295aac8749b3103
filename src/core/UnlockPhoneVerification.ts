/**
 * UnlockPhoneVerification: let a user verify a phone again after many wrong codes in a row have switched that off. Only
 * somebody else who holds `user.write` over the user may do so. ZITADEL has no such call.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import { decideUnlock } from "./Decision.ts"
import type { InvalidArgument, NotFound, PermissionDenied, Unavailable, UserNotInitialized } from "./Errors.ts"
import * as PhoneCommand from "./internal/PhoneCommand.ts"
import * as RequestShape from "./internal/RequestShape.ts"
import { inSpan } from "./internal/Span.ts"
import type { Details, UserStore } from "./UserStore.ts"

/**
 * Whose verification is switched on again.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnlockPhoneVerificationRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
}

/**
 * The event that records the unlock.
 *
 * @category models
 * @since 0.1.0
 */
export interface UnlockPhoneVerificationAnswer {
  readonly details: Details
}

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type UnlockPhoneVerificationError =
  | InvalidArgument
  | PermissionDenied
  | NotFound
  | UserNotInitialized
  | Unavailable

/**
 * Ends the row of wrong guesses, whether or not it has switched verification off. Open to a caller who holds
 * `user.write` over the user and is not that user. Wrong guesses of the last day still count.
 *
 * @category services
 * @since 0.1.0
 */
export class UnlockPhoneVerification extends Context.Service<UnlockPhoneVerification, {
  readonly unlockPhoneVerification: (
    request: UnlockPhoneVerificationRequest
  ) => Effect.Effect<UnlockPhoneVerificationAnswer, UnlockPhoneVerificationError, Actor>
}>()("effect-user-phone/core/UnlockPhoneVerification") {}

const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand.PhoneCommand

  const unlock = Effect.fnUntraced(function*({ user }: PhoneCommand.Target) {
    const decision = decideUnlock(user, yield* DateTime.now)
    return { details: yield* commands.append(decision) }
  })

  return UnlockPhoneVerification.of({
    unlockPhoneVerification: Effect.fnUntraced(function*({ userId: id }) {
      const userId = yield* RequestShape.checkUserId("UnlockPhoneVerificationRequest", id)

      return yield* commands.onUser(userId, "OtherWriter", unlock)
    }, inSpan("UnlockPhoneVerification.unlockPhoneVerification"))
  })
})

/**
 * The operation over its ports.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UnlockPhoneVerification, never, Access | UserStore> = Layer.effect(
  UnlockPhoneVerification,
  make
).pipe(Layer.provide(PhoneCommand.layer))
