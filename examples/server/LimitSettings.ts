/**
 * The setting `LIMITS`: `off`, or a list of changes to the default limits, such as
 * `codes-per-number=3/10m,20/24h; wait-between-codes=off`.
 */
import { Duration, Result } from "effect"
import { type Counters, Limits } from "effect-user-phone"

type Change = Partial<Limits.Limits>

/** What each limit takes instead of `off`. */
const parsers: Readonly<
  Record<string, { readonly rule: string; readonly parse: (text: string) => Change | undefined }>
> = {
  "guesses-per-code": count("guessesPerCode"),
  "wrong-guesses-per-user": guesses("wrongGuessesPerUser"),
  "wrong-guesses-per-number": guesses("wrongGuessesPerNumber"),
  "wrong-guesses-in-a-row": count("wrongGuessesInARow"),
  "wait-between-codes": {
    rule: "the first and the longest wait, such as 30s-32m",
    parse: (text) => {
      if (text === "off") return { waitBetweenCodes: "off" }
      const [first, longest, ...more] = text.split("-").map(durationOf)
      if (first === undefined || longest === undefined || more.length > 0) return undefined
      if (Duration.isGreaterThan(first, longest) || !Duration.isGreaterThan(first, Duration.zero)) return undefined
      return { waitBetweenCodes: { first, longest, jitter: 0.1 } }
    }
  },
  "codes-per-number": windows("codesPerNumber"),
  "codes-per-user": windows("codesPerUser"),
  "notices-per-number": windows("noticesPerNumber")
}

/** The limits that a text asks for, or what is wrong with it. */
export const parse = (text: string): Result.Result<Limits.Limits, string> => {
  if (text.trim() === "off") return Result.succeed(Limits.off)
  const changes = new Map<string, Change>()
  for (const entry of text.split(";").map((part) => part.trim()).filter((part) => part !== "")) {
    const [, name = "", value = ""] = /^([^=]*?)\s*=\s*(.*)$/.exec(entry) ?? []
    const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined
    if (parser === undefined) {
      return Result.fail(
        `off, or a list of name=value with semicolons; the names are ${Object.keys(parsers).join(", ")}`
      )
    }
    const change = parser.parse(value)
    if (change === undefined) return Result.fail(`${name} must be off, or ${parser.rule}`)
    if (changes.has(name)) return Result.fail(`${name} must be named once`)
    changes.set(name, change)
  }
  return Result.succeed(Object.assign({}, Limits.defaults, ...changes.values()))
}

/** A duration such as `30s`, `10m`, `24h` or `0s`. */
export const durationOf = (text: string): Duration.Duration | undefined => {
  const [, amount, unit] = /^\s*(\d{1,6})\s*(s|m|h|d)\s*$/.exec(text) ?? []
  if (amount === undefined) return undefined
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit as "s" | "m" | "h" | "d"]
  return Duration.seconds(Number(amount) * seconds)
}

function windowOf(text: string): Counters.Window | undefined {
  const [max = "", within = "", ...more] = text.split("/").map((part) => part.trim())
  const duration = durationOf(within)
  if (!/^[1-9]\d{0,5}$/.test(max) || duration === undefined || more.length > 0) return undefined
  return Duration.isGreaterThan(duration, Duration.zero) ? { max: Number(max), within: duration } : undefined
}

function count(key: "guessesPerCode" | "wrongGuessesInARow") {
  return {
    rule: "a whole number from 1",
    parse: (text: string): Change | undefined => {
      if (text === "off") return { [key]: "off" }
      return /^[1-9]\d{0,8}$/.test(text) ? { [key]: Number(text) } : undefined
    }
  }
}

function guesses(key: "wrongGuessesPerUser" | "wrongGuessesPerNumber") {
  return {
    rule: "a window of at most 100, such as 10/24h",
    parse: (text: string): Change | undefined => {
      if (text === "off") return { [key]: "off" }
      const window = windowOf(text)
      return window !== undefined && window.max <= 100 ? { [key]: window } : undefined
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
