/** What tells whether the service is ready. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, References } from "effect"
import { TestClock } from "effect/testing"
import { Errors } from "../../src/core/index.ts"
import { Health } from "../../src/http/index.ts"

const readyWith = (readiness: Effect.Effect<void, Errors.Unavailable>) =>
  Effect.provideService(Health.makeReady, Health.Readiness, readiness)

/** After how many steps who asks gives way, and how often before they go away. */
const moments = [2, 3, 4, 5].flatMap((steps) => Array.from({ length: 30 }, (_, turns) => [steps, turns] as const))

describe("readiness", () => {
  it.effect("is looked at once for all who ask meanwhile, also when they go away", () =>
    Effect.gen(function*() {
      let looks = 0
      let interrupted = 0
      const gate = yield* Deferred.make<void>()
      const ready = yield* readyWith(
        Effect.sync(() => looks++).pipe(
          Effect.andThen(Deferred.await(gate)),
          Effect.onInterrupt(() => Effect.sync(() => interrupted++))
        )
      )
      const first = yield* Effect.forkChild(ready, { startImmediately: true })
      const others = yield* Effect.forEach(
        Array.from({ length: 50 }),
        () => Effect.forkChild(ready, { startImmediately: true })
      )
      yield* Effect.yieldNow
      for (const fiber of [first, ...others.slice(1)]) yield* Fiber.interrupt(fiber)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(others[0]!)
      assert.deepStrictEqual([looks, interrupted], [1, 0])
      yield* ready
      assert.strictEqual(looks, 2)
    }))

  it.effect("is looked at once at a time, whenever it is that who asks goes away", () =>
    Effect.gen(function*() {
      for (const [steps, turns] of moments) {
        let looking = 0
        const gate = yield* Deferred.make<void>()
        const ready = yield* readyWith(
          Effect.suspend(() => {
            looking++
            return Deferred.await(gate)
          })
        )
        // Who asks gives way after so few steps that there are many moments to go away in.
        const first = yield* Effect.forkChild(Effect.provideService(ready, References.MaxOpsBeforeYield, steps))
        yield* Effect.replicateEffect(Effect.yieldNow, turns)
        yield* Fiber.interrupt(first)
        const second = yield* Effect.forkChild(ready, { startImmediately: true })
        yield* Effect.replicateEffect(Effect.yieldNow, 50)
        assert.strictEqual(looking, 1, `after ${turns} times ${steps} steps`)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(second)
      }
    }))

  it.effect("is looked at anew each time, and fails where it fails or takes longer than two seconds", () =>
    Effect.gen(function*() {
      let now: Effect.Effect<void, Errors.Unavailable> = Effect.void
      const ready = yield* readyWith(Effect.suspend(() => now))
      yield* ready
      now = Effect.fail(new Errors.Unavailable({ cause: "down" }))
      assert.strictEqual((yield* Effect.flip(ready)).cause, "down")
      now = Effect.never
      const asking = yield* Effect.forkChild(Effect.exit(ready), { startImmediately: true })
      yield* Effect.yieldNow
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(asking)))
      now = Effect.void
      yield* ready
    }))
})
