/**
 * Verifies signed tokens (JWT) with jose: those of an OpenID Connect issuer by its published keys, or those signed with
 * a shared secret.
 *
 * A token names the actor by `sub`, its organisation by the claim `org`, and its permissions by the claim `grants`, an
 * object from organisation to a list of permissions: `{"acme": ["user.write"]}`.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyOptions, type JWTVerifyResult } from "jose"
import * as Actor from "../core/Actor.ts"
import { Unauthenticated, Unavailable } from "../core/Errors.ts"
import { inSpan } from "../core/internal/Span.ts"
import { TokenVerifier } from "../core/TokenVerifier.ts"
import { OrganizationId, UserId } from "../core/UserId.ts"

/**
 * Which tokens are accepted, and which of their claims hold what this module needs.
 *
 * @category options
 * @since 0.1.0
 */
export interface TokenOptions {
  /** The `iss` that a token must have. */
  readonly issuer: string
  /** The `aud` that a token must be for. */
  readonly audience: string
  /** The claim with the actor's organisation; `org` by default. */
  readonly organizationClaim?: string | undefined
  /** The claim with the actor's permissions by organisation; `grants` by default. */
  readonly grantsClaim?: string | undefined
}

/**
 * Tokens signed by an issuer whose public keys are at `jwksUrl`. Keys are cached for ten minutes, so that a short
 * outage of the issuer does not matter here, and fetched again when a token names a key that is not known. A token that
 * was found good is accepted for a minute without another check, unless it expires before.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerJwks = (options: TokenOptions & { readonly jwksUrl: URL }): Layer.Layer<TokenVerifier> =>
  Layer.sync(TokenVerifier, () => {
    const keys = createRemoteJWKSet(options.jwksUrl, { timeoutDuration: 5000, cacheMaxAge: 600_000 })
    return make(options, (token, checks) => jwtVerify(token, keys, { ...checks, algorithms: asymmetric }))
  })

/**
 * The secret is shorter than its signatures, so it could be found by trying all of them.
 *
 * @category errors
 * @since 0.1.0
 */
export class WeakSecret extends Schema.TaggedError<WeakSecret>()("WeakSecret", {}) {
  override get message() {
    return `token secret refused: it must be at least ${shortestSecret} bytes`
  }
}

const shortestSecret = 32

/**
 * Tokens signed with HMAC-SHA-256 and a secret of at least 32 bytes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSecret = (
  options: TokenOptions & { readonly secret: Redacted.Redacted<Uint8Array> }
): Layer.Layer<TokenVerifier, WeakSecret> =>
  Layer.effect(
    TokenVerifier,
    Effect.suspend(() => {
      const secret = Redacted.value(options.secret)
      return secret.length < shortestSecret ? Effect.fail(new WeakSecret()) : Effect.succeed(
        make(options, (token, checks) => jwtVerify(token, secret, { ...checks, algorithms: ["HS256"] }))
      )
    })
  )

/** Public-key algorithms only: with a symmetric one, anybody could sign with the public key. */
const asymmetric = ["EdDSA", "Ed25519", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]

const make = (
  { audience, grantsClaim = "grants", issuer, organizationClaim = "org" }: TokenOptions,
  check: (token: string, checks: JWTVerifyOptions) => Promise<JWTVerifyResult>
): TokenVerifier["Service"] => {
  const remembered = new Map<string, { readonly actor: Actor.Actor["Service"]; readonly until: number }>()

  const look = Effect.fnUntraced(function*(token: string, now: DateTime.Utc) {
    const { payload } = yield* Effect.tryPromise({
      try: () =>
        check(token, {
          issuer,
          audience,
          currentDate: DateTime.toDateUtc(now),
          clockTolerance: 2,
          requiredClaims: ["sub", "exp", organizationClaim]
        }),
      catch: (error) => ({ failed: failure(error), why: faultOf(error) })
    }).pipe(
      Effect.tapError(({ failed, why }) =>
        failed._tag === "Unauthenticated" ? logRefusal(why.fault, why.claim) : Effect.void
      ),
      Effect.mapError(({ failed }) => failed)
    )
    const actor = yield* decodeClaims({
      userId: payload.sub,
      organization: payload[organizationClaim],
      grants: payload[grantsClaim]
    }).pipe(
      Effect.map(actorOf),
      Effect.tapError(() => logRefusal("claims of another shape", `sub, ${organizationClaim} or ${grantsClaim}`)),
      Effect.mapError(() => new Unauthenticated({ reason: "TokenInvalid" }))
    )
    if (remembered.size >= rememberedTokens) remembered.clear()
    if (token.length <= rememberedLength) {
      remembered.set(token, { actor, until: Math.min(payload.exp! * 1000, now.epochMilliseconds + memory) })
    }
    return actor
  })

  return {
    verify: (redacted) =>
      Effect.flatMap(DateTime.now, (now) => {
        const token = Redacted.value(redacted)
        const known = remembered.get(token)
        return known !== undefined && now.epochMilliseconds < known.until
          ? Effect.succeed(known.actor)
          : look(token, now)
      }).pipe(inSpan("JoseTokenVerifier.verify"))
  }
}

/**
 * How long a good token is not checked again, in milliseconds. A withdrawn key stays good for that much longer than it
 * is cached.
 */
const memory = 60_000

/** How many tokens a process remembers, and up to which length: a few megabytes of them. */
const rememberedTokens = 4096
const rememberedLength = 4096

/** For whoever connects an issuer: callers are told only that their token is not good. */
const logRefusal = (reason: string, claim = "") => Effect.logDebug("a token is refused", reason, claim)

const faultOf = (error: unknown): { readonly fault: string; readonly claim?: string } => {
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
    return { fault: error.code, claim: error.claim }
  }
  return { fault: error instanceof errors.JOSEError ? error.code : "" }
}

/** Tells a token that is at fault from an issuer that cannot be reached. */
const failure = (error: unknown): Unauthenticated | Unavailable =>
  error instanceof errors.JOSEError && error.code !== "ERR_JWKS_TIMEOUT" && error.code !== "ERR_JOSE_GENERIC" &&
    error.code !== "ERR_JWKS_INVALID"
    ? new Unauthenticated({ reason: "TokenInvalid" })
    : new Unavailable({ cause: `the token issuer's keys ${isOfWeakKey(error) ? "are too weak" : "cannot be fetched"}` })

/** For an RSA key of fewer than 2048 bits, jose throws no error of its own. */
const isOfWeakKey = (error: unknown): boolean => error instanceof TypeError && error.message.includes("modulusLength")

const decodeClaims = Schema.decodeUnknownEffect(Schema.Struct({
  userId: UserId,
  organization: OrganizationId,
  grants: Schema.optional(Schema.Record(OrganizationId, Schema.Array(Schema.String)))
}))

const permissions: ReadonlySet<string> = new Set<Actor.Permission>(["user.read", "user.write"])

const isPermission = (text: string): text is Actor.Permission => permissions.has(text)

/** The actor of decoded claims; permissions that mean nothing here are left out. */
const actorOf = ({ grants = {}, ...claims }: Effect.Success<ReturnType<typeof decodeClaims>>) =>
  Actor.make({ ...claims, grants: Record.map(grants, (held) => held.filter(isPermission)) })
