/**
 * VerifyPhone, ResendPhoneCode, RemovePhone, GetPhone and UnlockPhoneVerification: by every caller, and after everything
 * that may have happened before. Limits are off; those have stories of their own.
 */
import {
  type Caller,
  type Failure,
  headerMalformed,
  invalid,
  invalidCode,
  noPendingCode,
  noPhone,
  notFound,
  notInitialized,
  other,
  permissionDenied,
  self,
  type Target,
  tokenInvalid,
  tokenMissing,
  writer
} from "./Case.ts"
import {
  type Call,
  deliver,
  first,
  type GetPhoneAnswer,
  type Guess,
  minutes,
  type Outcome,
  pass,
  proven,
  remove,
  resend,
  resendReturned,
  resendSent,
  right,
  second,
  seconds,
  setReturned,
  setSent,
  setVouched,
  type Step,
  type Story,
  verify,
  wrong
} from "./Story.ts"

const fails = (failure: Failure, events: ReadonlyArray<string> = []): Outcome => ({ failure, events })

const verified: Outcome = { events: ["verified"], number: first, verified: true }
const unverified = { number: first, verified: false, pending: true }
const resent: Outcome = { ...unverified, events: ["code.added"], code: "sent" }
const resentReturned: Outcome = { ...resent, code: "returned" }
const removed: Outcome = { events: ["removed"] }
const unlocked: Outcome = { ...unverified, events: ["verification.unlocked"] }
const got = (lifetime: number): Outcome => ({
  ...unverified,
  events: [],
  answer: { phone: first, pendingCode: { expiresIn: lifetime, canResendIn: 0 } }
})

const elsewhere: Caller = { ...other, writes: "another organisation" }
const reader: Caller = { ...other, reads: "target's organisation" }
const readerElsewhere: Caller = { ...other, reads: "another organisation" }
const selfWriter: Caller = { ...self, writes: "target's organisation" }
const selfElsewhere: Caller = { ...self, writes: "another organisation" }

const denied = fails(permissionDenied)
const unknown = fails(notFound)
const uninitialized = fails(notInitialized)
const selfAsWriter = "own user with user.write"

/** What the calls come to, in the order of `calls`. */
type Row = readonly [Outcome, Outcome, Outcome, Outcome, Outcome, Outcome]

const calls: ReadonlyArray<readonly [name: string, Call]> = [
  ["VerifyPhone", verify(right)],
  ["ResendPhoneCode", resend()],
  ["ResendPhoneCode returning the code", resend({ returnCode: {} })],
  ["RemovePhone", { operation: "RemovePhone" }],
  ["GetPhone", { operation: "GetPhone" }],
  ["UnlockPhoneVerification", { operation: "UnlockPhoneVerification" }]
]

const every = (outcome: Outcome): Row => [outcome, outcome, outcome, outcome, outcome, outcome]
const empty: Outcome = { events: [], answer: {} }

const matrix = (got: Outcome): ReadonlyArray<readonly [name: string, Caller, Target, Row]> => [
  ["own user", self, "active", [verified, resent, denied, removed, got, denied]],
  [selfAsWriter, selfWriter, "active", [verified, resent, resentReturned, removed, got, denied]],
  ["own user with user.write elsewhere", selfElsewhere, "active", [verified, resent, denied, removed, got, denied]],
  ["other user with user.write", writer, "active", [verified, resent, resentReturned, removed, got, unlocked]],
  ["other user with user.read", reader, "active", [denied, denied, denied, denied, got, denied]],
  ["other user without", other, "active", every(denied)],
  ["user.write elsewhere", elsewhere, "active", every(unknown)],
  ["user.read elsewhere", readerElsewhere, "active", [denied, denied, denied, denied, unknown, denied]],
  ["unknown user", writer, "unknown", every(unknown)],
  ["unknown user, without user.write", other, "unknown", every(denied)],
  ["removed user", writer, "removed", every(unknown)],
  ["oneself, removed", self, "removed", [unknown, unknown, unknown, unknown, unknown, denied]],
  ["machine user", writer, "machine", every(unknown)],
  ["user not initialised", writer, "initial", [
    uninitialized,
    uninitialized,
    uninitialized,
    uninitialized,
    empty,
    uninitialized
  ]],
  ["oneself, not initialised", self, "initial", [uninitialized, uninitialized, denied, uninitialized, empty, denied]],
  ["no token", { token: "none" }, "active", every(fails(tokenMissing))],
  ["no bearer token", { token: "malformed" }, "active", every(fails(headerMalformed))],
  ["bad token", { token: "bad" }, "active", every(fails(tokenInvalid))],
  ["expired token", { token: "expired" }, "active", every(fails(tokenInvalid))]
]

