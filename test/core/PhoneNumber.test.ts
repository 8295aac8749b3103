/** Numbers as people write them, and which are taken. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { getCountries, getExampleNumber, parsePhoneNumberFromString } from "libphonenumber-js/max"
import examples from "libphonenumber-js/mobile/examples"
import * as PhoneNumber from "../../src/core/PhoneNumber.ts"

const anything: PhoneNumber.PhonePolicy = { accept: "parsable", regions: "all" }
const mobile: PhoneNumber.PhonePolicy = { accept: "mobile", regions: "all" }

const parse = (text: string, policy: PhoneNumber.PhonePolicy) =>
  Result.match(PhoneNumber.parse(Redacted.make(text), policy), {
    onSuccess: (number) => Redacted.value(number) as string,
    onFailure: ({ reason }) => reason
  })

describe("PhoneNumber", () => {
  it("takes the mobile numbers of every region that has an example, as mobile", () => {
    const refused = getCountries().filter((region) => {
      const number = getExampleNumber(region, examples)
      return number !== undefined && parse(number.number, mobile) !== number.number
    })
    assert.deepStrictEqual(refused, [])
  })

  it("has one spelling of a line, with a zero in front and without", () => {
    for (const text of ["+241 06 97 84 19", "+241 6 97 84 19", "06 97 84 19", "6 97 84 19"]) {
      assert.strictEqual(parse(text, { ...mobile, defaultRegion: "GA" }), "+24106978419")
    }
    assert.strictEqual(parse("+241 62 97 84 19", mobile), "+24162978419")

    const policies = [mobile, { ...mobile, accept: "valid" }] as const
    const twice = policies.flatMap((policy) =>
      getCountries().flatMap((region) => {
        const number = getExampleNumber(region, examples)
        if (number === undefined) return []
        const { countryCallingCode, nationalNumber } = number
        const spellings = new Set([0, 1].map((zeros) => nationalNumber.replace(/^0?/, "0".repeat(zeros))))
        const lines = [...spellings].flatMap((digits) => {
          const read = parse(`+${countryCallingCode}${digits}`, policy)
          return read.startsWith("+") ? [parsePhoneNumberFromString(read)!] : []
        })
        const alike = lines.filter((line) => line.formatNational() === lines[0]?.formatNational())
        return new Set(alike.map((line) => line.number)).size > 1 ? [region] : []
      })
    )
    assert.deepStrictEqual(twice, [])
  })

  const written: ReadonlyArray<readonly [text: string, policy: PhoneNumber.PhonePolicy, result: string]> = [
    ["079 111 22 33", { ...mobile, defaultRegion: "CH" }, "+41791112233"],
    ["0041791112233", { ...mobile, defaultRegion: "CH" }, "+41791112233"],
    ["+49 151 23456789", { ...mobile, defaultRegion: "CH" }, "+4915123456789"],
    ["079 111 22 33", mobile, "NoCountryCode"],
    ["12", { ...mobile, defaultRegion: "CH" }, "NotValid"],
    ["abc", { ...mobile, defaultRegion: "CH" }, "NotANumber"],
    ["+999123456", mobile, "NotANumber"],
    ["x+41791112233y", mobile, "NoCountryCode"],
    [" tel:+41-79-111-22-33 ", mobile, "+41791112233"],
    ["TEL:+41791112233", mobile, "+41791112233"],
    ["tel:079 111 22 33", { ...mobile, defaultRegion: "CH" }, "NotANumber"],
    ["\u202A+41 79 111 22 33\u202C", mobile, "+41791112233"],
    ["\uFF0B41791112233", mobile, "+41791112233"],
    ["tel:\uFF0B41791112233", mobile, "+41791112233"],
    ["+41\u202F79\u2009111\u00A022\t33", mobile, "+41791112233"],
    ["+41\u00B779\u00B7111\u00B722\u00B733", mobile, "+41791112233"],
    ["(+41) 79 111 22 33", mobile, "+41791112233"],
    ["(+1) 415 555 2671", mobile, "+14155552671"],
    ["+\u096A\u0967 \u096D\u096F \u0967\u0967\u0967 \u0968\u0968 \u0969\u0969", mobile, "+41791112233"],
    ["(079) 111 22 33", mobile, "NoCountryCode"],
    ["+440074914832123", anything, "+4474914832123"],
    ["+41443643533", mobile, "TypeRefused"],
    ["+41443643533", { ...mobile, accept: "valid" }, "+41443643533"],
    ["+41900123456", { ...mobile, accept: "valid" }, "TypeRefused"],
    ["+41800123456", { ...mobile, accept: "valid" }, "TypeRefused"],
    ["+41840123456", { ...mobile, accept: "valid" }, "TypeRefused"],
    ["+41900123456", anything, "+41900123456"],
    ["+4112", mobile, "NotValid"],
    ["+4112", { ...mobile, accept: "valid" }, "NotValid"],
    ["+4112", anything, "+4112"],
    ["+417911122334455", anything, "+417911122334455"],
    ["+41791112233445566", anything, "NotANumber"],
    ["+41791112233", { ...mobile, regions: ["CH", "LI"] }, "+41791112233"],
    ["+4915123456789", { ...mobile, regions: ["CH", "LI"] }, "RegionRefused"],
    ["+41791112233", { ...mobile, regions: [] }, "RegionRefused"],
    ["+14165550123", { ...mobile, regions: ["CA"] }, "+14165550123"],
    ["+14165550123", { ...mobile, regions: ["US"] }, "RegionRefused"],
    ["+881612345678", { ...anything, regions: ["CH"] }, "RegionRefused"],
    ["+4915123456789", { accept: "parsable", regions: ["CH"] }, "RegionRefused"],
    ["+447700900123", { accept: "parsable", regions: ["GB"] }, "+447700900123"]
  ]
  for (const [text, policy, result] of written) {
    it(`makes ${result} of ${text} under ${JSON.stringify(policy)}`, () => {
      assert.strictEqual(parse(text, policy), result)
    })
  }

  const separators = ["", " ", "-", ".", "  ", "/", "\u00A0"]
  const digits = Arbitrary.schema(Schema.Natural.check(Schema.isBetween({ minimum: 0, maximum: 9_999_999 })))
  const gaps = Arbitrary.schema(
    Schema.Array(Schema.Natural.check(Schema.isBetween({ minimum: 0, maximum: separators.length - 1 }))).check(
      Schema.isBetweenLength(9, 9)
    )
  )

  it.effect.prop(
    "reads a number the same however its digits are grouped",
    [digits, gaps],
    ([line, choice]) =>
      Effect.sync(() => {
        const national = `79${String(line).padStart(7, "0")}`
        const grouped = national.split("").map((digit, index) => separators[choice[index]!]! + digit).join("")
        assert.strictEqual(parse(`+41${grouped}`, anything), `+41${national}`)
      }),
    { arbitrary: { runs: 300 } }
  )

  const characters = Arbitrary.schema(
    Schema.Array(Schema.Literals([..."++0123456789012345678901234567890123456789 -()x"])).check(Schema.isMaxLength(16))
  )
  let taken = 0

  it.effect.prop("normalises to what normalises to itself, or refuses", [characters], ([text]) =>
    Effect.sync(() => {
      const once = PhoneNumber.parse(Redacted.make(text.join("")), { ...anything, defaultRegion: "CH" })
      if (Result.isFailure(once)) return
      taken++
      const number = Redacted.value(once.success)
      assert.match(number, /^\+[1-9]\d{1,14}$/)
      assert.strictEqual(parse(number, anything), number)
    }), { arbitrary: { runs: 2000 } })

  it("has met both numbers and other texts in the property before", () => {
    assert.isAbove(taken, 100)
    assert.isBelow(taken, 1900)
  })

  it.effect.prop(
    "survives a round trip through its schema and stays hidden",
    [digits],
    ([line]) =>
      Effect.gen(function*() {
        const text = `+4179${String(line).padStart(7, "0")}`
        const number = yield* Schema.decodeEffect(PhoneNumber.PhoneNumber)(text)
        assert.strictEqual(yield* Schema.encodeEffect(PhoneNumber.PhoneNumber)(number), text)
        assert.notInclude(`${JSON.stringify({ number })} ${String(number)}`, text.slice(3))
      })
  )

  it.effect("is a plus sign and 2 to 15 digits, the first of them not zero, and nothing around it", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeEffect(PhoneNumber.E164)
      for (const text of ["+12", "+41791112233", "+123456789012345"]) {
        assert.strictEqual<string>(yield* decode(text), text)
      }
      for (const text of ["+1", "+1234567890123456", "+0791112233", "41791112233", "x+41791112233", "+41791112233x"]) {
        assert.include((yield* Effect.flip(decode(text))).message, "a phone number in E.164 form")
      }
    }))

  it.effect("has to be a mobile number of any region unless the host says otherwise", () =>
    Effect.gen(function*() {
      const policy = yield* PhoneNumber.PhonePolicy
      assert.deepStrictEqual(policy, { accept: "mobile", regions: "all" })
      for (const text of ["+41791112233", "+33612345678", "+41446681800"]) {
        assert.strictEqual(parse(text, {}), parse(text, policy))
      }
      assert.strictEqual(parse("0791112233", { defaultRegion: "CH" }), "+41791112233")
    }))

  it("knows regions by their two capitals", () => {
    for (const text of ["CH", "US", "GG"]) assert.isTrue(PhoneNumber.isRegion(text))
    for (const text of ["ch", "CHE", "XX", "", "001"]) assert.isFalse(PhoneNumber.isRegion(text))
  })

  it("masks all but the first three and the last four characters", () => {
    const mask = (text: string) => PhoneNumber.mask(Redacted.make(PhoneNumber.E164.make(text)))
    assert.strictEqual(mask("+41791234567"), "+41•••••4567")
    assert.strictEqual(mask("+123456789012345"), "+12•••••••••2345")
    assert.strictEqual(mask("+4112"), "+41••")
    assert.strictEqual(mask("+41123"), "+41•••")
    assert.strictEqual(mask("+411234"), "+41••••")
    assert.strictEqual(mask("+4112345"), "+41•2345")
    assert.strictEqual(mask("+12"), "+••")
  })
})
