/**
 * SetPhone: every option by every caller, and everything that a number or an id may look like.
 */
import {
  type Caller,
  type Failure,
  headerMalformed,
  invalid,
  invalidPhone,
  lengthRule,
  notChanged,
  notFound,
  notInitialized,
  other,
  type Outcome,
  permissionDenied,
  self,
  type SetPhoneCase,
  type SetPhoneFields,
  type Target,
  tokenInvalid,
  tokenMissing,
  writer
} from "./Case.ts"

const number = "+41791112233"

const sent: Outcome = { number, verified: false, code: "sent" }
const returned: Outcome = { number, verified: false, code: "returned" }
const vouched: Outcome = { number, verified: true, code: "nowhere" }
const fails = (failure: Failure): Outcome => ({ failure })

const options = {
  "no option": {},
  "sendCode": { sendCode: {} },
  "returnCode": { returnCode: {} },
  "isVerified true": { isVerified: true },
  "isVerified false": { isVerified: false },
  "two options at once": { returnCode: {}, isVerified: true }
} satisfies Record<string, SetPhoneFields>

const two = fails(invalid("isVerified", "must not be set together with returnCode"))

/** Per caller: what becomes of the six options, in their order. */
const matrix: ReadonlyArray<readonly [name: string, Caller, Target, ReadonlyArray<Outcome>]> = [
  ["own user", self, "active", [sent, sent, fails(permissionDenied), fails(permissionDenied), sent, two]],
  ["other user with user.write", writer, "active", [sent, sent, returned, vouched, sent, two]],
  ["other user without", other, "active", [...Array.from({ length: 5 }, () => fails(permissionDenied)), two]],
  ["user.write in another organisation", { ...other, writes: "another organisation" }, "active", [
    ...Array.from({ length: 5 }, () => fails(notFound)),
    two
  ]],
  ["unknown user", writer, "unknown", [...Array.from({ length: 5 }, () => fails(notFound)), two]],
  ["machine user", writer, "machine", [...Array.from({ length: 5 }, () => fails(notFound)), two]],
  ["user not initialised", writer, "initial", [...Array.from({ length: 5 }, () => fails(notInitialized)), two]],
  ["no token", { token: "none" }, "active", Array.from({ length: 6 }, () => fails(tokenMissing))],
  ["bad token", { token: "bad" }, "active", Array.from({ length: 6 }, () => fails(tokenInvalid))],
  ["expired token", { token: "expired" }, "active", Array.from({ length: 6 }, () => fails(tokenInvalid))]
]

export const everyOptionByEveryCaller: ReadonlyArray<SetPhoneCase> = matrix.flatMap((
  [name, caller, target, outcomes]
) =>
  Object.entries(options).map(([option, fields], index) => ({
    name: `${option}, ${name}`,
    caller,
    target,
    request: { phone: number, ...fields },
    outcome: outcomes[index]!
  }))
)

const ownWriter: Caller = { token: "valid", is: "target", writes: "target's organisation" }

export const furtherCallers: ReadonlyArray<SetPhoneCase> = [
  ["a header that is no bearer token", { token: "malformed" }, "active", {}, fails(headerMalformed)],
  ["returnCode for oneself, with user.write", ownWriter, "active", { returnCode: {} }, returned],
  ["isVerified for oneself, with user.write", ownWriter, "active", { isVerified: true }, vouched],
  ["returnCode for oneself, with user.write elsewhere", { ...self, writes: "another organisation" }, "active", {
    returnCode: {}
  }, fails(permissionDenied)],
  ["oneself, not initialised", self, "initial", {}, fails(notInitialized)],
  [
    "returnCode for oneself, not initialised: permission first",
    self,
    "initial",
    { returnCode: {} },
    fails(
      permissionDenied
    )
  ],
  ["oneself, a machine user", self, "machine", {}, fails(notFound)],
  ["oneself, unknown", self, "unknown", {}, fails(notFound)],
  ["oneself, removed", self, "removed", {}, fails(notFound)],
  ["removed user", writer, "removed", { returnCode: {} }, fails(notFound)],
  ["removed user, without user.write: permission first", other, "removed", {}, fails(permissionDenied)],
  ["unknown user, without user.write: permission first", other, "unknown", {}, fails(permissionDenied)]
].map(([name, caller, target, fields, outcome]) =>
  ({ name, caller, target, request: { phone: number, ...fields as object }, outcome }) as SetPhoneCase
)

const asWriter = (
  name: string,
  request: SetPhoneFields,
  outcome: Outcome,
  more: { readonly userId?: string; readonly before?: string } = {}
): SetPhoneCase => ({
  name,
  caller: writer,
  target: "active",
  request: { returnCode: {}, ...request },
  outcome,
  ...more
})

