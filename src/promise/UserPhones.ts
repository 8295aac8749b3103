/**
 * The operations as asynchronous functions: what goes in and what comes out.
 */
import type { Permission } from "../core/Actor.ts"
import type { CodeResponse, DetailsResponse, GetPhoneResponse } from "../http/PhoneApi.ts"

/**
 * Who is calling: a user or a service account, its own organisation, and its permissions by organisation, such as
 * `{ demo: ["user.write"] }`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Caller {
  readonly userId: string
  readonly organization: string
  readonly grants?: Readonly<Record<string, ReadonlyArray<Permission>>> | undefined
}

/**
 * Aborting rejects at once, with the signal's reason. What was committed by then stays, and a guess that a provider is
 * being asked about is still settled.
 *
 * @category options
 * @since 0.1.0
 */
export interface CallOptions {
  readonly signal?: AbortSignal | null | undefined
}

/**
 * The answer to `setPhone` and `resendPhoneCode`. It has `verificationCode` for `ReturnCode`, but not in a replay.
 *
 * @category models
 * @since 0.1.0
 */
export type CodeResult = typeof CodeResponse.Encoded & {
  /** Whether this answers a repeated request, which then changed nothing. */
  readonly replayed: boolean
}

/**
 * The answer to `verifyPhone`, `removePhone` and `unlockPhoneVerification`.
 *
 * @category models
 * @since 0.1.0
 */
export type DetailsResult = typeof DetailsResponse.Encoded

/**
 * The answer to `getPhone`.
 *
 * @category models
 * @since 0.1.0
 */
export type PhoneResult = typeof GetPhoneResponse.Encoded

/**
 * The operations on behalf of a caller. Each rejects with an error of `Errors`, or with the reason of `signal`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PhoneOperations {
  /** Sets a number, and sends a code to it unless `verification` says otherwise. */
  readonly setPhone: (request: {
    readonly userId: string
    /** The number as it was written: 1 to 200 code points. */
    readonly phone: string
    /** `SendCode` by default. */
    readonly verification?: "SendCode" | "ReturnCode" | "AlreadyVerified" | undefined
    /** Makes it safe to repeat the request for 24 hours: 1 to 255 visible ASCII characters. */
    readonly idempotencyKey?: string | undefined
  }, options?: CallOptions) => Promise<CodeResult>
  /** Proves the number with the code as it was typed: 1 to 20 code points. */
  readonly verifyPhone: (
    request: { readonly userId: string; readonly verificationCode: string },
    options?: CallOptions
  ) => Promise<DetailsResult>
  /** Makes a new code for the number; the one before it is accepted for another 60 seconds. */
  readonly resendPhoneCode: (request: {
    readonly userId: string
    /** `SendCode` by default. */
    readonly verification?: "SendCode" | "ReturnCode" | undefined
    readonly idempotencyKey?: string | undefined
  }, options?: CallOptions) => Promise<CodeResult>
  readonly removePhone: (request: { readonly userId: string }, options?: CallOptions) => Promise<DetailsResult>
  readonly getPhone: (request: { readonly userId: string }, options?: CallOptions) => Promise<PhoneResult>
  readonly unlockPhoneVerification: (
    request: { readonly userId: string },
    options?: CallOptions
  ) => Promise<DetailsResult>
}

/**
 * The users that the module knows. `register` rejects with `UserAlreadyExists` if the id is taken, even by a user that
 * was removed; `update` and `remove` reject with `NotFound` if there is no such user.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserRegistry {
  readonly register: (user: {
    readonly userId: string
    /** The organisation that owns the user. */
    readonly resourceOwner: string
    /** `human` by default; a machine has no phone. */
    readonly kind?: "human" | "machine" | undefined
    /** `active` by default; `initial` until the user has signed up. */
    readonly state?: "initial" | "active" | undefined
    /** The preferred language as a BCP 47 tag. */
    readonly language?: string | null | undefined
  }) => Promise<void>
  /** Changes what is given and keeps the rest; a language given as undefined or null counts as unknown from then on. */
  readonly update: (userId: string, changes: {
    readonly resourceOwner?: string | undefined
    readonly state?: "initial" | "active" | undefined
    readonly language?: string | null | undefined
  }) => Promise<void>
  /** Removes a user with its phone. */
  readonly remove: (userId: string) => Promise<void>
}

/**
 * The module for a host without Effect: the operations on behalf of a caller, and the users.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserPhones {
  /** The operations on behalf of this caller. Throws `InvalidArgument` if its ids or grants are of another shape. */
  readonly as: (caller: Caller) => PhoneOperations
  readonly users: UserRegistry
  /**
   * Takes no more calls, waits for those that run, and ends what the layer started, such as the worker, which first
   * finishes what it has in hand. What is shared through a `memoMap` goes on until the others have ended as well.
   */
  readonly close: () => Promise<void>
}
