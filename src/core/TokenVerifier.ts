/**
 * The port that tells whose token a bearer token is. It only authenticates; `Access` says what the actor may do.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Actor } from "./Actor.ts"
import type { Unauthenticated, Unavailable } from "./Errors.ts"
import type { UserId } from "./UserId.ts"
import { Users } from "./Users.ts"

/**
 * Tells whose token a bearer token is.
 *
 * @category services
 * @since 0.1.0
 */
export class TokenVerifier extends Context.Service<TokenVerifier, {
  /** The actor of a token that is genuine and in force, else `Unauthenticated` with the reason `TokenInvalid`. */
  readonly verify: (token: Redacted.Redacted) => Effect.Effect<Actor["Service"], Unauthenticated | Unavailable>
}>()("effect-user-phone/core/TokenVerifier") {}

/**
 * Registers the subject of a verified token as an active human user of its organisation when it is not known yet.
 *
 * For deployments whose users are created elsewhere. A user that was removed stays removed.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRegisteringUsers: Layer.Layer<TokenVerifier, never, TokenVerifier | Users> = Layer.effect(
  TokenVerifier,
  Effect.gen(function*() {
    const inner = yield* TokenVerifier
    const users = yield* Users
    const known = new Set<UserId>()
    return TokenVerifier.of({
      verify: Effect.fn("TokenVerifier.verify")(function*(token) {
        const actor = yield* inner.verify(token)
        if (known.has(actor.userId)) return actor
        yield* users.register({
          userId: actor.userId,
          resourceOwner: actor.organization,
          kind: "human",
          state: "active"
        }).pipe(Effect.catchTag("UserAlreadyExists", () => Effect.void))
        if (known.size >= rememberedUsers) known.clear()
        known.add(actor.userId)
        return actor
      })
    })
  })
)

/** How many users a process remembers as registered, so that each token does not cost a query. */
const rememberedUsers = 100_000
