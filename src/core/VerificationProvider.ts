/**
 * The port of a provider that makes its own codes, sends them and checks them, such as Twilio Verify. Limits, log and
 * state stay here: a guess is counted before the provider is asked about it.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Unavailable } from "./Errors.ts"
import type { PhoneNumber } from "./PhoneNumber.ts"
import type { SmsNotSent } from "./SmsNotifier.ts"
import type { UserId } from "./UserId.ts"

/**
 * A provider's answer to a guess. After `expired` and `spent` it checks no more guesses until a new code is started.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckOutcome = "right" | "wrong" | "expired" | "spent"

/**
 * Contract:
 *
 * - `start` makes a code, sends it, and answers the provider's own id for it. Started again for the same number, it may
 *   send the same code again under the same id.
 * - Ids and the words of failures quote neither the number nor a code. What does is not kept for operators all the same.
 * - `check` answers `right` at most once. It has a timeout of its own: nothing else interrupts it, since its answer
 *   could not be asked for again.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerificationProvider {
  /** The provider's name, which is kept with every code that it makes, such as `twilio-verify`. */
  readonly id: string
  /** How long its codes are good for. */
  readonly lifetime: Duration.Duration
  readonly start: (request: {
    /** The same for every attempt at one message. */
    readonly messageId: string
    readonly userId: UserId
    readonly recipient: PhoneNumber
    /** The language that the user prefers as a BCP 47 tag, if known. */
    readonly language: string | undefined
  }) => Effect.Effect<{ readonly verificationId: string }, SmsNotSent>
  readonly check: (request: {
    readonly verificationId: string
    readonly recipient: PhoneNumber
    readonly guess: Redacted.Redacted
  }) => Effect.Effect<CheckOutcome, Unavailable>
}

/**
 * The provider that makes the codes that are sent; none by default: then codes are our own.
 *
 * @category references
 * @since 0.1.0
 */
export const VerificationProvider = Context.Reference<VerificationProvider | undefined>(
  "effect-user-phone/core/VerificationProvider",
  { defaultValue: () => undefined }
)
