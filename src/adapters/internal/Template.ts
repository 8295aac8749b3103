/**
 * One template in ICU message syntax, parsed once, and the rules for it: it parses, it uses only the arguments of its
 * message, and it contains the code whatever the minutes are.
 */
import * as Result from "effect/Result"
import { type Formatters, IntlMessageFormat } from "intl-messageformat"
import { withHostLine } from "./HostLine.ts"

/** The three messages. */
export type MessageName = "code" | "replaced" | "removed"

/** What is wrong with a template, and what its author can do. */
export interface Fault {
  readonly rule: string
  readonly remedy: string
}

export interface Template {
  readonly format: (values?: CodeValues) => string
  readonly elements: Elements
}

export interface CodeValues {
  readonly code: string
  readonly minutes: number
}

/** The text of a code, which ends with the host's line if there is a host. */
export const codeText = (template: Template, values: CodeValues, host: string | undefined): string => {
  const text = template.format(values)
  return host === undefined ? text : withHostLine(text, host, values.code)
}

export const noticeText = (template: Template): string => template.format()

type Elements = ReturnType<IntlMessageFormat["getAst"]>

/** Parses a template, or says what is wrong with its syntax. */
export const parse = (language: string, source: string): Result.Result<Template, Fault> =>
  Result.try({
    try: () => {
      const message = new IntlMessageFormat(source, language, undefined, {
        ignoreTag: true,
        formatters: formattersOf(language)
      })
      return { format: (values) => String(message.format({ ...values })), elements: message.getAst() }
    },
    catch: (error) => ({
      rule: `it is not ICU message syntax: ${error instanceof Error ? error.message : "unknown"}`,
      remedy: "close every brace, and give every plural a branch `other`"
    })
  })

/** Minutes are written in digits that every phone shows, without grouping: `1440`, also where `#` stands for them. */
const plainDigits = new Intl.NumberFormat("en", { useGrouping: false })

const formattersOf = (language: string): Formatters => {
  // English is for a language that has no rules here: otherwise the machine's own language would apply.
  const plurals = new Intl.PluralRules([language, "en"])
  return {
    getNumberFormat: () => plainDigits,
    getPluralRules: () => plurals,
    getDateTimeFormat: (...args) => new Intl.DateTimeFormat(...args)
  }
}

/** The parser's numbers for the kinds of elements that a template may have. */
const kinds = { literal: 0, argument: 1, plural: 6, pound: 7 } as const

/** The rules on arguments that a template breaks. */
export const argumentFaults = (message: MessageName, { elements }: Template): ReadonlyArray<Fault> => {
  const uses = usesIn(elements, false)
  const faults: Array<Fault> = []
  const known: ReadonlyArray<string> = message === "code" ? ["code", "minutes"] : []
  for (const name of new Set(uses.map(({ name }) => name).filter((name) => !known.includes(name)))) {
    faults.push({
      rule: `it has no argument {${name}}`,
      remedy: message === "code" ? "use {code} and {minutes} only" : "a notice has no arguments: say it in words"
    })
  }
  if (uses.some(({ kind, name }) => name === "minutes" && kind !== "plain" && kind !== "plural")) {
    faults.push({
      rule: "{minutes} is formatted",
      remedy: "write {minutes}, or {minutes, plural, …} with # for the number"
    })
  }
  if (message === "code") {
    const codes = uses.filter(({ name }) => name === "code")
    if (codes.some(({ kind }) => kind !== "plain")) {
      faults.push({ rule: "{code} is formatted", remedy: "write {code} and nothing else between its braces" })
    } else if (codes.some(({ branch }) => branch)) {
      faults.push({ rule: "{code} is in a branch", remedy: "write {code} outside of every plural" })
    } else if (codes.length !== 1) {
      faults.push({
        rule: `{code} occurs ${codes.length === 0 ? "nowhere" : `${codes.length} times`}`,
        remedy: "write {code} exactly once, without quotes around it"
      })
    }
  }
  return faults
}

interface Use {
  readonly name: string
  readonly kind: "plain" | "plural" | "other"
  /** Whether it is in a branch of another argument, which may not be taken. */
  readonly branch: boolean
}

const usesIn = (elements: Elements, branch: boolean): ReadonlyArray<Use> =>
  elements.flatMap((element): ReadonlyArray<Use> => {
    if (element.type === kinds.literal || element.type === kinds.pound) return []
    const kind = element.type === kinds.argument
      ? "plain"
      : element.type === kinds.plural && element.pluralType === "cardinal" && element.offset === 0
      ? "plural"
      : "other"
    return [{ name: element.value, kind, branch }, ...branchesOf(element).flatMap((inner) => usesIn(inner, true))]
  })

const branchesOf = (element: Elements[number]): ReadonlyArray<Elements> =>
  "options" in element ? Object.values(element.options).map(({ value }) => value) : []

/**
 * Minutes from 1 to a day that together take every branch of a template, at its longest: plural rules look at small
 * numbers, at the last two digits, and at explicitly named numbers.
 */
export const telling = ({ elements }: Template): ReadonlyArray<number> => [
  ...Array.from({ length: 10 }, (_, index) => index + 1),
  ...namedIn(elements).filter((minutes) => minutes >= 1 && minutes <= day),
  ...Array.from({ length: 100 }, (_, index) => day - index)
]

const day = 1440

/** The numbers that have a branch of their own, such as `=30`. */
const namedIn = (elements: Elements): ReadonlyArray<number> =>
  elements.flatMap((element) => [
    ...("options" in element ? Object.keys(element.options).map((selector) => Number(selector.slice(1))) : []),
    ...branchesOf(element).flatMap(namedIn)
  ])