const everyCallByEveryCaller = (lifetime: number): ReadonlyArray<Story> =>
  matrix(got(lifetime)).flatMap(([name, caller, target, row]) =>
    calls.map(([operation, call], index) => ({
      name: `${operation}, ${name}`,
      caller,
      target,
      given: target === "active" ? [setReturned] : [],
      call,
      outcome: row[index]!
    }))
  )

const story = (
  name: string,
  given: ReadonlyArray<Step>,
  call: Call,
  outcome: Outcome,
  caller: Caller = writer
): Story => ({ name, caller, target: "active", given, call, outcome })

const codeLength = "value length must be between 1 and 20 runes, inclusive"
const badCode = (rule: string) => fails(invalid("verificationCode", rule, "VerifyPhoneRequest"))
const noCode = fails(invalidCode("NO_CODE", 0))
const expired = fails(invalidCode("CODE_EXPIRED", 0))
const wrongCode = fails(invalidCode("CODE_WRONG"), ["verification.failed"])
const previous: Guess = { is: "previous" }

const value = (text: unknown): Call => verify({ is: "value", value: text })

const verifying = (lifetime: number): ReadonlyArray<Story> => [
  story("verifies by a code that was sent", [setSent, deliver], verify(right), verified, self),
  story(
    "verifies a number that was set after another",
    [
      { step: "set", number: second, option: { returnCode: {} } },
      setReturned
    ],
    verify(right),
    verified
  ),
  story("refuses a wrong code, and counts it", [setReturned], verify({ is: "wrong" }), wrongCode),
  story("takes the right code after wrong ones", [setReturned, wrong(9)], verify(right), verified),
  story("refuses a code that was used", proven, verify(right), noCode),
  story("refuses any code where none was made", [], verify({ is: "wrong" }), noCode),
  story("refuses any code of a number that was vouched for", [setVouched], verify({ is: "wrong" }), noCode),
  story("refuses the code of a number that was removed", [setReturned, remove], verify(right), noCode),
  story(
    "refuses the code of a number that was removed and set again",
    [
      setReturned,
      remove,
      { step: "set", number: first, option: { returnCode: {} } }
    ],
    verify(previous),
    wrongCode
  ),
  story(
    "refuses the code of a number that was changed",
    [
      setReturned,
      { step: "set", number: second, option: { returnCode: {} } }
    ],
    verify(previous),
    wrongCode
  ),
  story(
    "refuses the code of a number that was changed for one that is vouched for",
    [
      setReturned,
      { step: "set", number: second, option: { isVerified: true } }
    ],
    verify(right),
    noCode
  ),

  story("takes a code until the moment before it expires", [setReturned, pass(lifetime - 1)], verify(right), verified),
  story("refuses a code from the moment that it expires", [setReturned, pass(lifetime)], verify(right), expired),
  story(
    "refuses a wrong code after expiry without counting it",
    [setReturned, pass(2 * lifetime)],
    verify({
      is: "wrong"
    }),
    expired
  ),

  story("takes the previous code after a resend", [setReturned, resendReturned], verify(previous), verified),
  story("takes the new code after a resend", [setReturned, resendReturned], verify(right), verified),
  story(
    "takes the previous code until the grace is over",
    [
      setReturned,
      resendReturned,
      pass(60 * seconds - 1)
    ],
    verify(previous),
    verified
  ),
  story(
    "refuses the previous code once the grace is over",
    [
      setReturned,
      resendReturned,
      pass(60 * seconds)
    ],
    verify(previous),
    wrongCode
  ),
  story(
    "refuses the previous code from its own expiry",
    [
      setReturned,
      pass(lifetime - 30 * seconds),
      resendReturned,
      pass(30 * seconds)
    ],
    verify(previous),
    wrongCode
  ),
  story(
    "takes the new code after the previous one has expired",
    [
      setReturned,
      pass(lifetime),
      resendReturned
    ],
    verify(right),
    verified
  ),
  story(
    "refuses a previous code that had expired before the resend",
    [
      setReturned,
      pass(lifetime),
      resendReturned
    ],
    verify(previous),
    wrongCode
  ),
  story(
    "takes the new code alone after two resends",
    [
      setReturned,
      resendReturned,
      pass(30 * seconds),
      resendReturned,
      pass(60 * seconds)
    ],
    verify(right),
    verified
  ),

  ...([
    ["spaces", (code) => ` ${code.slice(0, 3)} ${code.slice(3)}\u00A0`],
    ["hyphens", (code) => `${code.slice(0, 3)}-${code.slice(3, 5)}\u2011${code.slice(5)}`],
    [
      "full-width characters",
      (code) => code.replace(/[!-~]/g, (character) => String.fromCharCode(character.charCodeAt(0) + 0xFEE0))
    ],
    ["Arabic-Indic digits", (code) => code.replace(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit)))],
    ["Devanagari digits", (code) => code.replace(/\d/g, (digit) => String.fromCharCode(0x966 + Number(digit)))],
    ["lower case", (code) => code.toLowerCase()],
    ["invisible characters of a text that is pasted", (code) => `\u202A${code}\u202C\u200B\uFEFF`]
  ] satisfies ReadonlyArray<readonly [string, (code: string) => string]>).map(([name, typed]) =>
    story(`forgives ${name}`, [setReturned], verify({ is: "right", typed }), verified)
  ),
  ...([
    ["a character too many", (code) => `${code}0`],
    ["a character too few", (code) => code.slice(0, -1)],
    ["a character in between", (code) => `${code.slice(0, 3)}.${code.slice(3)}`],
    ["the code twice", (code) => code + code],
    ["the code backwards and more", (code) => `${Array.from(code).toReversed().join("")}1`]
  ] satisfies ReadonlyArray<readonly [string, (code: string) => string]>).map(([name, typed]) =>
    story(`does not forgive ${name}`, [setReturned], verify({ is: "right", typed }), wrongCode)
  ),

  story("refuses no code", [setReturned], value(undefined), badCode(codeLength)),
  story("refuses an empty code", [setReturned], value(""), badCode(codeLength)),
  story("refuses a null code", [setReturned], value(null), badCode(codeLength)),
  story("refuses a code of 21 code points", [setReturned], value("😀".repeat(21)), badCode(codeLength)),
  story("compares a code of 20 code points", [setReturned], value("😀".repeat(20)), wrongCode),
  story("compares ill-formed text", [setReturned], value("\uD800\u0000"), wrongCode),
  story("refuses a blank code", [setReturned], value(" - \u00A0"), badCode("value must not be blank"))
]

