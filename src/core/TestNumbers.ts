/**
 * Test numbers: numbers with a fixed code and a scripted delivery, for reviewers of app stores and for tests of a whole
 * system. No provider is asked for them; limits, log and state are those of any number.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { parse as readNumber, type PhoneNumber } from "./PhoneNumber.ts"

/**
 * What becomes of a message to a test number: it arrives at once, after 20 seconds, or not at all; or its holder has asked
 * to get none.
 *
 * @category models
 * @since 0.1.0
 */
export type TestOutcome = typeof outcomes[number]

const outcomes = ["delivered", "slow", "undeliverable", "opted-out"] as const

/**
 * A number with a code that is always the same, until a day.
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

/**
 * Reads entries with commas, such as `+15555550100=424242 until 2027-01-31 delivered`: the number, its code, its last day
 * (UTC), and what becomes of messages, `delivered` by default. `fits` says whether a code is one that can be typed here.
 * All that is wrong is told by the entries' places, without their words.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (
  text: string,
  fits: (code: string) => boolean
): Result.Result<ReadonlyArray<TestNumber>, string> => {
  const numbers: Array<TestNumber> = []
  const problems: Array<string> = []
  for (const [index, entry] of text.split(",").entries()) {
    const read = parseEntry(entry.trim(), fits)
    if (typeof read === "string") {
      problems.push(`entry ${index + 1} ${read}`)
    } else if (numbers.some(({ number }) => Redacted.value(number) === Redacted.value(read.number))) {
      problems.push(`entry ${index + 1} has the number of an earlier one`)
    } else {
      numbers.push(read)
    }
  }
  return problems.length === 0 ? Result.succeed(numbers) : Result.fail(problems.join("; "))
}

const parseEntry = (entry: string, fits: (code: string) => boolean): TestNumber | string => {
  const [, number, code, day, outcome = "delivered"] =
    /^([^\s=]+)\s*=\s*(\S+)\s+until\s+(\S+)(?:\s+(\S+))?$/.exec(entry) ?? []
  if (number === undefined || code === undefined || day === undefined) {
    return "must look like +15555550100=424242 until 2027-01-31 delivered"
  }
  const read = readNumber(Redacted.make(number), { accept: "parsable", regions: "all" })
  // What is written otherwise would never be met: numbers are kept as they are read.
  if (Result.isFailure(read) || Redacted.value<string>(read.success) !== number) {
    return "must begin with a number in E.164 form, of a country that exists"
  }
  if (!fits(code)) return "must have a code of the length and the characters of other codes"
  const last = /^\d{4}-\d\d-\d\d$/.test(day) ? DateTime.make(`${day}T00:00:00Z`) : Option.none()
  if (Option.isNone(last) || DateTime.formatIsoDateUtc(last.value) !== day) {
    return "must have a last day that exists, such as 2027-01-31"
  }
  if (!isOutcome(outcome)) return `must end as one of ${outcomes.join(", ")}`
  return {
    number: read.success,
    code: Redacted.make(code, { label: "code" }),
    until: DateTime.add(last.value, { days: 1 }),
    outcome
  }
}

const isOutcome: (text: string) => text is TestOutcome = Schema.is(Schema.Literals(outcomes))
