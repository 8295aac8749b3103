/**
 * The setting `TEST_NUMBERS`.
 */
import { DateTime, Option, Redacted, Result, Schema } from "effect"
import { PhoneNumber, TestNumbers } from "effect-user-phone"

/**
 * Reads entries separated by commas, such as `+15555550100=424242 until 2027-01-31 delivered`: the number, its code,
 * its last day (UTC), and what becomes of messages, `delivered` by default. `fits` says whether a code is one that can
 * be typed here. Every fault is told by the place of its entry, without quoting the entry.
 */
export const parse = (
  text: string,
  fits: (code: string) => boolean
): Result.Result<ReadonlyArray<TestNumbers.TestNumber>, string> => {
  const numbers: Array<TestNumbers.TestNumber> = []
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

const parseEntry = (entry: string, fits: (code: string) => boolean): TestNumbers.TestNumber | string => {
  const [, number, code, day, outcome = "delivered"] =
    /^([^\s=]+)\s*=\s*(\S+)\s+until\s+(\S+)(?:\s+(\S+))?$/.exec(entry) ?? []
  if (number === undefined || code === undefined || day === undefined) {
    return "must look like +15555550100=424242 until 2027-01-31 delivered"
  }
  const read = PhoneNumber.parse(Redacted.make(number), { accept: "parsable", regions: "all" })
  // A number written otherwise would never match, since numbers are kept in the form in which they are read.
  if (Result.isFailure(read) || Redacted.value<string>(read.success) !== number) {
    return "must begin with a number in E.164 form, of a country that exists"
  }
  if (!fits(code)) return "must have a code of the length and the characters of other codes"
  const last = /^\d{4}-\d\d-\d\d$/.test(day) ? DateTime.make(`${day}T00:00:00Z`) : Option.none()
  if (Option.isNone(last) || DateTime.formatIsoDateUtc(last.value) !== day) {
    return "must have a last day that exists, such as 2027-01-31"
  }
  if (!isOutcome(outcome)) return `must end as one of ${TestNumbers.outcomes.join(", ")}`
  return {
    number: read.success,
    code: Redacted.make(code, { label: "code" }),
    until: DateTime.add(last.value, { days: 1 }),
    outcome
  }
}

const isOutcome: (text: string) => text is TestNumbers.TestOutcome = Schema.is(
  Schema.Literals(TestNumbers.outcomes)
)
