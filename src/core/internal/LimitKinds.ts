/**
 * What each limit consists of. The limits that a host sets are checked against it before any operation is built.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { Window } from "../Counters.ts"
import { rememberedGuesses } from "../Guesses.ts"

/** Says what a limit has to be, or undefined if it is that. */
export type Rule = (limit: unknown) => string | undefined

const wholeNumber = (most: number): Rule => (count) =>
  Number.isInteger(count) && count as number >= 1 && count as number <= most
    ? undefined
    : `a whole number from 1 to ${most.toLocaleString("en")}`

const count = wholeNumber(1_000_000_000)

const windowOf = (max: Rule): Rule => (window) => {
  if (!Predicate.isObject(window)) return "a window: { max, within }"
  const { max: most, within } = window as Partial<Window>
  const wrong = max(most)
  if (wrong !== undefined) return `a window whose max is ${wrong}`
  return isSpan(within) ? undefined : "a window whose within is a Duration from 1 millisecond to 10,000 years"
}

const windows: Rule = (list) =>
  Array.isArray(list) && list.length > 0
    ? list.map(windowOf(count)).find((wrong) => wrong !== undefined)?.replace(/^a window/, "a list of windows, each")
    : "a list of at least one window: [{ max, within }]"

const wait: Rule = (given) => {
  if (!Predicate.isObject(given)) return "a wait: { first, longest, jitter }"
  const { first, jitter, longest } = given as { readonly [Name in "first" | "jitter" | "longest"]?: unknown }
  if (!isSpan(first) || !isSpan(longest) || Duration.isGreaterThan(first, longest)) {
    return "a wait whose first and longest are Durations from 1 millisecond to 10,000 years, and whose longest is no shorter"
  }
  return typeof jitter === "number" && jitter >= 0 && jitter <= 1 ? undefined : "a wait whose jitter is from 0 to 1"
}

/** Whether this can be added to a time, both here and in a database. */
const isSpan = (duration: unknown): duration is Duration.Duration =>
  Duration.isDuration(duration) &&
  Duration.between(duration, { minimum: Duration.millis(1), maximum: Duration.days(3_652_425) })

export interface Kind {
  readonly rule: Rule
  /** Whether `UserStore.commit` counts it. */
  readonly byStore: boolean
}

export const kinds = {
  guessesPerCode: { rule: count, byStore: false },
  wrongGuessesPerUser: { rule: windowOf(wholeNumber(rememberedGuesses)), byStore: false },
  wrongGuessesPerNumber: { rule: windowOf(count), byStore: true },
  wrongGuessesInARow: { rule: count, byStore: false },
  waitBetweenCodes: { rule: wait, byStore: false },
  codesPerNumber: { rule: windows, byStore: true },
  codesPerUser: { rule: windows, byStore: true },
  noticesPerNumber: { rule: windows, byStore: true }
}
