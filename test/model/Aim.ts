/**
 * What a symbolic command means in the situation that the model is in: which code is typed, and when a moment comes.
 */
import { type Code, codesOf, pendingOf, sentOf, wrongTimesOf } from "./Histories.ts"
import type { Model } from "./Model.ts"
import { answersKept, hour } from "./Rules.ts"
import { type Guess, type Moment, people } from "./Script.ts"

/** The code that is typed for a guess, if there is one. */
export const codeFor = ({ people: known }: Model, user: number, guess: Guess): Code | undefined => {
  const codes = codesOf(known.historyOf(user))
  switch (guess) {
    case "current":
      // Also when it is no longer pending.
      return codes.at(-1)
    case "previous":
      return codes.at(-2)
    case "first":
      return codes[0]
    case "of another":
      return people.map((_, other) => other === user ? undefined : pendingOf(known.historyOf(other))).find(
        (code) => code !== undefined
      )
    case "wrong":
      return undefined
  }
}

/** When a moment comes, or came, if it does at all. */
export const timeOf = ({ answers, limitEnds, limiter, now, people: known }: Model, user: number, moment: Moment) => {
  const history = known.historyOf(user)
  const sent = sentOf(history).at(-1)
  const toCome = (times: ReadonlyArray<number>): number | undefined => times.find((time) => time > now)
  switch (moment) {
    case "expiry":
      return pendingOf(history)?.expires
    case "grace":
      return pendingOf(history)?.older?.until
    case "wait":
      return sent?.wait?.until
    case "quiet hour":
      return sent && sent.made + hour * Math.floor((now - sent.made) / hour + 1)
    case "limit":
      return limitEnds
    case "wrong guess": {
      const { wrongGuessesPerUser: window } = limiter.limits
      return window === "off" ? undefined : toCome(wrongTimesOf(history).map((time) => time + window.within))
    }
    case "key":
      return toCome(answers.map(({ at }) => at + answersKept))
  }
}
