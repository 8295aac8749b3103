/**
 * An SMS provider as an asynchronous function, for hosts that are not written with Effect.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as OncePerMinute from "../core/internal/OncePerMinute.ts"
import { kindOf } from "../core/internal/Printable.ts"
import * as Notifier from "../core/SmsNotifier.ts"
import { refuse } from "./internal/Options.ts"

/**
 * A message to hand over.
 *
 * @category models
 * @since 0.1.0
 */
export interface OutgoingSms {
  /** The same for every attempt at one message: the idempotency key for a provider that takes one. */
  readonly messageId: string
  readonly userId: string
  /** In E.164 form, such as `+41791234567`. */
  readonly recipient: string
  readonly text: string
  /** Undefined for a notice. */
  readonly code: string | undefined
  /** As a BCP 47 tag, if known. */
  readonly language: string | undefined
  /** When the message can no longer help. */
  readonly expiresAt: Date
  /** How often a code was asked for again before this one. */
  readonly resends: number
}

/**
 * Resolves once the provider has taken the message, with the provider's own id for it if there is one. It rejects with
 * `SmsFailed`; after any other error, of which the kind is logged once a minute, the message is tried again. It should
 * stop when the signal says so.
 *
 * @category models
 * @since 0.1.0
 */
export type Send = (
  sms: OutgoingSms,
  signal: AbortSignal
) => Promise<{ readonly reference?: string | number | undefined } | void>

/**
 * Why a message was not taken.
 *
 * - `transient`, `throttled`: it is tried again, not before `retryAfterSeconds`.
 * - `permanent`, `opted-out`, `destination-refused`: it is given up.
 * - `account-refused`: the provider takes nothing of this account, which is logged as an error; it is tried again.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure =
  | "transient"
  | "throttled"
  | "permanent"
  | "opted-out"
  | "destination-refused"
  | "account-refused"

/**
 * A message was not taken. `code` is the provider's error code or a word for it; never the number or the text.
 *
 * @category errors
 * @since 0.1.0
 */
export class SmsFailed extends Error {
  override readonly name = "SmsFailed"
  readonly failure: Failure
  readonly code: string
  readonly retryAfterSeconds: number | undefined

  constructor(
    failure: Failure,
    { code, retryAfterSeconds }: {
      readonly code?: string | number | undefined
      readonly retryAfterSeconds?: number | undefined
    } = {}
  ) {
    super(`SMS not sent: ${failure}`)
    this.failure = failure
    // In JavaScript the code may be anything, such as a number from the provider's JSON.
    this.code = String(code ?? failure)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * The notifier over such a function; `provider` is its name in the log and the outbox. Throws if either is of another
 * type.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (provider: string, send: Send): Layer.Layer<Notifier.SmsNotifier> => {
  if (typeof provider !== "string" || provider === "") refuse("provider", "must be given, as a text")
  if (typeof send !== "function") refuse("send", "must be a function")
  const bugOnce = OncePerMinute.make()
  return Layer.succeed(Notifier.SmsNotifier, {
    send: (sms) =>
      Effect.tryPromise({
        // This way a function that throws before it returns a promise rejects as well.
        try: (signal) => Promise.resolve().then(() => send(outgoing(sms), signal)),
        catch: (error) => ({ reason: reasonOf(error), bug: bugOf(error) })
      }).pipe(
        Effect.tapError(({ bug }) => bug === undefined ? Effect.void : bugOnce(logBug(provider, bug))),
        Effect.mapBoth({
          onFailure: ({ reason }) => new Notifier.SmsNotSent({ reason }),
          onSuccess: (taken) => ({ provider, reference: textOf(taken?.reference) })
        })
      ),
    receipts: new Map()
  })
}

const logBug = (provider: string, kind: string) =>
  Effect.logError(`the function that sends SMS by ${provider} threw something other than SmsFailed`, kind)

/** The kind of an error that is none of a provider's. What it says is told to nobody, since it may quote the message. */
const bugOf = (error: unknown): string | undefined => error instanceof SmsFailed ? undefined : kindOf(error)

/** The id may be a number, as with some providers. */
const textOf = (reference: unknown): string | undefined =>
  reference === undefined || reference === null ? undefined : String(reference)

const outgoing = (
  { content, expiresAt, language, messageId, recipient, resends, text, userId }: Notifier.Sms
): OutgoingSms => ({
  messageId,
  userId,
  recipient: Redacted.value(recipient),
  text: Redacted.value(text),
  code: content.kind === "code" ? Redacted.value(content.code) : undefined,
  language,
  expiresAt: DateTime.toDateUtc(expiresAt),
  resends
})

/** Nothing is kept of any other error, since it may quote the message. */
const reasonOf = (error: unknown): Notifier.SmsNotSent["reason"] => {
  if (!(error instanceof SmsFailed)) return new Notifier.Transient({ cause: "the function threw" })
  const { code, failure, retryAfterSeconds } = error
  const wait = Number.isFinite(retryAfterSeconds) ? { retryAfter: Duration.seconds(retryAfterSeconds!) } : {}
  switch (failure) {
    case "throttled":
      return new Notifier.Throttled(wait)
    case "permanent":
      return new Notifier.Permanent({ code })
    case "opted-out":
      return new Notifier.OptedOut()
    case "destination-refused":
      return new Notifier.DestinationRefused({ code })
    case "account-refused":
      return new Notifier.AccountRefused({ code })
    default:
      return new Notifier.Transient({ cause: code, ...wait })
  }
}
