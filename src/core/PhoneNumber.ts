/**
 * A phone number in E.164 form, how a caller's text becomes one, and which numbers are accepted.
 *
 * Line types and national rules come from Google's metadata through libphonenumber-js. A number is personal data, so it
 * is `Redacted` from the moment it is parsed and never appears in an error.
 */
import type * as Brand from "effect/Brand"
import * as Context from "effect/Context"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  type CountryCode,
  getCountryCallingCode,
  isSupportedCountry,
  type NumberType,
  parsePhoneNumberFromString,
  type PhoneNumber as ParsedNumber
} from "libphonenumber-js/max"
import { InvalidPhoneNumber } from "./Errors.ts"
import { asciiDigits } from "./internal/Digits.ts"
import { secret } from "./internal/Secret.ts"

/**
 * The characters of a number in E.164 form: a plus sign, then 2 to 15 digits, the first of them not zero.
 *
 * @category models
 * @since 0.1.0
 */
export const E164 = Schema.String.check(
  Schema.isPattern(/^\+[1-9]\d{1,14}$/, { expected: "a phone number in E.164 form" })
).pipe(Schema.brand("E164"))

/**
 * @category models
 * @since 0.1.0
 */
export type E164 = string & Brand.Brand<"E164">

/**
 * A phone number, hidden from logs. `Redacted.value` gives its E.164 characters.
 *
 * @category models
 * @since 0.1.0
 */
export const PhoneNumber = secret(E164)

/**
 * @category models
 * @since 0.1.0
 */
export type PhoneNumber = Redacted.Redacted<E164>

/**
 * A region as ISO 3166-1 alpha-2, in capitals: `CH`.
 *
 * @category models
 * @since 0.1.0
 */
export type Region = CountryCode

/**
 * Whether numbers of this region are known.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRegion = (text: string): text is Region => isSupportedCountry(text)

/**
 * How strictly a number can be judged; see `PhonePolicy.accept`.
 *
 * @category constants
 * @since 0.1.0
 */
export const acceptances = ["mobile", "valid", "parsable"] as const

/**
 * Which numbers a user may have.
 *
 * @category models
 * @since 0.1.0
 */
export interface PhonePolicy {
  /** The region that a number without a country code is read in. None by default: such a number is refused. */
  readonly defaultRegion?: Region | undefined
  /**
   * How strictly a number is judged; the default is `mobile`.
   *
   * - `mobile`: a valid number whose line can take an SMS everywhere: mobile, or fixed-line-or-mobile.
   * - `valid`: a valid number of any line type but premium rate, toll free and shared cost.
   * - `parsable`: anything with a known country code and at most 15 digits, as ZITADEL takes it.
   */
  readonly accept?: typeof acceptances[number] | undefined
  /** The only regions whose numbers are taken, or `all`, the default. */
  readonly regions?: "all" | ReadonlyArray<Region> | undefined
}

/**
 * The policy in force, a setting with a default. It is read when the operations are built.
 *
 * @category references
 * @since 0.1.0
 */
export const PhonePolicy = Context.Reference<PhonePolicy>("effect-user-phone/core/PhoneNumber/PhonePolicy", {
  defaultValue: () => ({ accept: "mobile", regions: "all" })
})

const mobileTypes: ReadonlySet<NumberType> = new Set<NumberType>(["MOBILE", "FIXED_LINE_OR_MOBILE"])
const costlyTypes: ReadonlySet<NumberType> = new Set<NumberType>(["PREMIUM_RATE", "TOLL_FREE", "SHARED_COST"])

