/**
 * Bearer authentication over `TokenVerifier`. It runs before the body is read, so that a stranger learns nothing except
 * that a token is needed.
 */
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Actor } from "../core/Actor.ts"
import { Unauthenticated, type Unavailable } from "../core/Errors.ts"
import { TokenVerifier } from "../core/TokenVerifier.ts"
import { Authentication } from "./Authentication.ts"
import { errorResponse } from "./ErrorResponse.ts"

/**
 * Authentication by the `TokenVerifier` in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Authentication, never, TokenVerifier> = Layer.effect(
  Authentication,
  Effect.gen(function*() {
    const verifier = yield* TokenVerifier
    return Authentication.of({
      bearer: (httpEffect) =>
        HttpServerRequest.HttpServerRequest.pipe(
          Effect.flatMap((request) =>
            Effect.matchEffect(authenticate(verifier, request.headers["authorization"]), {
              onFailure: errorResponse,
              onSuccess: (actor) => Effect.provideService(httpEffect, Actor, actor)
            })
          ),
          // The answer is for this caller alone, and may hold a code.
          Effect.map(HttpServerResponse.setHeader("cache-control", "no-store"))
        )
    })
  })
)

/**
 * Tells who is calling, from the value of an `Authorization` header.
 *
 * @category constructors
 * @since 0.1.0
 */
export const authenticate = (
  verifier: TokenVerifier["Service"],
  header: string | undefined
): Effect.Effect<Actor["Service"], Unauthenticated | Unavailable> =>
  Effect.flatMapEager(bearerToken(header), verifier.verify)

/** The token of an `Authorization` header. */
const bearerToken = (header: string | undefined): Effect.Effect<Redacted.Redacted, Unauthenticated> => {
  if (header === undefined) return Effect.fail(new Unauthenticated({ reason: "TokenMissing" }))
  const [, token] = /^bearer +(\S+) *$/i.exec(header) ?? []
  return token === undefined
    ? Effect.fail(new Unauthenticated({ reason: "HeaderMalformed" }))
    : Effect.succeed(Redacted.make(token, { label: "token" }))
}
