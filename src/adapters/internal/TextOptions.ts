/**
 * What texts are made from, once all of it has been checked: the built-in templates, overridden by those of the
 * application, and the host.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SmsSegments from "../SmsSegments.ts"
import * as HostLine from "./HostLine.ts"
import * as LanguageTag from "./LanguageTag.ts"
import { builtIn, roomForHost } from "./SmsTemplates.ts"
import * as Template from "./Template.ts"

/**
 * Templates of an application by language, a BCP 47 tag. A message that is left out is taken from the built-in texts of
 * that language, or of its parents, or from those of the default language.
 *
 * @category options
 * @since 0.1.0
 */
export type Templates = Readonly<Record<string, LanguageTemplates>>

/**
 * @category options
 * @since 0.1.0
 */
export interface LanguageTemplates {
  /** The message with a code: `{code}` exactly once, and `{minutes}` as it is or in a plural. */
  readonly code?: string | undefined
  /** To the holder of a verified number: it was replaced in the account. No arguments. */
  readonly replaced?: string | undefined
  /** To the holder of a verified number: it was removed from the account. No arguments. */
  readonly removed?: string | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface IcuSmsTextOptions {
  /** For users whose language is unknown or has no texts; `en` by default. */
  readonly defaultLanguage?: string | undefined
  /** The host that codes are for, such as `example.com`: its line ends the message of a code. None by default. */
  readonly host?: string | undefined
  /** Templates that replace built-in ones or add to them. */
  readonly templates?: Templates | undefined
  /** How many SMS a template of the application may take at most; 1 by default. */
  readonly maxParts?: number | undefined
}

/**
 * One thing that is wrong with the options, and what to do about it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextFault extends Template.Fault {
  /** The option, such as `host` or `templates.de.code`. */
  readonly setting: string
  /** The language tag as it was given. */
  readonly language?: string
  readonly message?: string
}

export interface Checked {
  readonly faults: ReadonlyArray<TextFault>
  /** By canonical tag. */
  readonly sources: ReadonlyMap<string, LanguageTemplates>
  readonly defaultLanguage: string
  readonly host: string | undefined
  /** Built-in languages in which a code may take more parts than are allowed for the application's own templates. */
  readonly tooLong: ReadonlyArray<string>
}

export const check = (given: IcuSmsTextOptions): Checked => {
  // In JavaScript they, and each of them, may be something else.
  const options: IcuSmsTextOptions = Predicate.isObject(given) ? given : {}
  const { defaultLanguage = "en", host, maxParts = 1, templates = {} } = options
  const settings = options === given ? settingFaults(options, host, maxParts) : [notOptions]
  // An option that is refused anyway is not used to measure texts.
  const limits: Limits = {
    host: settings.some(({ setting }) => setting === "host") ? undefined : host,
    maxParts: settings.some(({ setting }) => setting === "maxParts") ? Infinity : maxParts
  }
  const { faults, sources } = withOwn(templates, limits)
  return {
    faults: [...settings, ...faults, ...defaultFaults(defaultLanguage, sources)],
    sources,
    defaultLanguage,
    host,
    tooLong: (host?.length ?? 0) <= roomForHost
      ? []
      : Object.keys(builtIn).filter((tag) => templateFaults(tag, "code", builtIn[tag]!.code, limits).length > 0)
  }
}

interface Limits {
  readonly host: string | undefined
  readonly maxParts: number
}

const messages: ReadonlyArray<string> = ["code", "replaced", "removed"] satisfies ReadonlyArray<Template.MessageName>

const isMessage = (name: string): name is Template.MessageName => messages.includes(name)

const notAnObject = { rule: "it is no object", remedy: "write { code, replaced, removed } for each language" }

const notATag = { rule: "it is not a language tag", remedy: "write one of BCP 47, such as de or pt-BR" }

const optionNames = ["defaultLanguage", "host", "maxParts", "templates"] satisfies ReadonlyArray<
  keyof IcuSmsTextOptions
>

const notOptions: TextFault = {
  setting: "options",
  rule: "they are no object",
  remedy: `write one with any of ${optionNames.join(", ")}`
}

