/**
 * The worker between the outbox and the notifier: claim, open, render, send, settle.
 *
 * A message is handed over at least once: again only when the process dies, or loses its lease, between hand-over and
 * settlement. Any number of workers may run, in any number of processes. Nothing that one message does keeps another from
 * being delivered.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { CodeVault, type MessageBody } from "./CodeVault.ts"
import { type ClaimedMessage, Outbox, type Settlement } from "./Outbox.ts"
import { SmsNotifier, type SmsNotSent } from "./SmsNotifier.ts"
import { SmsText, type SmsTextInput } from "./SmsText.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface SmsDeliveryOptions {
  /** How long to wait when nothing is due; 250 milliseconds by default. */
  readonly pollInterval?: Duration.Input | undefined
  /** Messages in hand at once; 16 by default. */
  readonly concurrency?: number | undefined
  /** How long a message is this worker's; 60 seconds by default. A hand-over is given up after half of it. */
  readonly lease?: Duration.Input | undefined
  /** How often a message is tried before it is dead; 10 by default. */
  readonly maxAttempts?: number | undefined
  /** How long a shutdown waits for the messages in hand before it gives them back; 10 seconds by default. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /** The host that codes are for, handed to the texts; none by default. */
  readonly host?: string | undefined
}

/**
 * Runs a worker for as long as the layer lives. On shutdown it finishes the messages in hand.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: SmsDeliveryOptions = {}
): Layer.Layer<never, never, Outbox | CodeVault | SmsText | SmsNotifier> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { deliverDue } = yield* make(options)
    const stopping = yield* Deferred.make<void>()
    const pollInterval = Duration.fromInputUnsafe(options.pollInterval ?? "250 millis")
    let failures = 0

    const pause = Effect.suspend(() =>
      Effect.race(
        Effect.sleep(
          failures === 0 ? pollInterval : Duration.min(Duration.times(pollInterval, 2 ** failures), longestPause)
        ),
        Deferred.await(stopping)
      )
    )
    const round = deliverDue.pipe(
      Effect.tap(() => {
        const recovered = failures > 0
        failures = 0
        return recovered ? Effect.logInfo("the outbox can be reached again") : Effect.void
      }),
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
        failures = Math.min(failures + 1, 16)
        return Effect.as(failures === 1 ? Effect.logError("the outbox cannot be worked on", cause) : Effect.void, 0)
      }),
      Effect.tap((delivered) => delivered === 0 ? pause : Effect.void),
      Effect.repeat({ while: () => !Deferred.isDoneUnsafe(stopping) })
    )
    yield* Effect.acquireRelease(Effect.forkDetach(round), (worker) =>
      Deferred.succeed(stopping, undefined).pipe(
        Effect.andThen(Effect.timeoutOption(Fiber.await(worker), options.shutdownTimeout ?? "10 seconds")),
        Effect.andThen(Fiber.interrupt(worker))
      ))
  }))

/** The longest wait between attempts at an outbox that fails. */
const longestPause = Duration.seconds(5)

