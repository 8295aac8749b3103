/**
 * Counters as pure rules: a counter remembers the times of its latest charges, and a charge names the windows that must
 * have room. The store keeps the counters, so that `UserStore.commit` checks and raises them in one step. All windows
 * roll.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

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
 * One unit on one counter, or another action on that counter.
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
  /**
   * `check`: the counter must have room, and stays as it is. `refund`: the unit that was charged at exactly that time
   * is taken back, if the counter still remembers it; a refund needs no room.
   */
  readonly instead?: "check" | "refund"
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
 * The longest of a charge's windows: after that time, the counter no longer matters.
 *
 * @category rules
 * @since 0.1.0
 */
export const longest = (charge: Charge): Duration.Duration =>
  charge.windows.map((window) => window.within).reduce(Duration.max)