const settingFaults = (
  options: IcuSmsTextOptions,
  host: string | undefined,
  maxParts: number
): ReadonlyArray<TextFault> => {
  const faults: Array<TextFault> = Object.keys(options)
    .filter((name) => !(optionNames as ReadonlyArray<string>).includes(name))
    .map((setting) => ({ setting, rule: "it is no option", remedy: `write one of ${optionNames.join(", ")}` }))
  const wrong = host === undefined ? undefined : typeof host === "string" ? HostLine.faultOf(host) : "is no text"
  if (wrong !== undefined) {
    faults.push({ setting: "host", rule: `it ${wrong}`, remedy: "write the domain name alone, such as example.com" })
  }
  if (!Number.isInteger(maxParts) || maxParts < 1) {
    faults.push({ setting: "maxParts", rule: "it is not a whole number from 1", remedy: "write how many SMS to allow" })
  }
  return faults
}

/** The built-in templates, overridden by those of the application, and what is wrong with the latter. */
const withOwn = (templates: Templates, limits: Limits) => {
  const sources = new Map<string, LanguageTemplates>(Object.entries(builtIn))
  const faults: Array<TextFault> = []
  const given = new Set<string>()
  if (!Predicate.isObject(templates)) return { sources, faults: [{ setting: "templates", ...notAnObject }] }
  for (const [language, own] of Object.entries(templates)) {
    const setting = `templates.${language}`
    const tag = LanguageTag.canonical(language)
    if (tag === undefined) faults.push({ setting, language, ...notATag })
    else if (given.has(tag)) {
      faults.push({ setting, language, rule: `${tag} is there twice`, remedy: "put its templates together" })
    } else given.add(tag)
    const texts: LanguageTemplates = Predicate.isObject(own) ? own : {}
    if (texts !== own) faults.push({ setting, language, ...notAnObject })
    for (const [message, source] of Object.entries(texts)) {
      if (source === undefined) continue
      const found = isMessage(message)
        ? templateFaults(tag ?? "en", message, source, limits)
        : [{ rule: "there is no such message", remedy: `write one of ${messages.join(", ")}` }]
      faults.push(...found.map((fault) => ({ setting: `${setting}.${message}`, language, message, ...fault })))
      if (tag !== undefined) sources.set(tag, { ...sources.get(tag), [message]: source })
    }
  }
  return { sources, faults }
}

const templateFaults = (
  language: string,
  message: Template.MessageName,
  source: string,
  { host, maxParts }: Limits
): ReadonlyArray<Template.Fault> => {
  if (typeof source !== "string") return [{ rule: "it is no text", remedy: "write a text, or leave it out" }]
  if (source.trim() === "") return [{ rule: "it is empty", remedy: "write a text, or leave it out" }]
  const parsed = Template.parse(language, source)
  if (Result.isFailure(parsed)) return [parsed.failure]
  const faults = Template.argumentFaults(message, parsed.success)
  if (faults.length > 0) return faults
  const { encoding, parts, units } = largest(message, parsed.success, host)
  if (parts <= maxParts) return []
  const rule = `it takes up to ${parts} SMS (${units} units of ${encoding})`
  return [{ rule, remedy: `shorten it, or raise maxParts, which is ${maxParts}` }]
}

/** The longest code that a text is measured with. */
const longestCode = "W".repeat(8)

/** The size of a message with the longest code, at the minutes that make it the largest. */
const largest = (message: Template.MessageName, template: Template.Template, host: string | undefined) => {
  const texts = message === "code"
    ? Template.telling(template).map((minutes) => Template.codeText(template, { code: longestCode, minutes }, host))
    : [Template.noticeText(template)]
  return texts.map(SmsSegments.count).reduce((most, size) => size.parts > most.parts ? size : most)
}

const defaultFaults = (
  language: string,
  sources: ReadonlyMap<string, LanguageTemplates>
): ReadonlyArray<TextFault> => {
  const setting = "defaultLanguage"
  if (typeof language !== "string") return [{ setting, ...notATag }]
  if (LanguageTag.canonical(language) === undefined) return [{ setting, language, ...notATag }]
  const tags = LanguageTag.lookup(language)
  return messages.filter(isMessage).filter((message) => !tags.some((tag) => sources.get(tag)?.[message])).map(
    (message) => ({
      setting,
      language,
      message,
      rule: `${language} has no template for ${message}`,
      remedy: `add templates.${language}.${message}, or choose another language`
    })
  )
}
