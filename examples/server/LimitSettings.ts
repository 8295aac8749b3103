/**
 * The setting `LIMITS`: `off`, or a list of changes to the default limits, such as
 * `codes-per-number=3/10m,20/24h; wait-between-codes=off`.
 */
import { Duration, Option, Result } from "effect"
import { type Counters, Limits } from "effect-user-phone"

type Change = Partial<Limits.Limits>

/** What each limit takes instead of `off`. */
const parsers: Readonly<
  Record<string, { readonly rule: string; readonly parse: (text: string) => Change | undefined }>
> = {
  "guesses-per-code": count("guessesPerCode"),
  "wrong-guesses-per-user": guesses("wrongGuessesPerUser", "a window of at most 100, such as 10/24h"),
  "wrong-guesses-per-number": guesses("wrongGuessesPerNumber", "a window, such as 10/24h"),
  "wrong-guesses-in-a-row": count("wrongGuessesInARow"),
  "wait-between-codes": {
    rule: "the first and the longest wait, such as 30s-32m",
    parse: (text) => {
      if (text === "off") return { waitBetweenCodes: "off" }
      const [first, longest, ...more] = text.split("-").map(durationOf)
      const { waitBetweenCodes: usual } = Limits.defaults
      return first === undefined || longest === undefined || more.length > 0 || usual === "off"
        ? undefined
        : { waitBetweenCodes: { ...usual, first, longest } }
    }
  },
  "codes-per-number": windows("codesPerNumber"),
  "codes-per-user": windows("codesPerUser"),
  "notices-per-number": windows("noticesPerNumber")
}

/** The limits that a text asks for, or all that is wrong with it. */
export const parse = (text: string): Result.Result<Limits.Limits, ReadonlyArray<string>> => {
  if (text.trim() === "off") return Result.succeed(Limits.off)
  const changes = new Map<string, Change>()
  const faults: Array<string> = []
  for (const entry of text.split(";").map((part) => part.trim()).filter((part) => part !== "")) {
    const [, name = "", value = ""] = /^([^=]*?)\s*=\s*(.*)$/.exec(entry) ?? []
    const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined
    const change = parser?.parse(value)
    if (parser === undefined) {
      faults.push(
        `${entry} is no limit; write off, or a list of name=value with semicolons; the names are ${
          Object.keys(parsers).join(", ")
        }`
      )
    } else if (change === undefined || Limits.faultOf({ ...Limits.off, ...change }, true) !== undefined) {
      faults.push(`${name} must be off, or ${parser.rule}`)
    } else if (changes.has(name)) faults.push(`${name} must be named once`)
    else changes.set(name, change)
  }
  return faults.length > 0
    ? Result.fail(faults)
    : Result.succeed(Object.assign({}, Limits.defaults, ...changes.values()))
}

/** A duration such as `30s`, `10m`, `24h` or `0s`, or `30 seconds`. */
export const durationOf = (text: string): Duration.Duration | undefined => {
  const [, amount, unit] = /^\s*(\d{1,6})\s*(s|m|h|d)\s*$/.exec(text) ?? []
  if (amount === undefined) {
    const read = Option.getOrUndefined(Duration.fromInput(text.trim() as Duration.Input))
    return read && Duration.isFinite(read) && !Duration.isNegative(read) ? read : undefined
  }
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit as "s" | "m" | "h" | "d"]
  return Duration.seconds(Number(amount) * seconds)
}

function windowOf(text: string): Counters.Window | undefined {
  const [max = "", within = "", ...more] = text.split("/").map((part) => part.trim())
  const duration = durationOf(within)
  return /^\d{1,9}$/.test(max) && duration !== undefined && more.length === 0
    ? { max: Number(max), within: duration }
    : undefined
}

function count(key: "guessesPerCode" | "wrongGuessesInARow") {
  return {
    rule: "a whole number from 1",
    parse: (text: string): Change | undefined => {
      if (text === "off") return { [key]: "off" }
      return /^\d{1,9}$/.test(text) ? { [key]: Number(text) } : undefined
    }
  }
}

function guesses(key: "wrongGuessesPerUser" | "wrongGuessesPerNumber", rule: string) {
  return {
    rule,
    parse: (text: string): Change | undefined => {
      if (text === "off") return { [key]: "off" }
      const window = windowOf(text)
      return window && { [key]: window }
    }
  }
}

function windows(key: "codesPerNumber" | "codesPerUser" | "noticesPerNumber") {
  return {
    rule: "windows with commas, such as 5/10m,20/24h",
    parse: (text: string): Change | undefined => {
      if (text === "off") return { [key]: "off" }
      const [first, ...rest] = text.split(",").map(windowOf)
      const others = rest.filter((window) => window !== undefined)
      return first === undefined || others.length < rest.length ? undefined : { [key]: [first, ...others] }
    }
  }
}
