/**
 * The worker between the outbox and the notifier: claim, open, render, send, settle.
 *
 * A message is tried until a notifier takes it, or until it is no longer of use because its code is used, spent or
 * expired. It may be handed over more than once: when the process dies or loses its lease before settlement, or when an
 * attempt fails although the provider took the message. The time between attempts doubles, up to about a minute. Any
 * number of workers may run, in any number of processes. No message can keep another from being delivered.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { CodeVault } from "./CodeVault.ts"
import type { Unavailable } from "./Errors.ts"
import * as HandOver from "./internal/HandOver.ts"
import { type ClaimedMessage, Outbox, type Route } from "./Outbox.ts"
import type { SmsNotifier } from "./SmsNotifier.ts"
import type { SmsText } from "./SmsText.ts"

/**
 * The options of a worker.
 *
 * @category options
 * @since 0.1.0
 */
export interface SmsDeliveryOptions {
  /** How long to wait when nothing is due and no arrival is announced; 1 second by default. */
  readonly pollInterval?: Duration.Input | undefined
  /** How many messages of one route are in hand at once, at least 1; 32 by default. */
  readonly concurrency?: number | undefined
  /**
   * How long a claimed message belongs to this worker; 60 seconds by default. A hand-over is given up after half that
   * time.
   */
  readonly lease?: Duration.Input | undefined
  /** How long a shutdown waits for the messages in hand before it gives them back; 10 seconds by default. */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/**
 * Runs a worker for as long as the layer lives. On shutdown it finishes the messages in hand, and gives back those that
 * take too long.
 *
 * It takes messages as soon as they come and it has room for them: those for the notifier and, if one is set up, those
 * for the verification provider. While one of these two cannot deliver, the worker takes none of its messages. After
 * that it begins with one at a time, and doubles this with each message that is sent, so that a service that has just
 * recovered is not overwhelmed.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: SmsDeliveryOptions = {}
): Layer.Layer<never, never, Outbox | CodeVault | SmsText | SmsNotifier> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const outbox = yield* Outbox
    const handOver = yield* makeHandOver(options)
    const stopping = yield* Deferred.make<void>()
    const queues = yield* Effect.forEach(handOver.routes, (route) => makeQueue(route, handOver, options, stopping))
    const stir = Effect.sync(() => queues.forEach(({ stirred }) => Latch.openUnsafe(stirred)))
    yield* Effect.forkScoped(listen(outbox, stir))
    // Messages still in hand after that are interrupted together with their queue.
    yield* Effect.addFinalizer(() =>
      Deferred.succeed(stopping, undefined).pipe(
        Effect.andThen(Effect.forEach(queues, ({ drained }) => drained, { concurrency: "unbounded", discard: true })),
        Effect.timeoutOption(options.shutdownTimeout ?? "10 seconds"),
        Effect.andThen(Effect.forEach(queues, ({ worker }) => Fiber.interrupt(worker), { discard: true }))
      )
    )
  }))

/** Works on the messages of one route until it is told to stop. */
const makeQueue = Effect.fnUntraced(function*(
  route: Route,
  { claim, handle }: HandOver.HandOver,
  options: SmsDeliveryOptions,
  stopping: Deferred.Deferred<void>
) {
  const concurrency = concurrencyOf(options)
  const pollInterval = Duration.fromInputUnsafe(options.pollInterval ?? "1 second")
  const deliveries = yield* FiberSet.make<void>()
  /** Open when there may be something to do: a message has come, or one is done. */
  const stirred = Latch.makeUnsafe()
  let inHand = 0
  let room = concurrency
  let pausedUntil = yield* DateTime.now
  let failures = 0

  const deliver = (message: ClaimedMessage) =>
    handle(message).pipe(
      Effect.map((outcome) => {
        if (outcome._tag === "Paused") {
          pausedUntil = outcome.until
          room = 1
        } else if (outcome._tag === "Sent") {
          room = Math.min(room * 2, concurrency)
        }
      }),
      Effect.ensuring(Effect.sync(() => {
        inHand--
        Latch.openUnsafe(stirred)
      }))
    )

  const recovered = Effect.suspend(() => {
    const wereDown = failures > 0
    failures = 0
    return wereDown ? Effect.logInfo("the outbox can be reached again") : Effect.void
  })
  const unreachable = (cause: Cause.Cause<Unavailable>) =>
    Effect.suspend(() => {
      failures = Math.min(failures + 1, 16)
      const pause = Effect.sleep(Duration.min(Duration.times(pollInterval, 2 ** (failures - 1)), longestPause))
      return failures === 1 ? Effect.andThen(Effect.logError("the outbox cannot be worked on", cause), pause) : pause
    })

  /** Takes as many messages as there is room for, and answers whether there may be more. */
  const take = Effect.fnUntraced(function*(free: number) {
    const messages = yield* claim(route, free)
    inHand += messages.length
    for (const message of messages) yield* FiberSet.run(deliveries, deliver(message))
    yield* recovered
    return messages.length === free
  }, Effect.uninterruptible)

  const round = Effect.gen(function*() {
    // Messages that are settled together make room together.
    yield* Effect.yieldNow
    Latch.closeUnsafe(stirred)
    const now = yield* DateTime.now
    if (DateTime.isGreaterThan(pausedUntil, now)) return yield* Effect.sleep(DateTime.distance(now, pausedUntil))
    const free = room - inHand
    const full = free <= 0 || (yield* take(free))
    return yield* Effect.race(Latch.await(stirred), full ? Effect.never : Effect.sleep(pollInterval))
  }).pipe(
    Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), unreachable),
    Effect.race(Deferred.await(stopping)),
    Effect.repeat({ while: () => !Deferred.isDoneUnsafe(stopping) })
  )

  const worker = yield* Effect.forkDetach(round)
  const drained = Effect.andThen(Fiber.await(worker), FiberSet.awaitEmpty(deliveries))
  return { stirred, worker, drained }
})

/** The longest wait between attempts at an outbox that fails. */
const longestPause = Duration.seconds(5)

const concurrencyOf = ({ concurrency = 32 }: SmsDeliveryOptions): number => {
  // A worker that can take no message would look like one that has nothing to do.
  if (!(concurrency >= 1)) throw new RangeError(`SmsDelivery: concurrency must be at least 1, and is ${concurrency}`)
  return concurrency
}

const makeHandOver = ({ lease = "60 seconds" }: SmsDeliveryOptions) => HandOver.make(Duration.fromInputUnsafe(lease))

/** Runs an effect whenever arrivals are announced. If they cannot be announced, polling finds the messages. */
const listen = (outbox: Outbox["Service"], stir: Effect.Effect<unknown>) =>
  Stream.runForEach(outbox.arrivals, () => stir).pipe(
    Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), () => Effect.void),
    Effect.repeat(Schedule.spaced(longestPause))
  )

/**
 * A worker that is run by hand, one round at a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: SmsDeliveryOptions = {}) {
  const { claim, handle, routes } = yield* makeHandOver(options)
  const concurrency = concurrencyOf(options)

  return {
    /** Takes what is due, works through it and answers how many messages there were. */
    deliverDue: Effect.gen(function*() {
      const messages = (yield* Effect.forEach(routes, (route) => claim(route, concurrency))).flat()
      yield* Effect.forEach(messages, handle, { concurrency, discard: true })
      return messages.length
    })
  }
})
