/** Who is asked together, and how long anybody waits for that. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as Batch from "../../src/adapters/internal/Batch.ts"
import { leftBy } from "../fixtures/Leftovers.ts"

/** Batches of numbers as they were asked, each answered with its double once the gate is open. */
const play = (gate: Effect.Effect<void>, patience = 10_000, keyOf?: (question: number) => string) =>
  Effect.gen(function*() {
    const asked: Array<ReadonlyArray<number>> = []
    const ask = yield* Batch.make({
      patience,
      ...(keyOf && { keyOf }),
      ask: (questions: ReadonlyArray<number>) => {
        asked.push(questions)
        return Effect.as(gate, questions.map((question) => Effect.succeed(2 * question)))
      }
    })
    return { ask, asked }
  })

const begun = <A, E>(question: Effect.Effect<A, E>) => Effect.forkChild(question, { startImmediately: true })

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
const together = { concurrency: "unbounded" } as const

describe("questions", () => {
  it.live("that come in one turn are asked together from the first on, and answered each in its place", () =>
    Effect.gen(function*() {
      const { ask, asked } = yield* play(Effect.void)
      const answers = yield* Effect.forEach(range(0, 20), ask, together)
      assert.deepStrictEqual(answers, range(0, 20).map((question) => 2 * question))
      assert.deepStrictEqual(asked, [range(0, 20)])
    }).pipe(Effect.scoped))

  it.live("that are answered together go on together", () =>
    Effect.gen(function*() {
      const first = yield* play(Effect.void)
      const second = yield* play(Effect.void)
      yield* Effect.forEach(range(0, 20), (question) => Effect.flatMap(first.ask(question), second.ask), together)
      assert.lengthOf(second.asked, 1)
    }).pipe(Effect.scoped))

  for (const [there, size] of [[90, 30], [150, 50], [192, 64], [200, 64], [500, 64]] as const) {
    it.live(`are asked ${size} at a time where ${there} are there, in two batches at once, then the others`, () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const { ask, asked } = yield* play(Deferred.await(gate))
        const all = yield* Effect.forkChild(Effect.forEach(range(0, there), ask, together))
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => asked.length >= 2 })
        yield* Effect.sleep("20 millis")
        assert.deepStrictEqual(asked, [range(0, size), range(size, 2 * size)])
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(all)
        assert.deepStrictEqual(asked.flat(), range(0, there))
        assert.isTrue(asked.every((batch) => batch.length <= 64))
      }).pipe(Effect.scoped))
  }

  it.live("of one key are never asked at the same time", () =>
    Effect.gen(function*() {
      const { ask, asked } = yield* play(Effect.void, 10_000, (question) => String(question % 2))
      yield* Effect.forEach(range(0, 4), ask, together)
      assert.deepStrictEqual(asked, [[0, 1], [2, 3]])
    }).pipe(Effect.scoped))

  it.live("that have waited too long when a batch ends are given up, and those that were asked are answered", () =>
    Effect.gen(function*() {
      const { ask, asked } = yield* play(Effect.sleep("100 millis"), 50)
      const exits = yield* Effect.forEach(range(0, 130), (question) => Effect.exit(ask(question)), together)
      assert.lengthOf(asked, 2)
      assert.deepStrictEqual(exits.map(Exit.isSuccess), range(0, 130).map((question) => question < 88))
      const [late] = exits.slice(88)
      assert.include(String(late), "TimeoutError")
      assert.strictEqual(yield* ask(7), 14)
    }).pipe(Effect.scoped))

  it.live("that came later are not given up with those that have waited too long", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { ask, asked } = yield* play(Deferred.await(gate), 200)
      const early = yield* Effect.forkChild(
        Effect.forEach(range(0, 130), (question) => Effect.exit(ask(question)), together)
      )
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => asked.length >= 2 })
      yield* Effect.sleep("250 millis")
      const later = yield* Effect.forkChild(ask(200), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue((yield* Fiber.join(early)).some(Exit.isFailure))
      assert.strictEqual(yield* Fiber.join(later), 400)
    }).pipe(Effect.scoped))

  it.live("are not asked for who has gone while waiting", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { ask, asked } = yield* play(Deferred.await(gate), 10_000, () => "one")
      const [first, gone, last] = yield* Effect.forEach(range(0, 3), (question) => begun(ask(question)))
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => asked.length > 0 })
      yield* Fiber.interrupt(gone!)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual([yield* Fiber.join(first!), yield* Fiber.join(last!)], [0, 4])
      assert.deepStrictEqual(asked, [[0], [2]])
    }).pipe(Effect.scoped))

  it.live("that nobody waits for any more are broken off, and none that somebody does", () =>
    Effect.gen(function*() {
      let isBrokenOff = false
      const gate = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (isBrokenOff = true)))
      const { ask, asked } = yield* play(gate)
      const [first, last] = yield* Effect.forEach(range(0, 2), (question) => begun(ask(question)))
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => asked.length > 0 })
      yield* Fiber.interrupt(first!)
      assert.isFalse(isBrokenOff)
      yield* Fiber.interrupt(last!)
      assert.isTrue(isBrokenOff)
    }).pipe(Effect.scoped))

  it.live("are gone once they are answered", () =>
    Effect.gen(function*() {
      const ask = yield* Batch.make({
        patience: 10_000,
        ask: (questions: ReadonlyArray<object>) => Effect.succeed(questions.map(() => Effect.void))
      })
      assert.isBelow(yield* leftBy((ballast) => ask(ballast)), 0.2)
    }).pipe(Effect.scoped))

  it.live("are not asked any more when the scope is closed, and those that wait get no answer", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { ask, asked } = yield* Scope.provide(play(Effect.never), scope)
      const waiting = yield* Effect.forkChild(
        Effect.forEach(range(0, 130), (question) => Effect.exit(ask(question)), together)
      )
      yield* Effect.sleep("20 millis")
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Fiber.join(waiting)
      assert.lengthOf(exits, 130)
      assert.isTrue(exits.every(Exit.hasInterrupts))
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(ask(0))))
      assert.lengthOf(asked, 2)
    }))
})
