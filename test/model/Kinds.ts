/**
 * The kinds of answers that a run has to come to, so that the generator cannot quietly stop leading to one of them.
 */
import { Model, type Outcome } from "./Model.ts"
import type { Command, Script } from "./Script.ts"

const everyCall = ["InvalidArgument userId", "PermissionDenied", "NotFound"]
const everyChange = [...everyCall, "UserNotInitialized"]
const everyCode = [
  ...everyChange,
  "InvalidArgument idempotencyKey",
  "Done sent",
  "Done returned",
  "Done replayed",
  "IdempotencyKeyReused",
  "VerificationOff",
  "TooManyRequests WAIT_BETWEEN_CODES",
  "TooManyRequests CODES_PER_NUMBER",
  "TooManyRequests CODES_PER_NUMBER by those who are holders",
  "TooManyRequests CODES_PER_NUMBER by those who are vouched for",
  "TooManyRequests CODES_PER_USER"
]

const perCommand: Readonly<Record<Command["do"], ReadonlyArray<string>>> = {
  SetPhone: [
    ...everyCode,
    "Done vouched",
    "Done with a notice",
    "Done with one notice too many",
    "InvalidArgument phone",
    "InvalidPhoneNumber NotANumber",
    "InvalidPhoneNumber NoCountryCode",
    "InvalidPhoneNumber NotValid",
    "InvalidPhoneNumber TypeRefused",
    "InvalidPhoneNumber RegionRefused",
    "PhoneNotChanged"
  ],
  ResendPhoneCode: [
    ...everyCode,
    "NoPendingCode",
    "Done longest wait by default",
    "TooManyRequests CODES_PER_NUMBER 5 by default",
    "TooManyRequests CODES_PER_NUMBER 10 by default",
    "TooManyRequests CODES_PER_NUMBER 20 by default",
    "TooManyRequests CODES_PER_USER 20 by default"
  ],
  VerifyPhone: [
    ...everyChange,
    "InvalidArgument verificationCode",
    "InvalidArgument blank",
    "Done by the code",
    "Done by the one before",
    "Done typed plain",
    "Done typed spaced",
    "Done typed hyphenated",
    "Done typed wide",
    "Done typed altered",
    "VerificationOff",
    "VerificationOff by default",
    "InvalidCode CODE_WRONG",
    "InvalidCode CODE_WRONG in the last room of a number, after a right one",
    "InvalidCode CODE_SPENT",
    "InvalidCode CODE_SPENT by default",
    "InvalidCode CODE_EXPIRED",
    "InvalidCode NO_CODE",
    "TooManyRequests WRONG_GUESSES_PER_USER",
    "TooManyRequests WRONG_GUESSES_PER_USER 10 by default",
    "TooManyRequests WRONG_GUESSES_PER_NUMBER",
    "TooManyRequests WRONG_GUESSES_PER_NUMBER 10 by default",
    "TooManyRequests WRONG_GUESSES_PER_NUMBER though right",
    "TooManyRequests WRONG_GUESSES_PER_NUMBER by those who are holders",
    "TooManyRequests WRONG_GUESSES_PER_NUMBER by those who are vouched for"
  ],
  RemovePhone: [
    ...everyChange,
    "Done",
    "Done with a notice",
    "Done with one notice too many",
    "NoPhone"
  ],
  GetPhone: [...everyCall, "Done none", "Done verified", "Done sent", "Done returned", "Done expired", "Done off"],
  UnlockPhoneVerification: [...everyChange, "Done"],
  Register: ["Done", "UserAlreadyExists"],
  UpdateUser: ["Done", "NotFound"],
  RemoveUser: ["Done", "NotFound"],
  Pass: ["Done"],
  PassUntil: ["expiry", "grace", "wait", "quiet hour", "limit", "wrong guess", "key"].flatMap((moment) =>
    ["before", "at", "after"].map((place) => `Done ${place} ${moment}`)
  )
}

export const expected: ReadonlyArray<string> = Object.entries(perCommand).flatMap(([command, kinds]) =>
  kinds.map((kind) => `${command} ${kind}`)
)

/** What kinds an answer is of. */
export const kindsOf = (command: Command, { answer, like = [] }: Outcome): ReadonlyArray<string> => {
  const is = `${command.do} ${answer.is}`
  if (answer.is === "InvalidArgument" && "flaw" in command) return [`${is} ${command.flaw}`]
  const reason = answer["reason"] === undefined ? is : `${is} ${answer["reason"]}`
  const typed = command.do === "VerifyPhone" && answer.is === "Done" ? [`${is} typed ${command.style}`] : []
  return [reason, ...like.map((one) => `${reason} ${one}`), ...typed]
}

/** What kinds of answers a sequence comes to, as far as the model knows. */
export const kindsIn = ({ commands, settings }: Script): ReadonlySet<string> => {
  const model = new Model(settings)
  return new Set(commands.flatMap((command) => {
    const rounds = "times" in command ? command.times : 1
    return Array.from({ length: rounds }, () => kindsOf(command, model.run(command))).flat()
  }))
}

/** So many of the seeds, with all kinds of answers that all of them come to. */
export const choose = (seeds: ReadonlyArray<number>, count: number, drawn: (seed: number) => Script) => {
  const missing = new Set(expected)
  const rare = seeds.filter((seed) => {
    if (missing.size === 0) return false
    const kinds = kindsIn(drawn(seed))
    const isNew = [...kinds].some((kind) => missing.has(kind))
    for (const kind of kinds) missing.delete(kind)
    return isNew
  })
  return [...new Set([...rare, ...seeds])].slice(0, count)
}