const resending: ReadonlyArray<Story> = [
  story("sends a new code for one that was sent", [setSent], resend(), resent, self),
  story("sends a new code for one that was returned", [setReturned], resend({ sendCode: {} }), resent, self),
  story("returns a new code for one that was sent", [setSent], resend({ returnCode: {} }), resentReturned),
  story("follows a code that has expired", [setReturned, pass(60 * minutes)], resend(), resent),
  story("follows a code with wrong guesses", [setReturned, wrong(5)], resend(), resent),
  story("ignores isVerified, which it does not know", [setReturned], resend({ isVerified: true }), resent),
  story("takes snake_case", [setReturned], resend({ return_code: {} }), resentReturned),
  story(
    "refuses two options",
    [setReturned],
    resend({ sendCode: {}, returnCode: {} }),
    fails(invalid("returnCode", "must not be set together with sendCode", "ResendPhoneCodeRequest"))
  ),
  {
    ...story(
      "refuses an option that is no object",
      [setReturned],
      resend({ returnCode: true }),
      fails(invalid("returnCode", "must be an object", "ResendPhoneCodeRequest"))
    ),
    encoding: "JSON"
  },
  story("refuses without a phone", [], resend(), fails(noPendingCode), self),
  story("refuses after verification", proven, resend(), fails(noPendingCode)),
  story("refuses for a number that was vouched for", [setVouched], resend({ returnCode: {} }), fails(noPendingCode)),
  story("refuses after removal", [setReturned, remove], resend(), fails(noPendingCode))
]

