/**
 * The worker between the outbox and the notifier: claim, open, render, send, settle.
 *
 * A message is handed over at least once: again only when the process dies, or loses its lease, between hand-over and
 * settlement. Any number of workers may run, in any number of processes.
 */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { CodeVault } from "./CodeVault.ts"
import { type ClaimedMessage, Outbox, type Settlement } from "./Outbox.ts"
import { SmsNotifier, type SmsNotSent } from "./SmsNotifier.ts"
import { SmsText } from "./SmsText.ts"

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
    const pause = Effect.race(Effect.sleep(options.pollInterval ?? "250 millis"), Deferred.await(stopping))
    const worker = yield* deliverDue.pipe(
      Effect.catch((error) => Effect.as(Effect.logWarning("the outbox cannot be reached", error.cause), 0)),
      Effect.tap((delivered) => delivered === 0 ? pause : Effect.void),
      Effect.repeat({ while: () => !Deferred.isDoneUnsafe(stopping) }),
      Effect.forkDetach
    )
    yield* Effect.addFinalizer(() => Effect.andThen(Deferred.succeed(stopping, undefined), Fiber.await(worker)))
  }))

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

  const attempt = Effect.fnUntraced(function*(message: ClaimedMessage) {
    const now = yield* DateTime.now
    if (!DateTime.isGreaterThan(message.expiresAt, now)) return { _tag: "Dropped", reason: "expired" } as const
    const body = yield* vault.open(message, message)
    const receipt = yield* notifier.send({
      messageId: message.messageId,
      recipient: body.recipient,
      text: yield* text.render({
        kind: body.kind,
        language: body.language,
        code: body.code,
        minutes: Math.max(1, Math.round(Duration.toMinutes(DateTime.distance(now, message.expiresAt))))
      })
    })
    return { _tag: "Sent", at: yield* DateTime.now, receipt } as const
  })

  const handle = Effect.fn("SmsDelivery.handle")(function*(message: ClaimedMessage) {
    yield* Effect.annotateCurrentSpan({ messageId: message.messageId, attempts: message.attempts })
    const settlement: Settlement = yield* attempt(message).pipe(
      Effect.timeout(Duration.times(lease, 0.5)),
      Effect.catchTags({
        SmsNotSent: (error) => afterFailure(message, maxAttempts, error),
        TimeoutError: () => retry(message, maxAttempts, "timeout"),
        // Another process may hold the key: the message is released, never dead, until its code expires.
        UnknownKey: () => retry(message, Infinity, "unknown key"),
        SealBroken: () => Effect.succeed({ _tag: "Dead", reason: "seal broken" } as const)
      })
    )
    if (settlement._tag === "Dead") yield* Effect.logError("an SMS is given up", settlement.reason, message.messageId)
    const settled = yield* outbox.settle(message, settlement)
    if (!settled) yield* Effect.logWarning("an SMS lost its lease before it was settled", message.messageId)
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
