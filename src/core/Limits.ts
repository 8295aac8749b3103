/**
 * Limits as pure rules: which guess may still be checked, and when the next code may be sent. Limits per number, or
 * over all codes sent for a user, are counted in `UserStore.commit` (`Counters.ts`).
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { fullUntil, type Window } from "./Counters.ts"
import type { Guesses } from "./Guesses.ts"
import * as LimitKinds from "./internal/LimitKinds.ts"
import type { SendWait } from "./UserPhone.ts"

/**
 * How long a user waits between two codes that are sent: `first`, doubled with every code up to `longest`, and halved
 * again for every hour without one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wait {
  readonly first: Duration.Duration
  readonly longest: Duration.Duration
  /**
   * The largest random addition to a wait, as a fraction of it: 0.1 for a tenth. No wait gets longer than `longest`.
   */
  readonly jitter: number
}

/**
 * Every limit, each of which can be switched off.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** Wrong guesses on one code, after which it is spent; 5 by default. */
  readonly guessesPerCode: number | "off"
  /** Wrong guesses of one user, whatever the codes; 10 in 24 hours by default, 100 at most. */
  readonly wrongGuessesPerUser: Window | "off"
  /**
   * Wrong guesses at codes that were sent to one number; 10 in 24 hours by default. Users who hold the number, users
   * for whom a host vouched, and all others are counted separately.
   */
  readonly wrongGuessesPerNumber: Window | "off"
  /** Wrong guesses in a row, after which verification is off until it is unlocked; 100 by default. */
  readonly wrongGuessesInARow: number | "off"
  /** The wait between two codes sent to one user; 30 seconds to 32 minutes by default. */
  readonly waitBetweenCodes: Wait | "off"
  /**
   * Codes sent to one number; 5 in 10 minutes, 10 an hour, 20 a day by default. Users who hold the number, users for
   * whom a host vouched, and all others are counted separately.
   */
  readonly codesPerNumber: readonly [Window, ...Array<Window>] | "off"
  /** Codes sent for one user, whatever the numbers; 20 a day by default. */
  readonly codesPerUser: readonly [Window, ...Array<Window>] | "off"
  /**
   * Notices to one number that it was replaced or removed; 5 a day by default. Users who hold the number and users for
   * whom a host vouched are counted separately. Beyond the limit, the change is made without a notice.
   */
  readonly noticesPerNumber: readonly [Window, ...Array<Window>] | "off"
}

const day = Duration.hours(24)

/**
 * What is in force by default.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaults: Limits = {
  guessesPerCode: 5,
  wrongGuessesPerUser: { max: 10, within: day },
  wrongGuessesPerNumber: { max: 10, within: day },
  wrongGuessesInARow: 100,
  waitBetweenCodes: { first: Duration.seconds(30), longest: Duration.minutes(32), jitter: 0.1 },
  codesPerNumber: [
    { max: 5, within: Duration.minutes(10) },
    { max: 10, within: Duration.hours(1) },
    { max: 20, within: day }
  ],
  codesPerUser: [{ max: 20, within: day }],
  noticesPerNumber: [{ max: 5, within: day }]
}

/**
 * No limits at all, for a host that has limits of its own.
 *
 * @category constants
 * @since 0.1.0
 */
export const off: Limits = {
  guessesPerCode: "off",
  wrongGuessesPerUser: "off",
  wrongGuessesPerNumber: "off",
  wrongGuessesInARow: "off",
  waitBetweenCodes: "off",
  codesPerNumber: "off",
  codesPerUser: "off",
  noticesPerNumber: "off"
}

/**
 * The limits in force, a setting with a default. It is read when the operations are built.
 *
 * @category references
 * @since 0.1.0
 */
export const Limits = Context.Reference<Limits>("effect-user-phone/core/Limits", { defaultValue: () => defaults })

/**
 * The limits as set would limit nothing, or need counters that the store does not keep. Unlike the errors of a request,
 * this one stops the startup.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitsRefused extends Schema.TaggedError<LimitsRefused>()("LimitsRefused", {
  rule: Schema.String
}) {
  override get message() {
    return `limits refused: ${this.rule}`
  }
}

/**
 * What is wrong with the limits, or undefined if nothing is; the text begins with the name of the limit. `hasCounters`
 * tells whether the store keeps counters. A caller in JavaScript may pass anything as limits.
 *
 * @category guards
 * @since 0.1.0
 */
export const faultOf = (limits: Limits, hasCounters: boolean): string | undefined => {
  const inForce = (Object.keys(kinds) as Array<keyof Limits>).filter((name) => limits[name] !== "off")
  const counted = hasCounters ? [] : inForce.filter((name) => kinds[name].byStore)
  if (counted.length > 0) {
    return `${counted.join(", ")} need a store with counters: switch them off, or take another store`
  }
  for (const name of inForce) {
    const wrong = kinds[name].rule(limits[name])
    if (wrong !== undefined) return `${name} must be ${wrong}, or "off"`
  }
  return undefined
}

