/**
 * Several providers in order: when one fails for now, the next is tried, and one that fails again and again, or refuses
 * the account, is left alone for a while. A permanent failure of a message would be the same at every provider, so it
 * ends the attempt.
 *
 * When a user asks for a code again, another provider comes first: a message that did not arrive one way may arrive
 * another way. Each process learns by itself how the providers are doing.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import { tellOf } from "../core/internal/Printable.ts"
import {
  type HandOver,
  Paused,
  type ReadReceipt,
  type Sms,
  SmsNotifier,
  SmsNotSent,
  Throttled,
  Transient
} from "../core/SmsNotifier.ts"
import { type Attempt, CircuitBreaker } from "./internal/CircuitBreaker.ts"

/**
 * One notifier of several, with its own name for logs and metrics.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provider {
  /** For logs and metrics. */
  readonly name: string
  readonly notifier: SmsNotifier["Service"]
}

/**
 * When a provider is left alone for a while, and how long one attempt may take.
 *
 * @category options
 * @since 0.1.0
 */
export interface FailoverOptions {
  /**
   * How long one provider may take; 10 seconds by default. All of them together should take less than half of the
   * worker's lease, which makes 30 seconds by default: an attempt that takes longer is given up, and the message is
   * tried again.
   */
  readonly timeout?: Duration.Input | undefined
  /** After how many failures in a row a provider is left alone; 5 by default. */
  readonly failures?: number | undefined
  /** For how long it is left alone, doubled up to a minute while it goes on failing; 10 seconds by default. */
  readonly pause?: Duration.Input | undefined
}

/** By provider and outcome: `sent`, or why not. */
const handOvers = Metric.counter("sms_hand_overs", { description: "Attempts to hand an SMS to a provider" })

/** How long a provider is left alone that asked for a pause without saying how long. */
const shortPause = Duration.seconds(1)

/** The longest pause that is granted, however long a provider asks to be left alone. */
const longestWish = Duration.hours(1)

/**
 * One notifier over several: asks the first that is not paused, and the next if that fails.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  providers: readonly [Provider, ...Array<Provider>],
  { failures = 5, pause = "10 seconds", timeout = "10 seconds" }: FailoverOptions = {}
): SmsNotifier["Service"] => {
  const options = { failures, pause: Duration.fromInputUnsafe(pause), longestPause: Duration.minutes(1) }
  const guarded = providers.map((provider) => ({ ...provider, breaker: new CircuitBreaker(options) }))
  type Guarded = typeof guarded[number]
  const throttled = new Map<string, DateTime.Utc>()

  /** Logs this at most once a minute, since many messages are throttled at once. */
  const tellThrottled = Effect.fnUntraced(function*(name: string, now: DateTime.Utc) {
    const last = throttled.get(name)
    if (last !== undefined && DateTime.isLessThan(now, DateTime.add(last, { minutes: 1 }))) return
    throttled.set(name, now)
    yield* Effect.logWarning(`SMS provider ${name} throttles: messages wait`)
  })

  /** Learns about a provider from the end of an attempt. */
  const learn = Effect.fnUntraced(function*(
    { breaker, name }: Guarded,
    attempt: Attempt,
    { content, recipient }: Sms,
    exit: Exit.Exit<HandOver, SmsNotSent>
  ) {
    const reason = Exit.isSuccess(exit)
      ? undefined
      : exit.cause.reasons.find((one) => one._tag === "Fail")?.error.reason
    const outcome = Exit.isSuccess(exit) ? "sent" : reason?._tag ?? (Exit.hasDies(exit) ? "bug" : "interrupted")
    yield* Metric.update(Metric.withAttributes(handOvers, { provider: name, outcome }), 1)
    const [now, chance] = [yield* DateTime.now, yield* Random.next]
    const wait = (asked: Duration.Duration) =>
      breaker.wait(attempt, DateTime.addDuration(now, Duration.min(asked, longestWish)))
    switch (outcome) {
      case "sent":
      case "Permanent":
      case "DestinationRefused":
      case "OptedOut":
        return breaker.succeed(attempt) ? yield* Effect.logInfo(`SMS provider ${name} takes messages again`) : undefined
      case "Transient":
      case "bug":
        if (reason?._tag === "Transient" && reason.retryAfter !== undefined) wait(reason.retryAfter)
        return breaker.fail(attempt, now, chance)
          ? yield* Effect.logWarning(
            `SMS provider ${name} is not tried for a while: it failed ${failures} times in a row`
          )
          : undefined
      case "AccountRefused": {
        const told = tellOf({ recipient, code: content.kind === "code" ? content.code : undefined })
        const code = reason?._tag === "AccountRefused" ? told(reason.code) : ""
        return breaker.refuse(attempt, now, chance)
          ? yield* Effect.logError(
            `SMS provider ${name} refuses this account (${code}): check its settings and its funds`
          )
          : undefined
      }
      case "Throttled":
        yield* tellThrottled(name, now)
        return wait(reason?._tag === "Throttled" ? reason.retryAfter ?? shortPause : shortPause)
      case "Paused":
        return reason?._tag === "Paused" ? breaker.wait(attempt, reason.until) : undefined
      case "interrupted":
        return breaker.abandon(attempt)
    }
  })

  // An attempt that has begun must end: otherwise the others would wait forever for a probe that was interrupted.
  const attempt = (provider: Guarded, sms: Sms) =>
    Effect.uninterruptibleMask((restore) => {
      const begun = provider.breaker.begin()
      return Effect.suspend(() => provider.notifier.send(sms)).pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(new SmsNotSent({ reason: new Transient({ cause: "timeout" }) }))
        }),
        restore,
        Effect.onExit((exit) => learn(provider, begun, sms, exit))
      )
    })

  const send = Effect.fnUntraced(function*(sms: Sms) {
    const start = yield* DateTime.now
    const ready = guarded.filter(({ breaker }) => breaker.closedUntil(start) === undefined)
    const first = ready.length === 0 ? 0 : sms.resends % ready.length
    const met: Array<SmsNotSent> = []
    for (const provider of [...ready.slice(first), ...ready.slice(0, first)]) {
      // Earlier providers may have taken so long that the message can no longer help.
      if (met.length > 0 && !DateTime.isGreaterThan(sms.expiresAt, yield* DateTime.now)) break
      // Meanwhile another message may have shown that this provider fails, or may be under way as its probe.
      if (provider.breaker.closedUntil(yield* DateTime.now) !== undefined) continue
      const result = yield* Effect.result(attempt(provider, sms))
      if (result._tag === "Success") return result.success
      met.push(result.failure)
      if (isFinal(result.failure)) break
    }
    return yield* (met.length === 0 ? pausedUntilReady(yield* DateTime.now) : lastOf(met, met.length < guarded.length))
  })

  const pausedUntilReady = (now: DateTime.Utc): SmsNotSent => {
    const [first, ...others] = guarded.map(({ breaker }) => breaker.closedUntil(now) ?? now)
    return new SmsNotSent({ reason: new Paused({ until: others.reduce(DateTime.min, first!) }) })
  }

  return { send, receipts: readersOf(providers) }
}

