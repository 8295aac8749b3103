/**
 * What the operations without Effect are made of, from plain options: limits, numbers and codes. In JavaScript they may be anything, so
 * what cannot be meant is refused by name.
 */
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CodeGenerator from "../../core/CodeGenerator.ts"
import * as Limits from "../../core/Limits.ts"
import { acceptances, isRegion, PhonePolicy } from "../../core/PhoneNumber.ts"
import * as SmsText from "../../core/SmsText.ts"

/** With durations as `"24 hours"` or in milliseconds. */
type Plain<A> = A extends Duration.Duration ? Duration.Input
  : A extends string | number ? A
  : { readonly [Name in keyof A]: Plain<A[Name]> }

/**
 * @category options
 * @since 0.1.0
 */
export interface RuleOptions<E = never> {
  /** `digits6` by default, `zitadel` for six characters of A to Z and 0 to 9, good for an hour. */
  readonly codes?: keyof typeof CodeGenerator.presets | undefined
  /**
   * What differs from the default limits, such as `{ codesPerUser: [{ max: 5, within: "24 hours" }] }`, or `off` for none at all.
   * Durations are texts like this one, or milliseconds.
   */
  readonly limits?: { readonly [Name in keyof Limits.Limits]?: Plain<Limits.Limits[Name]> } | "off" | undefined
  /** Which numbers are taken: countries, line types, and the region of numbers without a country code. */
  readonly phones?: PhonePolicy | undefined
  /** What is sent; in English by default, or such as `IcuSmsText.layer()`. */
  readonly texts?: Layer.Layer<SmsText.SmsText, E> | undefined
}

/** An option that cannot be meant. */
export const refuse = (option: string, rule: string): never => {
  throw new RangeError(`${option} ${rule}`)
}

/** Refuses members that there are not: one that is misspelled would be left out without a word. */
export const checkNames = (what: string, given: object, names: ReadonlyArray<string>): void => {
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined) refuse(`${what}${unknown}`, `is no option: there are ${names.join(", ")}`)
}

export const ruleNames = ["codes", "limits", "phones", "texts"]

/** The rules of a host, as a layer. */
export const layerRules = <E>({
  codes = "digits6",
  limits = {},
  phones = {},
  texts = SmsText.layerEnglish
}: RuleOptions<E>) => {
  if (!Object.hasOwn(CodeGenerator.presets, codes)) {
    refuse("codes", `must be one of ${Object.keys(CodeGenerator.presets).join(", ")}`)
  }
  if (!Layer.isLayer(texts)) refuse("texts", "must be a layer, such as IcuSmsText.layer()")
  return Layer.mergeAll(
    CodeGenerator.layerPreset(codes),
    Layer.succeed(Limits.Limits, limitsOf(limits)),
    Layer.succeed(PhonePolicy, checkPhones(phones)),
    texts
  )
}

/** All limits, where some differ from the default. */
const limitsOf = (given: NonNullable<RuleOptions["limits"]>): Limits.Limits => {
  if (given === "off") return Limits.off
  checkNames("limits.", given, Object.keys(Limits.defaults))
  const changes = Object.entries(given).map(([name, limit]) => [name, withDurations(`limits.${name}`, limit)])
  const limits = { ...Limits.defaults, ...Object.fromEntries(changes) }
  const fault = Limits.faultOf(limits, true)
  return fault === undefined ? limits : refuse("limits:", fault)
}

/** The same where what is a time has become one. */
const withDurations = (name: string, value: unknown): unknown => {
  if (Array.isArray(value)) return value.map((one) => withDurations(name, one))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([member, given]) => [
      member,
      ["within", "first", "longest"].includes(member) ? durationOf(`${name}.${member}`, given) : given
    ])
  )
}

const durationOf = (name: string, given: unknown): Duration.Duration =>
  Option.getOrElse(
    Duration.fromInput(given as Duration.Input),
    () => refuse(name, "must be a duration such as \"24 hours\", or milliseconds")
  )

const checkPhones = (phones: PhonePolicy): PhonePolicy => {
  checkNames("phones.", phones, ["accept", "defaultRegion", "regions"])
  const { accept = "mobile", defaultRegion, regions = "all" } = phones
  if (!acceptances.includes(accept)) refuse("phones.accept", `must be one of ${acceptances.join(", ")}`)
  if (regions !== "all" && !(Array.isArray(regions) && regions.length > 0)) {
    refuse("phones.regions", "must be a list of regions, or \"all\"")
  }
  const named: ReadonlyArray<string> = [
    ...(regions === "all" ? [] : regions),
    ...(defaultRegion ? [defaultRegion] : [])
  ]
  if (!named.every(isRegion)) {
    refuse("phones", "has a region that there is not: they are ISO 3166-1 alpha-2 in capitals, such as CH")
  }
  return phones
}
