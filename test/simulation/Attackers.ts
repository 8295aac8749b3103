/**
 * Attackers who do at every moment what the limits let them: they know the rules, read in every refusal when to come back,
 * and never tire.
 */
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { type Account, World } from "./World.ts"

export const seconds = 1000
export const minutes = 60 * seconds
export const hours = 60 * minutes
export const days = 24 * hours

/** Acts once and answers when to act again; undefined when there is nothing more to gain. */
export type Attacker = Effect.Effect<number | undefined, never, World>

/** Lets attackers act, each at its time, until the time is over or none has anything to gain. */
export const run = Effect.fnUntraced(function*(attackers: ReadonlyArray<Attacker>, end: number) {
  const agenda = new Map<Attacker, number>(attackers.map((attacker) => [attacker, 0]))
  while (true) {
    const next = Array.from(agenda).reduce<readonly [Attacker | undefined, number]>(
      (first, entry) => entry[1] < first[1] ? entry : first,
      [undefined, end]
    )
    const [attacker, time] = next
    if (attacker === undefined) return
    const now = yield* Clock.currentTimeMillis
    if (time > now) yield* TestClock.setTime(time)
    const again = yield* attacker
    if (again === undefined) agenda.delete(attacker)
    else agenda.set(attacker, Math.max(again, now))
  }
})

const lifetime = 10 * minutes
const grace = 60 * seconds

/** What a guesser does with a code that is alone, and with two that are live. */
export interface Plan {
  readonly alone: number
  readonly together: number
}

/** Always guesses at two codes at once, so that no guess is worth less than two. */
export const onlyPairs: Plan = { alone: 0, together: 5 }

/** Takes from each code what it can before it asks for the next: one guess fewer than would spend it. */
export const everyCode: Plan = { alone: 4, together: 5 }

/** Never asks for a second code before the first is spent. */
export const singles: Plan = { alone: 5, together: 0 }

/**
 * Guesses at a number from one account after the other, going round. It asks for codes so that two are live at the moment
 * when a guess is looked at again.
 */
export const guesser = (accounts: ReadonlyArray<Account>, number: string, plan: Plan): Attacker => {
  let turn = 0
  let live = 0
  let sentAt = 0
  let canResendAt = 0

  const times = Effect.fnUntraced(function*(account: Account, count: number) {
    const { guess } = yield* World
    for (let i = 0; i < count; i++) {
      const attempt = yield* guess(account)
      if (attempt._tag !== "Done") return attempt
    }
    return undefined
  })

  return Effect.gen(function*() {
    const { send } = yield* World
    const account = accounts[turn % accounts.length]!
    const now = yield* Clock.currentTimeMillis
    if (now >= sentAt + lifetime) live = 0
    else if (now >= sentAt + grace) live = Math.min(live, 1)

    if (live < 2) {
      const attempt = yield* send(account, number)
      if (attempt._tag === "Refused") return attempt.until
      if (attempt._tag !== "Done") return undefined
      live++
      sentAt = now
      canResendAt = attempt.canResendAt
    }
    const stopped = yield* times(account, live === 1 ? plan.alone : plan.together)
    if (stopped?._tag === "Off") return undefined
    if (stopped?._tag === "Refused") return Math.max(stopped.until - (live === 2 ? 0 : grace), now + 1)
    if (live === 1 && plan.together > 0) return canResendAt
    live = 0
    turn++
    return now
  })
}

/** Has codes sent to one number after the other, going round, as soon as each may be. */
export const sender = (account: Account, numbers: ReadonlyArray<string>): Attacker => {
  let turn = 0
  return Effect.gen(function*() {
    const { send } = yield* World
    const attempt = yield* send(account, numbers[turn % numbers.length]!)
    if (attempt._tag === "Refused") return attempt.until
    if (attempt._tag !== "Done") return undefined
    turn++
    return attempt.canResendAt
  })
}

/** The most that falls within any 24 hours. */
export const mostInADay = <A extends { readonly at: number }>(
  entries: ReadonlyArray<A>,
  worth: (entry: A) => number = () => 1
): number => {
  let [most, sum, start] = [0, 0, 0]
  for (const entry of entries) {
    sum += worth(entry)
    while (entries[start]!.at <= entry.at - days) sum -= worth(entries[start++]!)
    most = Math.max(most, sum)
  }
  return most
}

/** Numbers between 0 and 1 that look like chance and are the same in every run (mulberry32). */
export const chances = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Does anything in any order, most of it at once and some of it after up to eight hours. */
export const restless = (
  account: Account,
  numbers: ReadonlyArray<string>,
  own: string,
  chance: () => number
): Attacker =>
  Effect.gen(function*() {
    const { enter, guess, remove, send, sent } = yield* World
    const what = chance()
    if (what < 0.55) yield* guess(account)
    else if (what < 0.8) yield* send(account, account.number ?? numbers[0]!)
    else if (what < 0.96) yield* send(account, numbers[Math.floor(chance() * numbers.length)]!)
    else if (what < 0.98) yield* remove(account)
    else if ((yield* send(account, own))._tag === "Done") yield* enter(account, sent.at(-1)!.code)
    const pause = chance()
    const now = yield* Clock.currentTimeMillis
    if (pause < 0.6) return now + 1
    return now + chance() * (pause < 0.8 ? 70 * seconds : pause < 0.97 ? 12 * minutes : 8 * hours)
  })
