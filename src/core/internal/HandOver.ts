/**
 * What happens to one message: it is claimed, opened, rendered, handed over and settled.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { CodeVault, type MessageBody } from "../CodeVault.ts"
import * as Limits from "../Limits.ts"
import { type ClaimedMessage, Outbox, type Route, routeOfProvider, type Settlement } from "../Outbox.ts"
import {
  AccountRefused,
  DestinationRefused,
  Permanent,
  type Receipt,
  type SmsContent,
  SmsNotifier,
  SmsNotSent
} from "../SmsNotifier.ts"
import { SmsText, type SmsTextInput } from "../SmsText.ts"
import { VerificationProvider } from "../VerificationProvider.ts"
import * as OncePerMinute from "./OncePerMinute.ts"
import { keepable, kindOf, type Tell, tellOf } from "./Printable.ts"
import * as ReceiptId from "./ReceiptId.ts"
import { inSpan } from "./Span.ts"

/** A message that was handed over, and what is known of it already. */
type Sent = Extract<Settlement, { readonly _tag: "Sent" }> & { readonly receipt?: Receipt | undefined }

type Settled = Exclude<Settlement, { readonly _tag: "Sent" }> | Sent

/** How an attempt ended: settled, or not begun because nobody takes messages before `until`. */
export type Outcome = Settled | { readonly _tag: "Paused"; readonly until: DateTime.Utc }

export type HandOver = Effect.Success<ReturnType<typeof make>>

export const make = Effect.fnUntraced(function*(lease: Duration.Duration) {
  const outbox = yield* Outbox
  const vault = yield* CodeVault
  const text = yield* SmsText
  const notifier = yield* SmsNotifier
  const limits = yield* Limits.Limits
  const provider = yield* VerificationProvider
  const providerRoute = provider && routeOfProvider(provider.id)
  const receiptIds = yield* ReceiptId.make

  const handOver = Effect.fnUntraced(function*(message: ClaimedMessage) {
    const now = yield* DateTime.now
    const { codeIsPending, expiresAt, kind, messageId, resends, route, userId, wrongGuesses } = message
    if (!DateTime.isGreaterThan(expiresAt, now)) return dropped(expired)
    if (kind === "code" && !codeIsPending) return dropped("no longer pending")
    if (kind === "code" && Limits.isSpent(limits, wrongGuesses)) return dropped("spent")
    const body = yield* vault.open(message, message)
    const { language, recipient } = body
    const told = tellOf({ recipient, code: body.kind === "code" ? body.code : undefined })

    if (provider !== undefined && route === providerRoute) {
      const started = provider.start({ messageId, userId, recipient, language })
      const { verificationId } = yield* Effect.mapError(started, (error) => withoutQuotes(error, told))
      const reference = told(verificationId)
      return { _tag: "Sent", at: yield* DateTime.now, provider: provider.id, reference, verificationId } as const
    }
    const content = contentOf(body)
    if (content === undefined) return { _tag: "Dead", reason: "no code" } as const
    const handed = yield* notifier.send({
      messageId,
      userId,
      recipient,
      text: yield* text.render(textInput(content, language, DateTime.distance(now, expiresAt))),
      content,
      language,
      expiresAt,
      resends,
      receiptId: yield* receiptIds.of(messageId)
    }).pipe(Effect.mapError((error) => withoutQuotes(error, told)))
    const sent: Sent = {
      _tag: "Sent",
      at: yield* DateTime.now,
      provider: told(handed.provider),
      reference: handed.reference && told(handed.reference),
      ...(handed.receipt && { receipt: keepable(handed.receipt, told) })
    }
    return sent
  })

  const attempt = (message: ClaimedMessage): Effect.Effect<Outcome> =>
    handOver(message).pipe(
      Effect.timeout(Duration.times(lease, 0.5)),
      Effect.catchTags({
        SmsNotSent: (error) => afterFailure(message, error),
        TimeoutError: () => retry(message, "timeout"),
        // Another process may hold the key, so the message is not given up for that before its code expires.
        UnknownKey: () => release("unknown key", keyPause),
        SealBroken: () => Effect.succeed({ _tag: "Dead", reason: "seal broken" } as const)
      }),
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterruptsOnly(cause),
        (cause) => Effect.andThen(logBug(message, Cause.squash(cause)), retry(message, "bug"))
      )
    )

  /**
   * Settles a message, and tries again until the lease is over: until then the message belongs to this worker, and
   * nobody else has sent it. Only the waits in between can be interrupted.
   */
  const settle = (message: ClaimedMessage, settlement: Settled, leasedUntil: DateTime.Utc) => {
    const once = Effect.uninterruptible(
      outbox.settle(message, settlement).pipe(
        Effect.tap(() =>
          settlement._tag === "Sent" && settlement.receipt !== undefined
            ? outbox.report(message.messageId, settlement.receipt, settlement.at)
            : Effect.void
        )
      )
    )
    const again = Effect.retry(Effect.delay(once, settlingPause), {
      while: () => Effect.map(DateTime.now, (now) => DateTime.isLessThan(now, leasedUntil))
    })
    return once.pipe(
      Effect.catch(() => Effect.interruptible(again)),
      Effect.flatMap((settled) =>
        settled ? Effect.void : Effect.logWarning("an SMS lost its lease before it was settled", message.messageId)
      ),
      Effect.catchCause(() => Effect.logError("an SMS could not be settled", message.messageId))
    )
  }

  const refusalOnce = OncePerMinute.make()

  /** Logs what an operator has to know about the end of an attempt. */
  const logEnd = ({ messageId }: ClaimedMessage, outcome: Outcome): Effect.Effect<void> => {
    switch (outcome._tag) {
      case "Dead":
        return Effect.logError("an SMS is given up", outcome.reason, messageId)
      case "Dropped":
        return outcome.reason === expired
          ? Effect.logWarning("an SMS has expired before it could be sent", messageId)
          : Effect.void
      case "Retry":
        return outcome.reason.startsWith(accountRefused) ? refusalOnce(logRefusal(outcome.reason)) : Effect.void
      default:
        return Effect.void
    }
  }

  const routes: ReadonlyArray<Route> = providerRoute === undefined ? ["sms"] : ["sms", providerRoute]

  return {
    /** The routes whose messages can be handed over here. */
    routes,

    claim: (route: Route, limit: number) =>
      Effect.flatMap(DateTime.now, (now) => outbox.claim({ route, now, limit, lease })),

    handle: Effect.fnUntraced(function*(message: ClaimedMessage) {
      yield* Effect.annotateCurrentSpan({ messageId: message.messageId, attempts: message.attempts })
      const leasedUntil = DateTime.addDuration(yield* DateTime.now, lease)
      // A hand-over may be interrupted; its outcome is settled all the same.
      return yield* Effect.uninterruptibleMask((restore) =>
        restore(attempt(message)).pipe(
          // The provider may have it already, and report on it.
          Effect.catchCause(() =>
            Effect.map(DateTime.now, (at) => ({ _tag: "Retry", at, reason: "shutdown" } as const))
          ),
          Effect.tap((outcome) => logEnd(message, outcome)),
          Effect.tap((outcome) =>
            outcome._tag === "Paused"
              ? Effect.flatMap(
                release("paused", Duration.zero),
                (settlement) => settle(message, settlement, leasedUntil)
              )
              : settle(message, outcome, leasedUntil)
          )
        )
      )
    }, inSpan("SmsDelivery.handle"))
  }
})

