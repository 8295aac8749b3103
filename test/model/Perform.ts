/**
 * Has the system do what a command says, and tells its answer in the words of a script.
 */
import { Cause, DateTime, Effect, Exit, Random, Redacted } from "effect"
import {
  Actor,
  GetPhone,
  type Operations,
  RemovePhone,
  ResendPhoneCode,
  SetPhone,
  UnlockPhoneVerification,
  UserId,
  Users,
  VerifyPhone
} from "../../src/core/index.ts"
import { type Answer, callerId, type Command, type Person, type Settings, type styles, unfit } from "./Script.ts"
import { Issued, neverMade } from "./System.ts"

type Called = Extract<Command, { readonly by: unknown }>

/** What is symbolic in a script, and is for this run of it. */
export interface Names {
  /** The time that a sequence begins. */
  readonly start: number
  readonly userIds: ReadonlyArray<string>
  readonly numbers: ReadonlyArray<string>
  readonly preset: Settings["preset"]
}

const shapes: Readonly<Record<typeof styles[number], (code: string) => string>> = {
  plain: (code) => code,
  spaced: (code) => ` ${code.slice(0, 3)} ${code.slice(3)}\u200B`,
  hyphenated: (code) => code.match(/../g)!.join("-"),
  wide: (code) => code.replace(/./g, (character) => String.fromCharCode(character.charCodeAt(0) + 0xFEE0)),
  altered: (code) => code.toLowerCase().replace(/\d/g, (digit) => String.fromCharCode(0x0660 + Number(digit)))
}

/** Has the system do what a command says. `code` is what is typed where a code is. */
export const perform = (command: Command, names: Names, code: string | undefined) => {
  const answer: Effect.Effect<object, { readonly _tag: string }, Operations.Operations | Issued | Users.Users> =
    "by" in command ? call(command, names, code) : manage(command, names)
  const chance = "chance" in command ? command.chance : 0
  return Effect.exit(answer).pipe(
    Effect.map((exit): Answer => {
      if (Exit.isSuccess(exit)) return { is: "Done", ...exit.value }
      const error = Cause.squash(exit.cause)
      if (!Cause.hasFails(exit.cause)) return { is: "Defect", defect: String(error) }
      const { _tag, ...fields } = { ...(error as { readonly _tag: string }) }
      return { is: _tag, ...plain(fields, names.start) }
    }),
    Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => chance })
  )
}

const call = (
  command: Called,
  { numbers, preset, start, userIds }: Names,
  code: string | undefined
): Effect.Effect<object, { readonly _tag: string }, Operations.Operations | Issued> =>
  Effect.gen(function*() {
    const { flaw, user } = command
    const issued = yield* Issued
    const userId = flaw === "userId" ? "" : userIds[user]!
    const idempotencyKey = flaw === "idempotencyKey" ? "a b" : "key" in command ? command.key : undefined
    const told = ({ resourceOwner, ...details }: GetPhone.GetPhoneAnswer["details"]) => ({
      ...plain(details, start),
      organization: resourceOwner
    })
    const toldOf = ({ details, replayed, verificationCode: given }: SetPhone.SetPhoneAnswer) => ({
      ...told(details),
      replayed,
      code: given === undefined ? false : Redacted.value(given) === issued.at(-1) || "another"
    })
    switch (command.do) {
      case "SetPhone": {
        const { number, spaced, way } = command
        const { setPhone } = yield* SetPhone.SetPhone
        const text = typeof number === "string" ? unfit[number] : numbers[number]!
        const written = spaced ? text.replace(/^(\+..)(..)(...)/, "$1 $2 $3 ") : text
        const phone = Redacted.make(flaw === "phone" ? "" : written)
        return toldOf(yield* setPhone({ userId, phone, idempotencyKey, verification: way && { _tag: way } }))
      }
      case "ResendPhoneCode": {
        const { way } = command
        const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
        return toldOf(yield* resendPhoneCode({ userId, idempotencyKey, verification: way && { _tag: way } }))
      }
      case "VerifyPhone": {
        const { verifyPhone } = yield* VerifyPhone.VerifyPhone
        const typed = flaw === "blank" ? " -\u2007" : flaw === "verificationCode" ? "1".repeat(21) : undefined
        const guess = typed ?? shapes[command.style](code ?? neverMade(preset))
        return told((yield* verifyPhone({ userId, verificationCode: Redacted.make(guess) })).details)
      }
      case "RemovePhone":
        return told((yield* RemovePhone.RemovePhone.use(({ removePhone }) => removePhone({ userId }))).details)
      case "UnlockPhoneVerification": {
        const { unlockPhoneVerification } = yield* UnlockPhoneVerification.UnlockPhoneVerification
        return told((yield* unlockPhoneVerification({ userId })).details)
      }
      case "GetPhone": {
        const { getPhone } = yield* GetPhone.GetPhone
        const { details, phone, ...rest } = yield* getPhone({ userId })
        return {
          ...told(details),
          ...plain(rest, start),
          phone: phone && { ...phone, number: numbers.indexOf(Redacted.value(phone.number)) }
        }
      }
    }
  }).pipe(Effect.provideService(
    Actor.Actor,
    Actor.make({
      userId: callerId(command.by, userIds[command.user]!),
      organization: "north",
      grants: grantsOf(command.by)
    })
  ))

const grantsOf = ({ reads, writes }: Called["by"]): Record<string, Array<Actor.Permission>> => {
  const grants: Record<string, Array<Actor.Permission>> = {}
  for (const organization of reads) (grants[organization] ??= []).push("user.read")
  for (const organization of writes) (grants[organization] ??= []).push("user.write")
  return grants
}

const manage = (command: Exclude<Command, Called>, { userIds }: Names) =>
  Effect.gen(function*() {
    const users = yield* Users.Users
    switch (command.do) {
      case "Register":
      case "UpdateUser":
      case "RemoveUser": {
        const userId = UserId.UserId.make(userIds[command.user]!)
        if (command.do === "Register") yield* users.register({ userId, ...registrationOf(command.as) })
        else if (command.do === "RemoveUser") yield* users.remove(userId)
        else yield* users.update(userId, changesOf(command.to))
      }
    }
    return {}
  })

const changesOf = ({ organization, ...rest }: Partial<Person>) => ({
  ...rest,
  ...(organization === undefined ? {} : { resourceOwner: UserId.OrganizationId.make(organization) })
})

const registrationOf = ({ organization, ...rest }: Person) => ({
  ...rest,
  resourceOwner: UserId.OrganizationId.make(organization)
})

/** With times since the start, and sequences as numbers. */
export const plain = (fields: object, start: number): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plainValue(value, start)]))

const plainValue = (value: unknown, start: number): unknown => {
  if (typeof value === "bigint") return Number(value)
  if (DateTime.isDateTime(value)) return value.epochMilliseconds - start
  if (Array.isArray(value)) return value.map((member) => plainValue(member, start))
  return typeof value === "object" && value !== null && !Redacted.isRedacted(value) ? plain(value, start) : value
}