/**
 * Reads a number as a person writes it: with spaces, punctuation, or digits of another script, but without letters.
 *
 * An extension is dropped, as in ZITADEL, since an SMS has no use for it. `isListed` tells which numbers the policy
 * does not apply to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (
  text: Redacted.Redacted,
  policy: PhonePolicy,
  isListed: (number: PhoneNumber) => boolean = () => false
): Result.Result<PhoneNumber, InvalidPhoneNumber> => {
  const written = plain(Redacted.value(text))
  // The parser does not always read `;phone-context=` of RFC 3966 in the same way, and a number with a country code has
  // none.
  if (/;phone-context=/i.test(written)) return fail("NotANumber")
  const parsed = parsePhoneNumberFromString(written, {
    extract: false,
    ...(policy.defaultRegion === undefined ? {} : { defaultCountry: policy.defaultRegion })
  })
  if (parsed === undefined) {
    return fail(policy.defaultRegion === undefined && !written.startsWith("+") ? "NoCountryCode" : "NotANumber")
  }
  const settled = policy.accept === "parsable" ? settle(parsed) : withZero(parsed)
  if (!isE164(settled.number)) return fail("NotANumber")
  const number = Redacted.make(settled.number)
  const refusal = isListed(number) ? undefined : judge(settled, policy)
  return refusal === undefined ? Result.succeed(number) : fail(refusal)
}

/**
 * Removes or converts what a pasted number brings along: invisible characters, separators and digits of other scripts,
 * the plus sign of Asian keyboards, a `tel:`, and brackets around the country code.
 */
const plain = (text: string): string =>
  (ascii.test(text)
    ? text
    : asciiDigits(text.replaceAll(/\p{Cf}/gu, "").replaceAll(/[\s\u00B7]/gu, " ").replaceAll("\uFF0B", "+")))
    .trim().replace(/^tel:(?=\+)/i, "").replace(/^\( *(\+\d{1,3}) *\)/, "$1 ")

/** Most numbers are written in ASCII only, and need no conversion. */
const ascii = /^[ -~]*$/

/**
 * The same line has to give the same number, and only in Gabon is a line valid in two spellings: with a leading zero
 * and without it, as numbers were before 2012.
 */
const withZero = (number: ParsedNumber): ParsedNumber => {
  if (number.country !== "GA") return number
  const longer = parsePhoneNumberFromString(`+2410${number.nationalNumber}`, { extract: false })
  return longer?.formatNational() === number.formatNational() ? longer : number
}

/**
 * Parses a number until it no longer changes. If a number need not be valid, each parse may drop a digit, such as a
 * leading zero, and the same line has to give the same number.
 */
const settle = (number: ParsedNumber): ParsedNumber => {
  const again = parsePhoneNumberFromString(number.number, { extract: false })
  return again === undefined || again.number === number.number ? number : settle(again)
}

const isE164: (text: string) => text is E164 = Schema.is(E164)

const fail = (reason: InvalidPhoneNumber["reason"]) => Result.fail(new InvalidPhoneNumber({ reason }))

const judge = (
  number: ParsedNumber,
  { accept = "mobile", regions = "all" }: PhonePolicy
): InvalidPhoneNumber["reason"] | undefined => {
  if (accept !== "parsable") {
    const type = number.getType()
    // A number that has a type is valid.
    if (type === undefined && !number.isValid()) return "NotValid"
    if (type !== undefined && costlyTypes.has(type)) return "TypeRefused"
    if (accept === "mobile" && (type === undefined || !mobileTypes.has(type))) return "TypeRefused"
  }
  return regions === "all" || regions.some((region) => isOf(number, region)) ? undefined : "RegionRefused"
}

/**
 * A number that is not valid may belong to no region for certain; it then counts for every region with its country
 * code.
 */
const isOf = (number: ParsedNumber, region: Region): boolean =>
  number.country === region ||
  (number.country === undefined && number.countryCallingCode === getCountryCallingCode(region))

/**
 * The number as it may be shown or logged: the first three characters and the last four, `+41•••••4567`. A number too
 * short for that shows fewer.
 *
 * @category conversions
 * @since 0.1.0
 */
export const mask = (number: PhoneNumber): string => {
  const text = Redacted.value(number)
  const head = Math.min(3, text.length - 2)
  const tail = text.length > 7 ? 4 : 0
  return text.slice(0, head) + "•".repeat(text.length - head - tail) + text.slice(text.length - tail)
}
