/**
 * Random sequences of all commands, by several callers on several users, with a clock that moves: in memory and on
 * PostgreSQL they are answered, and leave behind, what a model says that knows nothing of either.
 *
 * Each run draws others. `MODEL_SEED` replays the one that a failure names, `MODEL_SEQUENCES` draws more.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { draw } from "./Commands.ts"
import { choose, expected } from "./Kinds.ts"
import { agree, runOnce } from "./Run.ts"
import { layerShared } from "./System.ts"
import { layerMemory, layerPostgres } from "./Views.ts"

const setting = (name: string) => process.env[name] === undefined ? undefined : Number(process.env[name])
const seed = setting("MODEL_SEED")
const sequences = setting("MODEL_SEQUENCES") ?? (seed === undefined ? 1000 : 1)
const onPostgres = Math.ceil(sequences * 0.15)
/** Few sequences need not come to everything. */
const isWhole = sequences >= 1000
const timeout = 60_000 + 500 * sequences

const firstSeed = seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!
const seeds: ReadonlyArray<number> = Array.from({ length: sequences }, (_, index) => firstSeed + index)
const drawn = (seed: number) => draw(seed, 30)

const assertCovered = (kinds: ReadonlySet<string>) => {
  if (isWhole) assert.deepStrictEqual(expected.filter((kind) => !kinds.has(kind)), [], `first seed ${firstSeed}`)
}

const everyOne = { discard: true, concurrency: 4 } as const

layer(layerShared, { excludeTestServices: true })("the operations in memory", (it) => {
  it.effect(
    `do what the model does, in ${sequences} sequences that come to every kind of answer`,
    () =>
      Effect.gen(function*() {
        const kinds = new Set<string>()
        yield* Effect.forEach(
          seeds,
          (seed) =>
            agree(drawn(seed), (script) => Effect.provide(runOnce(script, kinds), layerMemory, { local: true })),
          everyOne
        )
        assertCovered(kinds)
      }),
    timeout
  )
})

layer(Layer.merge(layerShared, layerPostgres), { excludeTestServices: true, timeout: "60 seconds" })(
  "the operations on PostgreSQL",
  (it) => {
    it.effect(
      `do what the model does, in ${onPostgres} sequences that come to every kind of answer`,
      () =>
        Effect.gen(function*() {
          const kinds = new Set<string>()
          const chosen = choose(seeds, onPostgres, drawn)
          yield* Effect.forEach(chosen, (seed) => agree(drawn(seed), (script) => runOnce(script, kinds)), everyOne)
          assertCovered(kinds)
        }),
      timeout
    )
  }
)

describe("the model", () => {
  it("takes nothing but types from the sources", () => {
    const files = ["Aim.ts", "Histories.ts", "Limiter.ts", "Model.ts", "People.ts", "Rules.ts", "Script.ts"]
    const imports = files.flatMap((file) =>
      Array.from(
        readFileSync(join(import.meta.dirname, file), "utf8").matchAll(/^import ([^"]*) from "([^"]+)"/gm),
        ([, what, from]) => ({ what, from: from! })
      )
    )
    const others = imports.filter(({ from }) => !files.includes(from.slice("./".length)))
    assert.deepStrictEqual(others, [{ what: "type { InvalidCode }", from: "../../src/core/Errors.ts" }])
  })
})
