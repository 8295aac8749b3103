/**
 * Draws how the clock moves, often to a moment that a rule depends on, and the call that then shows whether it has come.
 */
import { timeOf } from "./Aim.ts"
import { again, drawCall, type Plot } from "./Calls.ts"
import type { Dice } from "./Dice.ts"
import { day, hour, minute, second } from "./Rules.ts"
import type { Caller, Command, Moment } from "./Script.ts"

export const drawTime = (dice: Dice, { hero: user, model }: Plot): Command => {
  const around = (millis: number) => millis + dice.oneOf(-1, 0, 1)
  const [first, ...rest] = moments.flatMap(([weight, moment]) => {
    const time = timeOf(model, user, moment)
    return time === undefined || time <= model.now ? [] : [[weight, moment] as const]
  })
  if (first !== undefined && dice.happens(0.6)) {
    return { do: "PassUntil", user, moment: dice.weighted(first, ...rest), off: dice.oneOf(-1, 0, 0, 1) }
  }
  const millis = dice.weighted(
    [3, second],
    [12, dice.oneOf(29, 30, 31, 33, 35, 61) * second],
    [4, around(minute)],
    [2, around(10 * minute)],
    [2, around(hour)],
    [0.6, 2 * hour],
    [0.6, around(day)]
  )
  return { do: "Pass", millis }
}

/** The moments that time may pass to, with their weights: those that take a sequence far ahead are rare. */
const moments: ReadonlyArray<readonly [number, Moment]> = [
  [3, "expiry"],
  [8, "grace"],
  [6, "wait"],
  [1, "quiet hour"],
  [3, "limit"],
  [4, "wrong guess"],
  [1, "key"]
]

/** What shows whether a moment has come. */
export const follow = (
  dice: Dice,
  plot: Plot,
  { moment, user }: Extract<Command, { readonly do: "PassUntil" }>
): Command | undefined => {
  const by: Caller = { self: dice.happens(0.7), writes: ["north", "south"], reads: [] }
  const guess = { do: "VerifyPhone", user, by, style: "plain", times: 1 } as const
  switch (moment) {
    case "expiry":
      return { ...guess, guess: "current" }
    case "grace":
      return { ...guess, guess: "previous" }
    case "wrong guess":
      return { ...guess, guess: dice.oneOf("current", "wrong") }
    case "limit":
      return plot.limited
    case "key":
      return again(dice, plot)
    case "wait":
    case "quiet hour":
      return {
        ...drawCall(dice, plot, user, dice.oneOf("SetPhone", "ResendPhoneCode")),
        by,
        ...(dice.happens(0.8) ? { way: "SendCode" } : {})
      }
  }
}
