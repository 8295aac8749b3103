/** How many SMS attackers can cause, counted where they are handed to the provider, and held against docs/security.md. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { days, mostInADay, run, sender } from "./Attackers.ts"
import * as Document from "./Document.ts"
import { layer, World } from "./World.ts"

const rows = Document.table("Most SMS that an attacker can cause")
const documented = (who: string) => rows.find((row) => row["who asks"] === who)?.["SMS"]

const numbers = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => `+4179${5_600_000 + from + index}`)
const [victim] = numbers(1)

/** The most in any 24 hours. Two days of it, so that every limit rolls. */
const mostOf = Effect.fnUntraced(function*(attackers: ReadonlyArray<ReturnType<typeof sender>>) {
  const { sent } = yield* World
  yield* run(attackers, (yield* Clock.currentTimeMillis) + 2 * days)
  return String(mostInADay(sent))
})

describe("SMS in any 24 hours", () => {
  it.effect("to one number for one user are as many as the page says", () =>
    Effect.gen(function*() {
      const account = yield* (yield* World).newAccount
      assert.strictEqual(yield* mostOf([sender(account, [victim!])]), documented("one user, to one number"))
    }).pipe(Effect.provide(layer())))

  it.effect("to any numbers for one user are as many as the page says, and not faster", () =>
    Effect.gen(function*() {
      const { newAccount, refusals, sent } = yield* World
      const most = yield* mostOf([sender(yield* newAccount, numbers(40))])
      assert.strictEqual(most, documented("one user, to any numbers"))
      assert.strictEqual(sent.length, 2 * Number(most))

      // It came back for each when `canResendAt` said so, and never too early.
      assert.isFalse(refusals.has("WAIT_BETWEEN_CODES"))
      const times = sent.slice(0, Number(most)).map(({ at }) => at / 1000)
      const waits = times.slice(1).map((time, index) => time - times[index]!)
      const [longest] = waits.slice(-1)
      const repeated = waits.filter((wait) => wait === longest).length
      const sum = `${waits.slice(0, -repeated).join(" + ")} + ${repeated} × ${longest!.toLocaleString("en")}`
      assert.isTrue(Document.says(`within ${sum} = ${times.at(-1)!.toLocaleString("en")} seconds`), sum)
    }).pipe(Effect.provide(layer())))

  it.effect("to one number for fifty users who do not hold it are as many as the page says", () =>
    Effect.gen(function*() {
      const users = yield* Effect.replicateEffect((yield* World).newAccount, 50)
      const most = yield* mostOf(users.map((user) => sender(user, [victim!])))
      assert.strictEqual(most, documented("any users who do not hold a number, to that one"))
    }).pipe(Effect.provide(layer())))

  it.effect("to one number are as many as the page says where users who hold it, or were vouched for, ask too", () =>
    Effect.gen(function*() {
      for (
        const [who, vouched] of [
          ["any users, to one number that some of them hold", 0],
          ["the same, where a host has vouched for others", 10]
        ] as const
      ) {
        const most = yield* Effect.gen(function*() {
          const { newAccount, prove, vouch } = yield* World
          const users = yield* Effect.replicateEffect(newAccount, 30)
          for (const user of users.slice(0, 10)) yield* prove(user, victim!)
          for (const user of users.slice(20 - vouched, 20)) yield* vouch(user, victim!)
          return yield* mostOf(users.map((user) => sender(user, [victim!])))
        }).pipe(Effect.provide(Layer.fresh(layer())))
        assert.strictEqual(most, documented(who))
      }
    }))

  it.effect("to any numbers for N users are N times as many", () =>
    Effect.gen(function*() {
      const users = yield* Effect.replicateEffect((yield* World).newAccount, 5)
      const most = yield* mostOf(users.map((user, index) => sender(user, numbers(40, 100 * index))))
      assert.strictEqual(`${Number(most) / 5} × N`, documented("N users, to any numbers"))
    }).pipe(Effect.provide(layer())))

  it("has a row on the page for each of these", () => assert.lengthOf(rows, 6))
})
