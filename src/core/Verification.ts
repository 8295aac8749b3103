/**
 * What a caller wants done to prove a number, and what the answer then holds.
 */
import type * as Redacted from "effect/Redacted"
import type { Details } from "./UserStore.ts"

/**
 * What the caller wants done to prove a number: exactly one of three.
 *
 * - `SendCode`: a one-time code goes to the number by SMS.
 * - `ReturnCode`: the code is in the answer and the host delivers it; nothing is sent. Needs `user.write`.
 * - `AlreadyVerified`: the host vouches for the number; there is no code. Needs `user.write`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verification<Way extends string = "SendCode" | "ReturnCode" | "AlreadyVerified"> {
  readonly _tag: Way
}

/**
 * The answer to a call that may make a code.
 *
 * @category models
 * @since 0.1.0
 */
export interface CodeAnswer {
  readonly details: Details
  /** The code, for `ReturnCode`; a replay has none, since codes are not kept. */
  readonly verificationCode?: Redacted.Redacted | undefined
  /** Whether this answers a repeated request, which then changed nothing. */
  readonly replayed: boolean
}

/**
 * What is done by default.
 *
 * @category constants
 * @since 0.1.0
 */
export const sendCode: Verification<"SendCode"> = { _tag: "SendCode" }
