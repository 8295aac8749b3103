/**
 * Draws the settings of a sequence: the defaults, or limits small enough for it to come to.
 */
import type { Plot } from "./Calls.ts"
import type { Dice } from "./Dice.ts"
import { day, hour, minute, second } from "./Rules.ts"
import type { Settings, Wait, Window } from "./Script.ts"

type Windows = readonly [Window, ...Array<Window>]

const limits = [
  "guessesPerCode",
  "wrongGuessesPerUser",
  "wrongGuessesPerNumber",
  "wrongGuessesInARow",
  "waitBetweenCodes",
  "codesPerNumber",
  "codesPerUser",
  "noticesPerNumber"
] as const

/** The limits take turns at being the one that a sequence is about. */
export const drawSettings = (dice: Dice, about: Plot["about"], turn: number): Settings => {
  const isAlone = about === "one limit" ? 1000 : about === "a holder" || about === "one number" ? 40 : 10
  const profile = dice.weighted([3, "default"], [8, "mixed"], [isAlone, "alone"], [1, "off"])
  const alone = about === "one limit"
    ? limits[turn % limits.length]!
    : about === "one number"
    ? "wrongGuessesPerNumber"
    : about === "a holder"
    ? dice.oneOf("wrongGuessesPerNumber", "codesPerNumber")
    : dice.oneOf(...limits)
  /** A limit as it is by default, smaller, so that a sequence can come to it, or off. */
  const limit = <const A>(name: typeof limits[number], ...smaller: readonly [A, ...Array<A>]) => {
    const drawn = dice.oneOf(...smaller)
    if (profile === "alone" && name !== alone) return "off"
    if (profile === "alone") return about === "one limit" && dice.happens(0.7) ? "default" : drawn
    if (profile !== "mixed") return profile
    return dice.weighted<A | "default" | "off">([1, "default"], [4, drawn], [2, "off"])
  }
  const window = (max: number, within: number): Window => ({ max, within })
  return {
    preset: dice.oneOf("digits6", "zitadel"),
    grace: dice.weighted<Settings["grace"]>([6, "default"], [1, 0], [1, 10 * second], [1, hour]),
    limits: {
      guessesPerCode: limit("guessesPerCode", 1, 2, 3),
      wrongGuessesPerUser: limit("wrongGuessesPerUser", window(3, hour), window(4, 20 * minute), window(6, hour)),
      wrongGuessesPerNumber: limit("wrongGuessesPerNumber", window(2, hour), window(3, 20 * minute), window(5, hour)),
      wrongGuessesInARow: limit("wrongGuessesInARow", 3, 5, 8),
      waitBetweenCodes: limit<Wait>(
        "waitBetweenCodes",
        { first: 30 * second, longest: 2 * minute, jitter: 0 },
        { first: 10 * second, longest: 50 * second, jitter: 0.1 },
        { first: second, longest: second, jitter: 0.5 }
      ),
      codesPerNumber: limit<Windows>("codesPerNumber", [window(2, 10 * minute), window(3, hour)], [window(3, minute)]),
      codesPerUser: limit<Windows>("codesPerUser", [window(3, hour)], [window(2, 10 * minute), window(5, day)]),
      noticesPerNumber: limit<Windows>("noticesPerNumber", [window(1, hour)], [window(2, 20 * minute), window(3, hour)])
    }
  }
}
