/**
 * Test numbers: numbers with a fixed code and a scripted delivery, for reviewers of app stores and for tests of a whole
 * system. No provider is asked about them; limits, log and state are the same as for any number.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Redacted from "effect/Redacted"
import type { PhoneNumber } from "./PhoneNumber.ts"

/**
 * What becomes of a message to a test number: it arrives at once, after 20 seconds, or not at all; or its holder has
 * asked to get none.
 *
 * @category models
 * @since 0.1.0
 */
export type TestOutcome = typeof outcomes[number]

/**
 * What can become of a message to a test number.
 *
 * @category constants
 * @since 0.1.0
 */
export const outcomes = ["delivered", "slow", "undeliverable", "opted-out"] as const

/**
 * A number whose code is always the same, until a given day.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestNumber {
  readonly number: PhoneNumber
  readonly code: Redacted.Redacted
  /** From then on it is a number like any other. */
  readonly until: DateTime.Utc
  readonly outcome: TestOutcome
}

/**
 * The test numbers there are; none by default.
 *
 * @category references
 * @since 0.1.0
 */
export const TestNumbers = Context.Reference<ReadonlyArray<TestNumber>>("effect-user-phone/core/TestNumbers", {
  defaultValue: () => []
})

/**
 * The entry of a number, while its time lasts.
 *
 * @category getters
 * @since 0.1.0
 */
export const find = (
  numbers: ReadonlyArray<TestNumber>,
  number: PhoneNumber,
  now: DateTime.Utc
): TestNumber | undefined =>
  numbers.find((entry) =>
    Redacted.value(entry.number) === Redacted.value(number) && DateTime.isGreaterThan(entry.until, now)
  )
