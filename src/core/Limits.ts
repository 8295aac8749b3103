/**
 * Limits as pure rules: which guess may still be looked at, when the next code may be sent, and when a counter has room.
 * A counter remembers the times of its latest charges; it lives where `UserStore.commit` is, so that checking and raising
 * are one step. All windows roll.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { type Guesses, rememberedGuesses, type SendWait } from "./UserPhone.ts"

/**
 * At most `max` charges within any span of `within`: the window rolls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Window {
  /** At least 1. */
  readonly max: number
  readonly within: Duration.Duration
}

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
  /** The most that chance adds to a wait, as a part of it: 0.1 for a tenth. */
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
  /** Wrong guesses of one user, whatever the codes; 10 in 24 hours by default. At most 100 are counted. */
  readonly wrongGuessesPerUser: Window | "off"
  /**
   * Wrong guesses at codes that were sent to one number, by all who do not hold it, and as many by those who do; 10 in
   * 24 hours by default.
   */
  readonly wrongGuessesPerNumber: Window | "off"
  /** Wrong guesses in a row, after which verification is off until it is unlocked; 100 by default. */
  readonly wrongGuessesInARow: number | "off"
  /** The wait between two codes sent to one user; 30 seconds to 32 minutes by default. */
  readonly waitBetweenCodes: Wait | "off"
  /** Codes sent to one number by all who do not hold it, and as many by those who do; 5 in 10 minutes, 10 an hour, 20 a day by default. */
  readonly codesPerNumber: readonly [Window, ...Array<Window>] | "off"
  /** Codes sent for one user, whatever the numbers; 20 a day by default. */
  readonly codesPerUser: readonly [Window, ...Array<Window>] | "off"
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
  codesPerUser: [{ max: 20, within: day }]
}

/**
 * None at all, for a host that limits on its own.
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
  codesPerUser: "off"
}

/**
 * The limits in force, a setting with a default.
 *
 * @category references
 * @since 0.1.0
 */
export const Limits = Context.Reference<Limits>("effect-user-phone/core/Limits", { defaultValue: () => defaults })

/**
 * Codes or guesses are limited by counters, but the store keeps none. Unlike the errors of a request, this one ends the
 * start: switch those limits off, or take a store that counts.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreCannotCount extends Schema.TaggedError<StoreCannotCount>()("StoreCannotCount", {}) {
  override get message() {
    return "the limits codesPerNumber, codesPerUser and wrongGuessesPerNumber need a store with counters: " +
      "switch them off, or take another store"
  }
}

/**
 * Whether some limit needs a store with counters.
 *
 * @category guards
 * @since 0.1.0
 */
export const needCounters = (limits: Limits): boolean =>
  limits.codesPerNumber !== "off" || limits.codesPerUser !== "off" || limits.wrongGuessesPerNumber !== "off"

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
 * When a user's next guess may be looked at as far as that user's own count goes, or undefined when it may be now.
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
    : fullUntil(wrongAt, { at, windows: [{ ...window, max: Math.min(window.max, rememberedGuesses) }] })

/**
 * How many more wrong guesses will be looked at on a pending code, undefined for any number. Wrong guesses of others on
 * the same phone number may leave fewer.
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
    left.push(Math.min(window.max, rememberedGuesses) - counted)
  }
  return left.length === 0 ? undefined : Math.max(0, Math.min(...left))
}

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
  const millis = Math.round(Duration.toMillis(planned) * (1 + wait.jitter * chance))
  return { step, sentAt: now, until: DateTime.add(now, { milliseconds: millis }) }
}

const hoursBetween = (from: DateTime.Utc, to: DateTime.Utc): number =>
  Math.max(0, to.epochMilliseconds - from.epochMilliseconds) / 3_600_000

/**
 * One unit on one counter, or only the question whether there would be room for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charge {
  /** The counter: what is limited and for whom; a number appears in it as its fingerprint only. */
  readonly counter: string
  /** The limit's name for the caller who meets it, in capitals with underscores. */
  readonly reason: string
  readonly at: DateTime.Utc
  readonly windows: readonly [Window, ...Array<Window>]
  /** The counter must have room, and stays as it is. */
  readonly checkOnly?: true
}

/**
 * When a charge on a counter may be tried again, or undefined when there is room for it now.
 *
 * `times` are the counter's latest charges, youngest first.
 *
 * @category rules
 * @since 0.1.0
 */
export const fullUntil = (
  times: ReadonlyArray<DateTime.Utc>,
  { at, windows }: Pick<Charge, "at" | "windows">
): DateTime.Utc | undefined => {
  let until: DateTime.Utc | undefined
  for (const { max, within } of windows) {
    const oldest = times[max - 1]
    if (oldest === undefined) continue
    const free = DateTime.addDuration(oldest, within)
    if (DateTime.isGreaterThan(free, at) && (until === undefined || DateTime.isGreaterThan(free, until))) {
      until = free
    }
  }
  return until
}

/**
 * How many charges a counter has to remember for these windows.
 *
 * @category rules
 * @since 0.1.0
 */
export const remembered = (charge: Charge): number => Math.max(...charge.windows.map((window) => window.max))

/**
 * The longest of a charge's windows: after it, the counter has nothing left to say.
 *
 * @category rules
 * @since 0.1.0
 */
export const longest = (charge: Charge): Duration.Duration =>
  charge.windows.map((window) => window.within).reduce(Duration.max)