const kinds: { readonly [Name in keyof Limits]: LimitKinds.Kind } = LimitKinds.kinds

/**
 * Whether a code with so many wrong guesses is spent.
 *
 * @category rules
 * @since 0.1.0
 */
export const isSpent = (limits: Limits, wrongGuesses: number): boolean =>
  limits.guessesPerCode !== "off" && wrongGuesses >= limits.guessesPerCode

/**
 * Whether so many wrong guesses in a row have switched verification off.
 *
 * @category rules
 * @since 0.1.0
 */
export const isOff = (limits: Limits, { wrongInARow }: Guesses): boolean =>
  limits.wrongGuessesInARow !== "off" && wrongInARow >= limits.wrongGuessesInARow

/**
 * When the user's own count allows the next guess to be checked, or undefined if it allows that now.
 *
 * @category rules
 * @since 0.1.0
 */
export const guessesFullUntil = (
  { wrongGuessesPerUser: window }: Limits,
  { wrongAt }: Guesses,
  at: DateTime.Utc
): DateTime.Utc | undefined =>
  window === "off"
    ? undefined
    : fullUntil(wrongAt, { at, windows: [window] })

/**
 * How many more wrong guesses at a pending code will be checked; undefined if guesses are not limited. Wrong guesses by
 * others at the same phone number may leave fewer.
 *
 * @category rules
 * @since 0.1.0
 */
export const guessesLeft = (
  limits: Limits,
  wrongGuesses: number,
  { wrongAt, wrongInARow }: Guesses,
  at: DateTime.Utc
): number | undefined => {
  const { guessesPerCode, wrongGuessesInARow, wrongGuessesPerUser: window } = limits
  const left: Array<number> = []
  if (guessesPerCode !== "off") left.push(guessesPerCode - wrongGuesses)
  if (wrongGuessesInARow !== "off") left.push(wrongGuessesInARow - wrongInARow)
  if (window !== "off") {
    const start = DateTime.subtractDuration(at, window.within)
    const counted = wrongAt.filter((time) => DateTime.isGreaterThan(time, start)).length
    left.push(window.max - counted)
  }
  return left.length === 0 ? undefined : Math.max(0, Math.min(...left))
}

/**
 * Until when a user has to wait for the next code, or undefined when there is nothing to wait for.
 *
 * @category rules
 * @since 0.1.0
 */
export const waitingUntil = (
  limits: Limits,
  wait: SendWait | undefined,
  now: DateTime.Utc
): DateTime.Utc | undefined => {
  const until = waitedUntil(limits, wait, now)
  return until !== undefined && DateTime.isGreaterThan(until, now) ? until : undefined
}

/**
 * When the latest wait ends or has ended, or undefined if there is none. A time further away than any wait can be was
 * set by a clock that was ahead, and is ignored.
 *
 * @category rules
 * @since 0.1.0
 */
export const waitedUntil = (
  { waitBetweenCodes }: Limits,
  wait: SendWait | undefined,
  now: DateTime.Utc
): DateTime.Utc | undefined =>
  waitBetweenCodes === "off" || wait === undefined ||
    DateTime.isGreaterThan(wait.until, DateTime.addDuration(now, Duration.sum(waitBetweenCodes.longest, clockSkew)))
    ? undefined
    : wait.until

/** How far apart the clocks of two processes may be. */
const clockSkew = Duration.seconds(2)

/**
 * The wait that begins when a code is sent now, undefined when there is none. `chance` is from 0 up to 1.
 *
 * @category rules
 * @since 0.1.0
 */
export const waitAfter = (
  { waitBetweenCodes: wait }: Limits,
  last: SendWait | undefined,
  now: DateTime.Utc,
  chance: number
): SendWait | undefined => {
  if (wait === "off") return undefined
  const highest = Math.max(0, Math.ceil(Math.log2(Duration.toMillis(wait.longest) / Duration.toMillis(wait.first))))
  const step = last === undefined
    ? 0
    : Math.min(highest, Math.max(0, last.step + 1 - Math.floor(hoursBetween(last.sentAt, now))))
  const planned = Duration.min(Duration.times(wait.first, 2 ** step), wait.longest)
  const drawn = Duration.millis(Math.round(Duration.toMillis(planned) * (1 + wait.jitter * chance)))
  return { step, sentAt: now, until: DateTime.addDuration(now, Duration.min(drawn, wait.longest)) }
}

const hoursBetween = (from: DateTime.Utc, to: DateTime.Utc): number =>
  Math.max(0, to.epochMilliseconds - from.epochMilliseconds) / 3_600_000