/**
 * The worker, to be run by hand one round at a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: SmsDeliveryOptions = {}) {
  const outbox = yield* Outbox
  const vault = yield* CodeVault
  const text = yield* SmsText
  const notifier = yield* SmsNotifier
  const limit = options.concurrency ?? 16
  const lease = Duration.fromInputUnsafe(options.lease ?? "60 seconds")
  const maxAttempts = options.maxAttempts ?? 10

  const handOver = Effect.fnUntraced(function*(message: ClaimedMessage) {
    const now = yield* DateTime.now
    if (!DateTime.isGreaterThan(message.expiresAt, now)) return { _tag: "Dropped", reason: "expired" } as const
    const body = yield* vault.open(message, message)
    const receipt = yield* notifier.send({
      messageId: message.messageId,
      recipient: body.recipient,
      text: yield* text.render(textInput(body, options.host, DateTime.distance(now, message.expiresAt)))
    })
    return { _tag: "Sent", at: yield* DateTime.now, receipt } as const
  })

  const attempt = (message: ClaimedMessage) =>
    handOver(message).pipe(
      Effect.timeout(Duration.times(lease, 0.5)),
      Effect.catchTags({
        SmsNotSent: (error) => afterFailure(message, maxAttempts, error),
        TimeoutError: () => retry(message, maxAttempts, "timeout"),
        // Another process may hold the key: the message is never dead for that, until its code expires.
        UnknownKey: () => release("unknown key", keyPause),
        SealBroken: () => Effect.succeed({ _tag: "Dead", reason: "seal broken" } as const)
      }),
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterruptsOnly(cause),
        (cause) => Effect.andThen(logBug(message, Cause.squash(cause)), retry(message, maxAttempts, "bug"))
      )
    )

  const settle = (message: ClaimedMessage, settlement: Settlement) =>
    outbox.settle(message, settlement).pipe(
      Effect.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: Duration.times(lease, 0.25) }))),
      Effect.flatMap((settled) =>
        settled ? Effect.void : Effect.logWarning("an SMS lost its lease before it was settled", message.messageId)
      ),
      Effect.catchCause(() => Effect.logError("an SMS could not be settled", message.messageId))
    )

  const handle = Effect.fn("SmsDelivery.handle")(function*(message: ClaimedMessage) {
    yield* Effect.annotateCurrentSpan({ messageId: message.messageId, attempts: message.attempts })
    // A hand-over may be interrupted; what came of it is settled all the same.
    yield* Effect.uninterruptibleMask((restore) =>
      restore(attempt(message)).pipe(
        Effect.catchCause(() => release("shutdown", Duration.zero)),
        Effect.tap((settlement) =>
          settlement._tag === "Dead"
            ? Effect.logError("an SMS is given up", settlement.reason, message.messageId)
            : Effect.void
        ),
        Effect.flatMap((settlement) => settle(message, settlement))
      )
    )
  })

  return {
    /** Takes what is due, works through it and answers how many messages that were. */
    deliverDue: Effect.gen(function*() {
      const messages = yield* outbox.claim({ now: yield* DateTime.now, limit, lease })
      yield* Effect.forEach(messages, handle, { concurrency: limit, discard: true })
      return messages.length
    })
  }
})

/** How long a message waits that was sealed with a key which this process does not hold. */
const keyPause = Duration.seconds(5)

const textInput = (body: MessageBody, host: string | undefined, left: Duration.Duration): SmsTextInput => {
  const common = { language: body.language, host }
  return body.kind === "notice"
    ? { ...common, kind: "notice" }
    : { ...common, kind: "code", code: body.code, minutes: Math.max(1, Math.round(Duration.toMinutes(left))) }
}

const afterFailure = (message: ClaimedMessage, maxAttempts: number, { reason }: SmsNotSent) => {
  switch (reason._tag) {
    case "Transient":
      return retry(message, maxAttempts, "transient")
    case "Throttled":
      return retry(message, maxAttempts, "throttled", reason.retryAfter)
    case "Permanent":
      return Effect.succeed<Settlement>({ _tag: "Dead", reason: `permanent: ${reason.code}` })
    case "OptedOut":
      return Effect.succeed<Settlement>({ _tag: "Dead", reason: "opted out" })
  }
}

const retry = Effect.fnUntraced(
  function*(message: ClaimedMessage, maxAttempts: number, reason: string, atLeast?: Duration.Duration) {
    if (message.attempts + 1 >= maxAttempts) return { _tag: "Dead", reason: `attempts spent: ${reason}` } as const
    const backOff = Duration.seconds(Math.min(2 ** message.attempts, 64))
    const wait = atLeast === undefined ? backOff : Duration.max(atLeast, backOff)
    return { _tag: "Retry", at: DateTime.addDuration(yield* DateTime.now, wait), reason } as const
  }
)

/** Only what kind of error it was: its message may hold what was to be sent. */
const logBug = ({ messageId }: ClaimedMessage, error: unknown) =>
  Effect.logError("an SMS met a bug", error instanceof Error ? error.name : typeof error, messageId)

const release = Effect.fnUntraced(function*(reason: string, wait: Duration.Duration) {
  return { _tag: "Released", at: DateTime.addDuration(yield* DateTime.now, wait), reason } as const
})
