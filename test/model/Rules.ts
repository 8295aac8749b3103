/**
 * The numbers that the design gives, and its rules on spans of time: what a limit says to a list of past moments.
 */
import type { Limits, Settings, Wait, Window } from "./Script.ts"

export const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

export const lifetimes = { digits6: 10 * minute, zitadel: 1 * hour } as const
export const answersKept = day
export const noticesLast = hour

const design: Limits = {
  guessesPerCode: 5,
  wrongGuessesPerUser: { max: 10, within: day },
  wrongGuessesPerNumber: { max: 10, within: day },
  wrongGuessesInARow: 100,
  waitBetweenCodes: { first: 30 * second, longest: 32 * minute, jitter: 0.1 },
  codesPerNumber: [{ max: 5, within: 10 * minute }, { max: 10, within: hour }, { max: 20, within: day }],
  codesPerUser: [{ max: 20, within: day }],
  noticesPerNumber: [{ max: 5, within: day }]
}

export const graceOf = ({ grace }: Settings): number => grace === "default" ? 60 * second : grace

export const limitsOf = ({ limits }: Settings): Limits => {
  const chosen = Object.entries(limits).filter(([, limit]) => limit !== "default")
  return { ...design, ...Object.fromEntries(chosen) }
}

const within = (times: ReadonlyArray<number>, span: number, now: number): ReadonlyArray<number> =>
  times.filter((time) => time > now - span).toSorted((a, b) => a - b)

/** How many more fit in a window now, without end where there is none. */
export const roomIn = (times: ReadonlyArray<number>, window: Window | "off", now: number): number =>
  window === "off" ? Infinity : Math.max(0, window.max - within(times, window.within, now).length)

/** When there is room again in all windows, undefined when there is now. */
export const roomAt = (
  times: ReadonlyArray<number>,
  windows: ReadonlyArray<Window> | "off",
  now: number
): number | undefined => {
  const until = (windows === "off" ? [] : windows).filter((window) => roomIn(times, window, now) === 0).map(
    (window) => {
      const recent = within(times, window.within, now)
      // So many have to grow old that one less than the most is left.
      return recent[recent.length - window.max]! + window.within
    }
  )
  return until.length === 0 ? undefined : Math.max(...until)
}

const doublings = ({ first, longest }: Wait): number => {
  let step = 0
  while (first * 2 ** step < longest) step++
  return step
}

/** How often the wait has doubled after codes were sent at these times: once more for each, and less for quiet hours. */
export const stepAfter = (sends: ReadonlyArray<number>, wait: Wait): number => {
  let step = 0
  for (const [index, time] of sends.entries()) {
    if (index === 0) continue
    const quietHours = Math.floor((time - sends[index - 1]!) / hour)
    step = Math.min(doublings(wait), Math.max(0, step + 1 - quietHours))
  }
  return step
}

export const waitOf = ({ first, jitter, longest }: Wait, step: number, chance: number): number => {
  const planned = Math.min(first * 2 ** step, longest)
  return Math.min(longest, Math.round(planned + planned * jitter * chance))
}