/** How long to wait before a failed settlement is tried again. */
const settlingPause = Duration.seconds(1)

/** How long a message waits if this process does not hold the key that sealed it. */
const keyPause = Duration.seconds(5)

/** What a notifier sends; undefined for a code that a provider would have to make. */
const contentOf = (body: MessageBody): SmsContent | undefined => {
  if (body.kind === "notice") return { kind: "notice", change: body.change }
  return body.code && { kind: "code", code: body.code }
}

const textInput = (
  content: SmsContent,
  language: string | undefined,
  left: Duration.Duration
): SmsTextInput =>
  content.kind === "notice"
    ? { ...content, language }
    : { ...content, language, minutes: Math.max(1, Math.round(Duration.toMinutes(left))) }

const expired = "expired"

const dropped = (reason: string) => ({ _tag: "Dropped", reason }) as const

const afterFailure = (message: ClaimedMessage, { reason }: SmsNotSent): Effect.Effect<Outcome> => {
  switch (reason._tag) {
    case "Transient":
      return retry(message, "transient", reason.retryAfter)
    case "Throttled":
      return retry(message, "throttled", reason.retryAfter)
    case "AccountRefused":
      return retry(message, `${accountRefused}: ${reason.code}`)
    case "Paused":
      return Effect.succeed(reason)
    case "Permanent":
      return Effect.succeed({ _tag: "Dead", reason: `permanent: ${reason.code}` })
    case "DestinationRefused":
      return Effect.succeed({ _tag: "Dead", reason: `destination refused: ${reason.code}` })
    case "OptedOut":
      return Effect.succeed({ _tag: "Dead", reason: "opted out" })
  }
}

const accountRefused = "account refused"

const withoutQuotes = (error: SmsNotSent, told: Tell): SmsNotSent => {
  const { reason } = error
  switch (reason._tag) {
    case "AccountRefused":
      return new SmsNotSent({ reason: new AccountRefused({ code: told(reason.code) }) })
    case "DestinationRefused":
      return new SmsNotSent({ reason: new DestinationRefused({ code: told(reason.code) }) })
    case "Permanent":
      return new SmsNotSent({ reason: new Permanent({ code: told(reason.code) }) })
    default:
      return error
  }
}

/**
 * Waits twice as long after each attempt, up to about a minute, and up to a quarter longer at random; or longer if the
 * provider asks for that. The wait ends at the latest when the message expires: then the message is dropped, and its
 * sealed body with it.
 */
const retry = Effect.fnUntraced(
  function*({ attempts, expiresAt }: ClaimedMessage, reason: string, atLeast: Duration.Duration = Duration.zero) {
    const seconds = Math.min(2 ** attempts, 64) * (1 + 0.25 * (yield* Random.next))
    const wait = Duration.max(atLeast, Duration.seconds(seconds))
    const at = DateTime.min(DateTime.addDuration(yield* DateTime.now, wait), expiresAt)
    return { _tag: "Retry", at, reason } as const
  }
)

const logRefusal = (reason: string) =>
  Effect.logError("the SMS provider takes nothing of this account, check its settings and its funds", reason)

/** Logs only the kind of error, since its message may hold what was to be sent. */
const logBug = ({ messageId }: ClaimedMessage, error: unknown) =>
  Effect.logError("an SMS met a bug", kindOf(error), messageId)

const release = Effect.fnUntraced(function*(reason: string, wait: Duration.Duration) {
  return { _tag: "Released", at: DateTime.addDuration(yield* DateTime.now, wait), reason } as const
})
