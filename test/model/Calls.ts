/**
 * Draws a call on a user: by whom, for what, and with which number, code or key.
 */
import type { Dice } from "./Dice.ts"
import { type History, pendingOf, phoneOf, provenOf } from "./Histories.ts"
import type { Model } from "./Model.ts"
import {
  type Call,
  type Caller,
  type Command,
  type Guess,
  numbers,
  type Organization,
  people,
  type unfit
} from "./Script.ts"

/** What leads a sequence: the user that most of it is on, and what it does more often than others would. */
export interface Plot {
  readonly model: Model
  readonly hero: number
  readonly about: "guesses" | "codes" | "a holder" | "one number" | "one limit" | "anything"
  readonly commands: Array<Command>
  /** The latest call that met a limit. */
  limited: Command | undefined
}

/** Someone who may do anything to anyone. */
export const helper: Caller = { self: false, writes: ["north", "south"], reads: [] }

export type Called = Extract<Command, Call>

export const operations = [
  "SetPhone",
  "VerifyPhone",
  "ResendPhoneCode",
  "RemovePhone",
  "GetPhone",
  "UnlockPhoneVerification"
] as const

export const drawCall = (
  dice: Dice,
  { about, model }: Plot,
  user: number,
  operation: typeof operations[number]
): Called => {
  const whole: Call = { user, by: drawCaller(dice, people[user]?.organization ?? "south") }
  const history = model.people.historyOf(user)
  const pending = pendingOf(history)
  const isLive = pending !== undefined && model.now < pending.expires
  const mayHelp = whole.by.writes.length > 0 || dice.happens(0.1)
  const keyed = dice.happens(0.3) ? { key: dice.oneOf("k1", "k2") } : {}
  const chance = dice.oneOf(0, 0.25, 0.5, 0.999)
  switch (operation) {
    case "SetPhone":
      return {
        do: operation,
        ...whole,
        ...keyed,
        chance,
        number: dice.happens(0.06) ? dice.oneOf(...unfitNumbers) : drawNumber(dice, about, history),
        spaced: dice.happens(0.2),
        way: mayHelp
          ? dice.weighted([5, "SendCode"], [3, "ReturnCode"], [2, "AlreadyVerified"], [2, undefined])
          : dice.oneOf("SendCode", undefined)
      }
    case "ResendPhoneCode":
      return {
        do: operation,
        ...whole,
        ...keyed,
        chance,
        way: mayHelp
          ? dice.weighted([5, "SendCode"], [3, "ReturnCode"], [2, undefined])
          : dice.oneOf("SendCode", undefined),
        times: pending === undefined ? 1 : dice.weighted([about === "codes" ? 12 : 30, 1], [2, 3], [1, 12])
      }
    case "VerifyPhone":
      return {
        do: operation,
        ...whole,
        guess: dice.weighted<Guess>(
          [6, "current"],
          [pending?.older === undefined ? 2 : 8, "previous"],
          [1, "first"],
          [1, "of another"],
          [about === "guesses" ? 25 : 10, "wrong"]
        ),
        style: dice.weighted([7, "plain"], [1, "spaced"], [1, "hyphenated"], [1, "wide"], [1, "altered"]),
        times: isLive ? dice.weighted([about === "guesses" ? 12 : 30, 1], [6, 2], [6, 5], [1, 30]) : 1
      }
    default:
      return { do: operation, ...whole }
  }
}

const anyNumber = (dice: Dice): number => dice.weighted([3, 0], [2, 1], [1, numbers - 1])

/** Often the number that a holder holds, seldom the one that the user has. */
const drawNumber = (dice: Dice, about: Plot["about"], history: History): number => {
  const phone = phoneOf(history)?.number
  const proven = provenOf(history)
  const number = proven !== undefined && dice.happens(about === "a holder" ? 0.9 : 0.3) ? proven : anyNumber(dice)
  return number === phone && dice.happens(0.7) ? (number + 1) % numbers : number
}

const unfitNumbers = [
  "NotANumber",
  "NoCountryCode",
  "NotValid",
  "TypeRefused",
  "RegionRefused"
] as const satisfies ReadonlyArray<keyof typeof unfit>

const drawCaller = (dice: Dice, home: Organization): Caller => {
  const elsewhere = home === "north" ? "south" : "north"
  return dice.weighted<Caller>(
    [30, { self: true, writes: [], reads: [] }],
    [25, { self: false, writes: [home], reads: [] }],
    [8, { self: true, writes: [home], reads: [] }],
    [3, { self: true, writes: [elsewhere], reads: [home] }],
    [3, { self: false, writes: [elsewhere], reads: [] }],
    [2, { self: false, writes: ["north", "south"], reads: [] }],
    [3, { self: false, writes: [], reads: [home] }],
    [1, { self: false, writes: [], reads: [elsewhere] }],
    [1, { self: false, writes: [elsewhere], reads: [home] }],
    [2, { self: false, writes: [], reads: [] }]
  )
}

/** The same with a flaw in its shape. */
export const flawed = (dice: Dice, command: Called): Called => {
  switch (command.do) {
    case "SetPhone":
      return { ...command, flaw: dice.oneOf("userId", "phone", "idempotencyKey") }
    case "ResendPhoneCode":
      return { ...command, flaw: dice.oneOf("userId", "idempotencyKey"), times: 1 }
    case "VerifyPhone":
      return { ...command, flaw: dice.oneOf("userId", "verificationCode", "blank"), times: 1 }
    default:
      return { ...command, flaw: "userId" }
  }
}

/** A request with a key again, or another with the same key. */
export const again = (dice: Dice, { commands }: Plot): Command | undefined => {
  const [first, ...rest] = commands.filter((command) => "key" in command && command.key !== undefined)
  if (first === undefined) return undefined
  const command = dice.oneOf(first, ...rest)
  if (dice.happens(0.6)) return command
  if (command.do === "ResendPhoneCode") return { ...command, way: dice.oneOf("SendCode", "ReturnCode") }
  return command.do === "SetPhone" ? { ...command, number: anyNumber(dice) } : command
}
