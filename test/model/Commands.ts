/**
 * Draws a sequence from a seed: settings, then commands that lead somewhere, since most of them are on one user, and the
 * model tells what that user has come to.
 */
import { timeOf } from "./Aim.ts"
import { again, drawCall, flawed, helper, operations, type Plot } from "./Calls.ts"
import { Dice } from "./Dice.ts"
import { pendingOf, phoneOf, rowOf } from "./Histories.ts"
import { Model } from "./Model.ts"
import type { Command, Limits, Script } from "./Script.ts"
import { drawSettings } from "./Settings.ts"
import { drawTime, follow } from "./Time.ts"

/** In turn, so that a run has enough of each. */
const plots: ReadonlyArray<Plot["about"]> = [
  "guesses",
  "codes",
  "one limit",
  "a holder",
  "anything",
  "guesses",
  "one limit",
  "a holder",
  "one number",
  "codes",
  "a holder",
  "guesses",
  "one limit",
  "a holder",
  "codes",
  "one number",
  "one limit",
  "a holder"
]

export const draw = (seed: number, length: number): Script => {
  const dice = new Dice(seed)
  const about = plots[seed % plots.length]!
  const settings = drawSettings(dice, about, Math.floor(seed / plots.length))
  const plot: Plot = { model: new Model(settings), hero: dice.oneOf(0, 1, 2), about, commands: [], limited: undefined }
  if (about === "a holder") holding(dice, plot.hero).forEach((command) => add(plot, command))
  while (plot.commands.length < length) add(plot, drawNext(dice, plot))
  return { seed, settings, commands: plot.commands }
}

const drawNext = (dice: Dice, plot: Plot): Command => {
  const last = plot.commands.at(-1)
  const following = last?.do === "PassUntil" && dice.happens(0.8) ? follow(dice, plot, last) : undefined
  const repeated = following ?? (dice.happens(0.06) ? again(dice, plot) : undefined)
  if (repeated !== undefined) return repeated
  if (plot.about === "one number" && dice.happens(0.8)) return meet(dice, plot)
  if (plot.about === "one limit" && dice.happens(0.8)) return press(dice, plot)
  return drawCommand(dice, plot)
}

const add = (plot: Plot, command: Command): void => {
  plot.commands.push(command)
  for (let round = 0; round < ("times" in command ? command.times : 1); round++) {
    if (plot.model.run(command).answer.is === "TooManyRequests") plot.limited = command
  }
}

const setting = { do: "SetPhone", by: helper, number: 0, spaced: false, chance: 0 } as const

/** Makes a user one who has proven the first number, or was vouched for, and does not have it now. */
const holding = (dice: Dice, user: number): ReadonlyArray<Command> => [
  ...dice.oneOf<ReadonlyArray<Command>>([{ ...setting, user, way: "AlreadyVerified" }], [
    { ...setting, user },
    { do: "VerifyPhone", user, by: helper, guess: "current", style: "plain", times: 1 }
  ]),
  { do: "RemovePhone", user, by: helper }
]

/** Several users at the first number: they get codes, guess right and wrong, and leave again. */
const meet = (dice: Dice, { model }: Plot): Command => {
  const user = dice.oneOf(0, 1, 2)
  const history = model.people.historyOf(user)
  const pending = pendingOf(history)
  if (pending === undefined) {
    return phoneOf(history)?.number === 0 ? { do: "RemovePhone", user, by: helper } : { ...setting, user }
  }
  const guess = dice.weighted([2, "current"], [5, "wrong"])
  return { do: "VerifyPhone", user, by: helper, guess, style: "plain", times: guess === "wrong" ? dice.oneOf(1, 2) : 1 }
}

/** What comes to the one limit that there is, and to its end. */
const press = (dice: Dice, { hero: user, model }: Plot): Command => {
  const { settings } = model
  const limit = Object.keys(settings.limits).find((name) => settings.limits[name as keyof Limits] !== "off")
  const ofCodes = limit === "waitBetweenCodes" || limit === "codesPerNumber" || limit === "codesPerUser"
  if (limit === "noticesPerNumber") {
    const has = phoneOf(model.people.historyOf(user))?.number
    return dice.happens(0.2) && has !== undefined
      ? { do: "RemovePhone", user, by: helper }
      : { ...setting, user, number: has === 0 ? 1 : 0, way: "AlreadyVerified" }
  }
  const moment = limit === "waitBetweenCodes" ? "wait" : "limit"
  if (ofCodes && (timeOf(model, user, moment) ?? 0) > model.now && dice.happens(0.8)) {
    return { do: "PassUntil", user, moment, off: dice.weighted([1, -1], [8, 0], [1, 1]) }
  }
  if (pendingOf(model.people.historyOf(user)) === undefined) return { ...setting, user, number: dice.oneOf(0, 1) }
  const times = limit === "waitBetweenCodes" ? 1 : limit === "wrongGuessesInARow" ? 30 : 7
  return ofCodes
    ? { do: "ResendPhoneCode", user, by: helper, chance: dice.oneOf(0, 0.5), times }
    : { do: "VerifyPhone", user, by: helper, guess: "wrong", style: "plain", times }
}

const drawCommand = (dice: Dice, plot: Plot): Command => {
  const { about, hero, model } = plot
  const user = dice.weighted([20, hero], [6, dice.oneOf(0, 1, 2, 3)], [2, dice.oneOf(4, 4, 5, 6)])
  if (dice.happens(0.04)) return flawed(dice, drawCall(dice, plot, user, dice.oneOf(...operations)))
  // Those who can have no phone are called on in every way alike.
  if (user > 3) return drawCall(dice, plot, user, dice.oneOf(...operations))
  const history = model.people.historyOf(user)
  const phone = phoneOf(history)
  const pending = pendingOf(history)
  const isLive = pending !== undefined && model.now < pending.expires
  const { wrongGuessesInARow } = model.limiter.limits
  const isOff = wrongGuessesInARow !== "off" && rowOf(history) >= wrongGuessesInARow
  const next = dice.weighted(
    [phone === undefined || isOff ? 40 : isLive && about === "guesses" ? 4 : 14, "SetPhone"],
    [isLive ? about === "guesses" ? 60 : 25 : 5, "VerifyPhone"],
    [pending === undefined ? 4 : about === "codes" ? 50 : 20, "ResendPhoneCode"],
    [phone === undefined ? 1 : about === "a holder" ? 25 : 4, "RemovePhone"],
    [isOff ? 20 : 6, "GetPhone"],
    [2, "UnlockPhoneVerification"],
    [3, "people"],
    [18, "time"]
  )
  if (next === "people") return drawManagement(dice, dice.oneOf(hero, user, 3, 6))
  return next === "time" ? drawTime(dice, plot) : drawCall(dice, plot, user, next)
}

const drawManagement = (dice: Dice, user: number): Command =>
  dice.weighted<Command>(
    [3, { do: "UpdateUser", user, to: { organization: dice.oneOf("north", "south") } }],
    [2, { do: "UpdateUser", user, to: { state: dice.weighted([1, "initial"], [3, "active"]) } }],
    [2, { do: "Register", user, as: { organization: "south", kind: "human", state: "active" } }],
    [2, { do: "RemoveUser", user }]
  )
