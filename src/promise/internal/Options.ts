/**
 * Builds the rules of the operations without Effect from plain options: limits, numbers and codes. In JavaScript these
 * may be anything, so an option that makes no sense is refused by name.
 */
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CodeGenerator from "../../core/CodeGenerator.ts"
import * as Limits from "../../core/Limits.ts"
import { acceptances, isRegion, PhonePolicy } from "../../core/PhoneNumber.ts"
import * as SmsText from "../../core/SmsText.ts"

/** The same type with durations as `"24 hours"` or in milliseconds. */
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
   * What differs from the default limits, such as `{ codesPerUser: [{ max: 5, within: "24 hours" }] }`, or `off` for
   * none at all. Durations are texts like this one, or milliseconds.
   */
  readonly limits?:
    | { readonly [Name in keyof Limits.Limits]?: Plain<Limits.Limits[Name]> | undefined }
    | "off"
    | undefined
  /** Which numbers are accepted: countries, line types, and the region of numbers without a country code. */
  readonly phones?: PhonePolicy | undefined
  /** The texts of messages; English by default. `IcuSmsText.layer()` has many languages. */
  readonly texts?: Layer.Layer<SmsText.SmsText, E> | undefined
}

/** Throws for an option that makes no sense. */
export const refuse = (option: string, rule: string): never => {
  throw new RangeError(`${option} ${rule}`)
}

/** Refuses unknown members: a misspelled one would otherwise be ignored silently. */
export const checkNames = (what: string, given: object, names: ReadonlyArray<string>): void => {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    refuse(what === "" ? "the options" : what.slice(0, -1), "must be an object")
  }
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

/** All limits: the default ones with those that differ. */
const limitsOf = (given: NonNullable<RuleOptions["limits"]>): Limits.Limits => {
  if (given === "off") return Limits.off
  checkNames("limits.", given, Object.keys(Limits.defaults))
  const changes = Object.entries(given)
    .filter(([, limit]) => limit !== undefined)
    .map(([name, limit]) => [name, withDurations(`limits.${name}`, limit)])
  const limits = { ...Limits.defaults, ...Object.fromEntries(changes) }
  const fault = Limits.faultOf(limits, true)
  return fault === undefined ? limits : refuse("limits:", fault)
}

/** The same value with its durations decoded. */
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