/**
 * If two accounts are at one vendor, whichever can read a report reads it, since the report is signed for one of them.
 */
const readersOf = (providers: ReadonlyArray<Provider>): ReadonlyMap<string, ReadReceipt> => {
  const readers = new Map<string, ReadReceipt>()
  for (const [name, read] of providers.flatMap(({ notifier }) => Array.from(notifier.receipts))) {
    const earlier = readers.get(name)
    readers.set(
      name,
      earlier === undefined
        ? read
        : (callback) => Effect.filterOrElse(earlier(callback), (receipt) => receipt !== undefined, () => read(callback))
    )
  }
  return readers
}

/**
 * With these providers, in the order in which they are asked.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  providers: readonly [Provider, ...Array<Provider>],
  options?: FailoverOptions
): Layer.Layer<SmsNotifier> => Layer.sync(SmsNotifier, () => make(providers, options))

/** Whether the failure would be the same at every other provider. */
const isFinal = ({ reason }: SmsNotSent): boolean => reason._tag === "Permanent" || reason._tag === "OptedOut"

/**
 * The error when several providers have failed: that of the last one that failed, with a wait if all of them asked for
 * one. A provider that does not reach the destination counts only if no other is left that may reach it, now or later.
 */
const lastOf = (all: ReadonlyArray<SmsNotSent>, isOneLeft: boolean): SmsNotSent => {
  const met = all.filter(({ reason }) => reason._tag !== "DestinationRefused")
  if (met.length === 0) {
    return isOneLeft
      ? new SmsNotSent({ reason: new Transient({ cause: "who may reach it is not tried now" }) })
      : all.at(-1)!
  }
  const waits = met.flatMap(({ reason }) => {
    if (reason._tag === "Throttled") return [reason.retryAfter ?? shortPause]
    return reason._tag === "Transient" && reason.retryAfter !== undefined ? [reason.retryAfter] : []
  })
  const wait = waits.length === met.length ? { retryAfter: waits.reduce(Duration.min) } : {}
  const failed = met.findLast(({ reason }) => reason._tag !== "Throttled")
  if (failed === undefined) return new SmsNotSent({ reason: new Throttled(wait) })
  const { reason } = failed
  return reason._tag === "Transient"
    ? new SmsNotSent({ reason: new Transient({ cause: reason.cause, ...wait }) })
    : failed
}