const removing: ReadonlyArray<Story> = [
  story("removes a number with a code on its way", [setSent], { operation: "RemovePhone" }, removed, self),
  story("removes a number that is verified", proven, { operation: "RemovePhone" }, removed),
  story("removes a number that was vouched for", [setVouched], { operation: "RemovePhone" }, removed),
  story("refuses without a phone", [], { operation: "RemovePhone" }, fails(noPhone), self),
  story("refuses a second time", [setReturned, remove], { operation: "RemovePhone" }, fails(noPhone))
]

const get = (name: string, given: ReadonlyArray<Step>, answer: GetPhoneAnswer): Story =>
  story(
    name,
    given,
    { operation: "GetPhone" },
    {
      events: [],
      answer,
      ...(answer.phone === undefined ? {} : { number: answer.phone, verified: answer.isVerified ?? false }),
      pending: answer.pendingCode !== undefined
    },
    self
  )

const getting = (lifetime: number): ReadonlyArray<Story> => [
  get("tells of no phone", [], {}),
  get("tells of no phone after removal", [...proven, remove], {}),
  get("tells that a number is verified", proven, { phone: first, isVerified: true }),
  get("tells that a number was vouched for", [setVouched], { phone: first, isVerified: true }),
  get("tells of a code on its way", [setSent, pass(5 * seconds)], {
    phone: first,
    pendingCode: {
      expiresIn: lifetime - 5 * seconds,
      canResendIn: -5 * seconds,
      delivery: { state: "queued", attempts: 0 }
    }
  }),
  get("tells of a code that was sent", [setSent, deliver], {
    phone: first,
    pendingCode: { expiresIn: lifetime, canResendIn: 0, delivery: { state: "sent", attempts: 1 } }
  }),
  get("tells of the code after a resend", [setSent, deliver, pass(30 * seconds), resendSent], {
    phone: first,
    pendingCode: { expiresIn: lifetime, canResendIn: 0, delivery: { state: "queued", attempts: 0 } }
  }),
  get("tells of a code that has expired", [setReturned, pass(lifetime + minutes)], {
    phone: first,
    pendingCode: { expiresIn: -1 * minutes, canResendIn: -lifetime - minutes, guessesLeft: 0 }
  })
]

const unlocking: ReadonlyArray<Story> = [
  story("unlocks also who is not locked", [setReturned], { operation: "UnlockPhoneVerification" }, unlocked),
  story("unlocks also without a phone", [], { operation: "UnlockPhoneVerification" }, {
    events: ["verification.unlocked"]
  })
]

/** All of them, for codes that live so many milliseconds. */
export const stories = (lifetime: number): ReadonlyArray<Story> => [
  ...everyCallByEveryCaller(lifetime),
  ...verifying(lifetime),
  ...resending,
  ...removing,
  ...getting(lifetime),
  ...unlocking
]
