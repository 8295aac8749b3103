/**
 * What the limits of a sequence say to what has happened. A limit that is met by default, not by a smaller setting, says so.
 */
import { type History, missesOf, rowOf, wrongTimesOf } from "./Histories.ts"
import { refuse } from "./People.ts"
import { limitsOf, roomAt, roomIn } from "./Rules.ts"
import type { Limits, Settings, Window } from "./Script.ts"

/** The limits that count in windows, by the names under which a caller meets them. */
const windowed = {
  WRONG_GUESSES_PER_USER: "wrongGuessesPerUser",
  WRONG_GUESSES_PER_NUMBER: "wrongGuessesPerNumber",
  CODES_PER_NUMBER: "codesPerNumber",
  CODES_PER_USER: "codesPerUser",
  NOTICES_PER_NUMBER: "noticesPerNumber"
} as const

type Reason = keyof typeof windowed

export class Limiter {
  readonly limits: Limits
  private readonly settings: Settings

  constructor(settings: Settings) {
    this.settings = settings
    this.limits = limitsOf(settings)
  }

  /** Whether verification is off. */
  isOff(history: History): boolean {
    const { wrongGuessesInARow: most } = this.limits
    return most !== "off" && rowOf(history) >= most
  }

  refuseOff(history: History): void {
    if (this.isOff(history)) refuse("VerificationOff", {}, ...this.byDefault("wrongGuessesInARow"))
  }

  /** Whether the pending code is spent. */
  isSpent(history: History): boolean {
    const { guessesPerCode: most } = this.limits
    return most !== "off" && missesOf(history) >= most
  }

  /** Refuses while a limit is full that has been charged at these times; of several, the one that holds longest is named. */
  refuseFull(
    charged: Partial<Record<Reason, ReadonlyArray<number>>>,
    now: number,
    ...like: ReadonlyArray<string>
  ): void {
    const full = Object.keys(windowed).map((reason) => reason as Reason).flatMap((reason) => {
      const times = charged[reason] ?? []
      const windows = this.windowsOf(reason).filter((window) => roomIn(times, window, now) === 0)
      const until = roomAt(times, windows, now)
      return until === undefined ? [] : [{ reason, until, most: windows.at(-1)?.max }]
    })
    const [longest] = full.toSorted((a, b) => b.until - a.until)
    if (longest === undefined) return
    const { most, ...answer } = longest
    refuse(
      "TooManyRequests",
      answer,
      ...like,
      ...this.byDefault(windowed[answer.reason]).map((text) => `${most} ${text}`)
    )
  }

  /** How many more guesses will be looked at, without end where they are not limited. */
  guessesLeft(history: History, now: number): number {
    const { guessesPerCode, wrongGuessesInARow, wrongGuessesPerUser } = this.limits
    const left = (most: number | "off", used: number) => most === "off" ? Infinity : Math.max(0, most - used)
    return Math.min(
      left(guessesPerCode, missesOf(history)),
      left(wrongGuessesInARow, rowOf(history)),
      roomIn(wrongTimesOf(history), wrongGuessesPerUser, now)
    )
  }

  /** How many more fit in the windows of a limit now. */
  room(reason: Reason, times: ReadonlyArray<number>, now: number): number {
    return Math.min(...this.windowsOf(reason).map((window) => roomIn(times, window, now)))
  }

  byDefault(limit: keyof Limits): ReadonlyArray<string> {
    return this.settings.limits[limit] === "default" ? ["by default"] : []
  }

  private windowsOf(reason: Reason): ReadonlyArray<Window> {
    const limit = this.limits[windowed[reason]]
    return limit === "off" ? [] : "max" in limit ? [limit] : limit
  }
}
