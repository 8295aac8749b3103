/** The table of limits in docs/security.md: their names, defaults and reasons are the real ones. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Result } from "effect"
import * as LimitSettings from "../../examples/server/LimitSettings.ts"
import { Limits } from "../../src/core/index.ts"
import { days, guesser, run, sender } from "./Attackers.ts"
import * as Document from "./Document.ts"
import { layer, World } from "./World.ts"

const rows = Document.table("Limits")
const column = (name: string) => rows.map((row) => Document.plain(row[name]!))

const number = (line: number) => `+4179${5_700_000 + line}`

describe("the table of limits", () => {
  it("has every limit by its name in LIMITS, with its default", () => {
    const names = column("name in `LIMITS`")
    const [fault] = Result.getOrThrow(Result.flip(LimitSettings.parse("unknown")))
    assert.include(fault, `the names are ${names.join(", ")}`)
    assert.lengthOf(names, Object.keys(Limits.defaults).length)
    const defaults = column("default")
    for (const [index, name] of names.entries()) {
      const text = names.map((other) => `${other}=${other === name ? defaults[index] : "off"}`).join(";")
      const limits = Result.getOrThrow(LimitSettings.parse(text))
      const [key, ...others] = Object.entries(limits).filter(([, value]) => value !== "off")
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(key, [key![0], Limits.defaults[key![0] as keyof Limits.Limits]])
    }
  })

  it("says what the server's page says", () => {
    const told = rows.map((
      row
    ) => [row["name in `LIMITS`"], row["default"], row["HTTP"] === "–" ? "–" : `${row["HTTP"]} ${row["reason"]}`])
    const others = Document.table("Limits", "server")
    assert.deepStrictEqual(told, others.map((row) => [row["name"], row["default"], row["who meets it is told"]]))
  })

  it.effect("has the reason, the HTTP status and the gRPC code of every refusal", () =>
    Effect.gen(function*() {
      const { guess, newAccount, refusals, send } = yield* World
      const [stubborn, other, busy] = yield* Effect.all([newAccount, newAccount, newAccount])
      // One guess more than a code takes, every day until verification is off.
      yield* run([guesser([stubborn], number(1), { alone: 6, together: 6 })], 30 * days)
      yield* send(other, number(1))
      yield* guess(other)
      yield* send(other, number(1))
      for (let i = 0; i < 6; i++) yield* send(yield* newAccount, number(2))
      const numbers = Array.from({ length: 21 }, (_, line) => number(10 + line))
      yield* run([sender(busy, numbers)], (yield* Clock.currentTimeMillis) + 1 * days)

      const documented = rows.filter((row) => row["reason"] !== "–").map((
        row
      ) => [Document.plain(row["reason"]!), [Number(row["HTTP"]), Number(row["gRPC"])]])
      assert.deepStrictEqual(Object.fromEntries(documented), Object.fromEntries(refusals))
    }).pipe(Effect.provide(layer())))
})
