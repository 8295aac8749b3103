/**
 * A user's wrong guesses, as far as limits ask about them: how many in a row, when, and which attempts at codes that a
 * provider checks have no known outcome yet.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"

/**
 * A user's wrong guesses. Only a right guess or an unlock ends the row; no event clears the times. An attempt
 * that was right, or that the provider did not answer, loses its own time.
 *
 * @category models
 * @since 0.1.0
 */
export const Guesses = Schema.Struct({
  wrongInARow: Schema.Natural,
  /** The times of the latest hundred wrong guesses, latest first. */
  wrongAt: Schema.Array(Schema.DateTimeUtc),
  /** The youngest ten attempts whose outcome is not known, youngest first; left out if there is none. */
  unsettled: Schema.optionalKey(Schema.Array(Schema.Struct({
    attemptId: Schema.String,
    at: Schema.DateTimeUtc,
    /** Whether the attempt belongs to the present row of wrong guesses, which has not ended since. */
    inRow: Schema.Boolean
  })))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Guesses = typeof Guesses.Type

/**
 * No guess yet.
 *
 * @category constants
 * @since 0.1.0
 */
export const noGuesses: Guesses = { wrongInARow: 0, wrongAt: [] }

/**
 * How many times of wrong guesses a user's state keeps: the most that a limit on them can count.
 *
 * @category constants
 * @since 0.1.0
 */
export const rememberedGuesses = 100

const rememberedAttempts = 10

/**
 * Whether the outcome of an attempt is known. An attempt that was forgotten in favour of ten later ones counts as
 * settled: it was wrong.
 *
 * @category getters
 * @since 0.1.0
 */
export const isSettled = (guesses: Guesses, attemptId: string): boolean => find(guesses, attemptId) === undefined

/**
 * One wrong guess more; with an `attemptId` if its outcome is not known yet.
 *
 * @category events
 * @since 0.1.0
 */
export const counted = (guesses: Guesses, at: DateTime.Utc, attemptId?: string): Guesses => ({
  ...guesses,
  wrongInARow: guesses.wrongInARow + 1,
  wrongAt: [at, ...guesses.wrongAt].slice(0, rememberedGuesses),
  ...(attemptId !== undefined && {
    unsettled: [{ attemptId, at, inRow: true }, ...guesses.unsettled ?? []].slice(0, rememberedAttempts)
  })
})

/**
 * An attempt has an outcome, and stays counted.
 *
 * @category events
 * @since 0.1.0
 */
export const settled = ({ unsettled = [], ...guesses }: Guesses, attemptId: string): Guesses => {
  const others = unsettled.filter((one) => one.attemptId !== attemptId)
  return others.length === 0 ? guesses : { ...guesses, unsettled: others }
}

/**
 * An attempt that is not settled counts no longer: nobody has learnt anything from it.
 *
 * @category events
 * @since 0.1.0
 */
export const takenBack = (guesses: Guesses, attemptId: string): Guesses => {
  const others = uncounted(guesses, attemptId)
  return find(guesses, attemptId)?.inRow === true ? { ...others, wrongInARow: others.wrongInARow - 1 } : others
}

/**
 * A guess was right, and ends the row: the attempt `attemptId`, if a provider checked it.
 *
 * @category events
 * @since 0.1.0
 */
export const proven = (guesses: Guesses, attemptId: string | undefined): Guesses =>
  withoutRow(attemptId === undefined ? guesses : uncounted(guesses, attemptId))

/**
 * The row of wrong guesses ends, and attempts without an outcome are no part of the next one.
 *
 * @category events
 * @since 0.1.0
 */
export const withoutRow = ({ unsettled, ...guesses }: Guesses): Guesses => ({
  ...guesses,
  wrongInARow: 0,
  ...(unsettled && { unsettled: unsettled.map((attempt) => ({ ...attempt, inRow: false })) })
})

/** The guesses without the time of an unsettled attempt, which thereby is settled. */
const uncounted = (guesses: Guesses, attemptId: string): Guesses => {
  const attempt = find(guesses, attemptId)
  if (attempt === undefined) return guesses
  const index = guesses.wrongAt.findIndex((time) => DateTime.Equivalence(time, attempt.at))
  return { ...settled(guesses, attemptId), wrongAt: guesses.wrongAt.filter((_, place) => place !== index) }
}

const find = ({ unsettled = [] }: Guesses, attemptId: string) => unsettled.find((one) => one.attemptId === attemptId)
