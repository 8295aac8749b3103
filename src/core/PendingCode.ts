/**
 * What is kept of a code that a user is expected to enter. All of it is part of the aggregate (`UserPhone.ts`).
 */
import * as Schema from "effect/Schema"

/**
 * What is kept of a one-time code that we made: never the code itself.
 *
 * @category models
 * @since 0.1.0
 */
export const CodeRecord = Schema.Struct({
  codeId: Schema.String,
  /** The fingerprint of the number that the code proves; not necessarily the user's current one. */
  number: Schema.String,
  /** The keyed digest, base64url. */
  digest: Schema.String,
  /** The key that made the digest. */
  keyId: Schema.String,
  /** Whether it goes out by SMS, rather than back to the caller. */
  sent: Schema.Boolean,
  createdAt: Schema.DateTimeUtc,
  expiresAt: Schema.DateTimeUtc
})

/**
 * @category models
 * @since 0.1.0
 */
export type CodeRecord = typeof CodeRecord.Type

/**
 * Why a provider checks no more guesses at a code.
 *
 * @category models
 * @since 0.1.0
 */
export const Dead = Schema.Literals(["spent", "expired"])

/**
 * @category models
 * @since 0.1.0
 */
export type Dead = typeof Dead.Type

/**
 * The code that a user is expected to enter: our own, with the one before it while that is still accepted, or one that
 * a provider made and checks.
 *
 * @category models
 * @since 0.1.0
 */
export const PendingCode = Schema.TaggedUnion({
  OwnCode: {
    current: CodeRecord,
    previous: Schema.optionalKey(CodeRecord),
    /** How often a new code was asked for since the number was set. */
    resends: Schema.Natural,
    /** Wrong guesses on this code and the previous one together. */
    wrongGuesses: Schema.Natural
  },
  ProviderCode: {
    codeId: Schema.String,
    /** The fingerprint of the number that the code proves. */
    number: Schema.String,
    providerId: Schema.String,
    /** The provider's own id, once it has been asked for a code. */
    verificationId: Schema.optionalKey(Schema.String),
    createdAt: Schema.DateTimeUtc,
    expiresAt: Schema.DateTimeUtc,
    /** Attempts that were not right, including those whose outcome is not known. */
    wrongGuesses: Schema.Natural,
    /** Why the provider checks no more guesses at it, once it has said so. */
    dead: Schema.optionalKey(Dead)
  }
})

/**
 * @category models
 * @since 0.1.0
 */
export type PendingCode = typeof PendingCode.Type

/**
 * A pending code that a provider makes and checks.
 *
 * @category models
 * @since 0.1.0
 */
export type ProviderCode = Extract<PendingCode, { readonly _tag: "ProviderCode" }>

/**
 * The id of a pending code; of the newer one if two are accepted.
 *
 * @category getters
 * @since 0.1.0
 */
export const codeIdOf = (pending: PendingCode): string =>
  pending._tag === "OwnCode" ? pending.current.codeId : pending.codeId
