/**
 * The port of all keyed operations: digest and compare a code, seal and open a message, fingerprint a value. Nothing
 * else in this module holds a key.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { NoticeOf } from "./SmsNotifier.ts"
import type { UserId } from "./UserId.ts"

/**
 * A digest or message was made with a key that this process does not hold. Either the key was rotated away, or it has
 * not arrived here yet, so the digest or message may still be good elsewhere.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownKey extends Schema.TaggedError<UnknownKey>()("UnknownKey", { keyId: Schema.String }) {}

/**
 * A sealed message does not open, because it was changed or moved to another row. The error carries nothing, on
 * purpose.
 *
 * @category errors
 * @since 0.1.0
 */
export class SealBroken extends Schema.TaggedError<SealBroken>()("SealBroken", {}) {}

/**
 * What a code belongs to. A digest made for one of these never matches for another.
 *
 * @category models
 * @since 0.1.0
 */
export interface CodeBinding {
  readonly userId: UserId
  readonly number: PhoneNumber
  readonly codeId: string
}

/**
 * The readable part of a message.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageBody =
  | {
    readonly kind: "code"
    readonly recipient: PhoneNumber
    readonly language?: string | undefined
    /** Undefined where a provider makes the code. */
    readonly code?: Redacted.Redacted | undefined
  }
  | {
    readonly kind: "notice"
    readonly recipient: PhoneNumber
    readonly language?: string | undefined
    readonly change: NoticeOf
  }

/**
 * What a sealed message belongs to: it opens only with the same binding.
 *
 * @category models
 * @since 0.1.0
 */
export interface SealBinding {
  readonly messageId: string
  readonly userId: UserId
  readonly codeId: string | undefined
}

/**
 * Contract:
 *
 * - `digest` and `seal` use the current key and name it. `matches` and `open` use the key named in what they are given.
 * - `matches` takes the same time for every wrong code.
 * - `fingerprint` gives the same text for the same parts, from every process and through every rotation of the code
 *   keys. Fingerprints for different purposes have nothing in common.
 *
 * @category services
 * @since 0.1.0
 */
export class CodeVault extends Context.Service<CodeVault, {
  readonly digest: (
    code: Redacted.Redacted,
    binding: CodeBinding
  ) => Effect.Effect<{ readonly keyId: string; readonly digest: string }>
  readonly matches: (
    guess: Redacted.Redacted,
    made: { readonly keyId: string; readonly digest: string },
    binding: CodeBinding
  ) => Effect.Effect<boolean, UnknownKey>
  readonly seal: (
    body: MessageBody,
    binding: SealBinding
  ) => Effect.Effect<{ readonly keyId: string; readonly sealed: Uint8Array }>
  readonly open: (
    box: { readonly keyId: string; readonly sealed: Uint8Array },
    binding: SealBinding
  ) => Effect.Effect<MessageBody, UnknownKey | SealBroken>
  readonly fingerprint: (
    purpose: "number" | "idempotency-scope" | "idempotent-request" | "receipt",
    parts: ReadonlyArray<string>
  ) => Effect.Effect<string>
}>()("effect-user-phone/core/CodeVault") {}