const accepted = (written: string, as: string) =>
  asWriter(`takes ${JSON.stringify(written)}`, { phone: written }, { number: as, verified: false, code: "returned" })

const refused = (written: string, description: string) =>
  asWriter(`refuses ${JSON.stringify(written)}`, { phone: written }, fails(invalidPhone(description)))

const noNumber = "must be a phone number: a plus sign, a country code and digits, such as +41791234567"
const noCountry = "must start with a plus sign and a country code, such as +41791234567"
const notValid = "must be a number that exists in its country's numbering plan; check for a missing or extra digit"
const wrongType = "must be a number of a line type that is accepted here, such as a mobile number"

export const numbers: ReadonlyArray<SetPhoneCase> = [
  accepted("+41791112233", number),
  accepted("+41 79 111 22 33", number),
  accepted(" +41791112233 ", number),
  accepted("+41 (0)79 111-22.33", number),
  accepted("+41/79/1112233", number),
  accepted("+41791112233 ext. 5", number),
  accepted("\uFF0B41791112233", number),
  accepted("+\u0664\u0661\u0667\u0669\u0661\u0661\u0661\u0662\u0662\u0663\u0663", number),
  accepted("tel:+41-79-111-22-33", number),
  accepted("\u202A+41 79 111 22 33\u202C", number),
  accepted("+1 415 555 2671", "+14155552671"),
  accepted("+39 347 123 4567", "+393471234567"),
  accepted(`${number}${" ".repeat(200 - number.length)}`, number),

  refused("abc", noCountry),
  refused("079 111 22 33", noCountry),
  refused("0041791112233", noCountry),
  refused("x+41791112233y", noCountry),
  refused("+41791112233abc", noNumber),
  refused("+", noNumber),
  refused("   ", noCountry),
  refused("++41791112233", noNumber),
  refused("+999123456", noNumber),
  refused("+0791112233", noNumber),
  refused("+41791112233\u0000", noNumber),
  refused("+41791112233;phone-context=x", noNumber),
  refused("tel:+41791112233;Phone-Context=+41", noNumber),
  refused("\uD800", noCountry),
  refused("+41 79 111 22 3", notValid),
  refused("+4179111223344", notValid),
  refused("+4112", notValid),
  refused("+41443643533", wrongType),
  refused("+41900123456", wrongType),
  refused("+41800123456", wrongType),
  refused("+18003569377", wrongType),
  asWriter("refuses 200 code points that are no number", { phone: "😀".repeat(200) }, fails(invalidPhone(noCountry))),
  asWriter("refuses 200 digits", { phone: `+${"1".repeat(199)}` }, fails(invalidPhone(noNumber))),

  asWriter("refuses 201 code points", { phone: "😀".repeat(201) }, fails(invalid("phone", lengthRule))),
  asWriter(
    "refuses a number with 201 code points",
    { phone: `${number}${" ".repeat(189)}` },
    fails(
      invalid("phone", lengthRule)
    )
  ),
  asWriter("refuses no phone", {}, fails(invalid("phone", lengthRule))),
  asWriter("refuses an empty phone", { phone: "" }, fails(invalid("phone", lengthRule))),

  asWriter("refuses the number that the user has", { phone: "+41 79 111 22 33" }, fails(notChanged), {
    before: number
  }),
  asWriter(
    "refuses the number that the user has, also as verified",
    { phone: number, returnCode: null, isVerified: true },
    fails(notChanged),
    { before: number }
  ),
  asWriter("replaces the number that the user has", { phone: "+41791112244" }, {
    number: "+41791112244",
    verified: false,
    code: "returned"
  }, { before: number })
]

export const userIds: ReadonlyArray<SetPhoneCase> = [
  ..."/?#%;:@&=+$, \"<>\\^`{}|[]!'()*~".split("").map((character) =>
    asWriter(`takes an id with ${character}`, { phone: number }, returned, { userId: `a${character}b` })
  ),
  asWriter("takes an id that looks encoded", { phone: number }, returned, { userId: "%2F%252F%00" }),
  asWriter("takes an id of dots", { phone: number }, returned, { userId: "..." }),
  asWriter("takes an id of 200 code points", { phone: number }, returned, { userId: "😀".repeat(200) }),
  asWriter("refuses an id of 201 code points", { phone: number }, fails(invalid("userId", lengthRule)), {
    userId: "😀".repeat(201)
  }),
  asWriter("refuses an id of 3,000 characters", { phone: number }, fails(invalid("userId", lengthRule)), {
    userId: "x".repeat(3000)
  }),
  asWriter(
    "refuses an id with U+0000",
    { phone: number },
    fails(
      invalid("userId", "value must be well-formed text without the character U+0000")
    ),
    { userId: "a\u0000b" }
  )
]
