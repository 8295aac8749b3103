/** Turns among the calls on one user. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import * as UserQueue from "../../src/core/internal/UserQueue.ts"
import { UserId } from "../../src/core/UserId.ts"

const [ada, grace] = [UserId.make("ada"), UserId.make("grace")]

/** A queue, and calls by their names: each runs until it is let go. */
const calls = Effect.gen(function*() {
  const { inTurn } = yield* UserQueue.make
  const started: Array<string> = []
  const enter = Effect.fnUntraced(function*(name: string, userId = ada) {
    const latch = Latch.makeUnsafe()
    const fiber = yield* Effect.suspend(() => {
      started.push(name)
      return latch.await
    }).pipe(inTurn(userId), Effect.forkChild({ startImmediately: true }))
    return { fiber, letGo: Effect.andThen(latch.open, Fiber.join(fiber)) }
  })
  return { enter, inTurn, started }
})

describe("UserQueue", () => {
  it.effect("runs one call on a user at a time, first come, first served, also while some leave and others come", () =>
    Effect.gen(function*() {
      const { enter, started } = yield* calls
      const [a, b] = [yield* enter("a"), yield* enter("b")]
      assert.deepStrictEqual(started, ["a"])
      yield* a.letGo
      yield* Effect.yieldNow
      assert.deepStrictEqual(started, ["a", "b"])
      const c = yield* enter("c")
      yield* Effect.yieldNow
      assert.deepStrictEqual(started, ["a", "b"])
      yield* b.letGo
      yield* c.letGo
      yield* (yield* enter("d")).letGo
      assert.deepStrictEqual(started, ["a", "b", "c", "d"])
    }))

  it.effect("keeps nobody waiting for another user's calls", () =>
    Effect.gen(function*() {
      const { enter, started } = yield* calls
      yield* enter("a")
      yield* (yield* enter("b", grace)).letGo
      assert.deepStrictEqual(started, ["a", "b"])
    }))

  it.effect("refuses a call when 64 are there, and says so to whoever reads the cause", () =>
    Effect.gen(function*() {
      const { enter, inTurn, started } = yield* calls
      const first = yield* enter("first")
      for (let others = 1; others < 64; others++) yield* enter("other")
      const error = yield* Effect.flip(inTurn(ada)(Effect.void))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.cause, "too many calls on one user")
      yield* inTurn(grace)(Effect.void)

      yield* first.letGo
      yield* enter("last")
      assert.strictEqual((yield* Effect.flip(inTurn(ada)(Effect.void)))._tag, "Unavailable")
      assert.notInclude(started, "last")
    }))

  it.effect("gives the turn on when a call fails, and the place when one is interrupted", () =>
    Effect.gen(function*() {
      const { enter, inTurn, started } = yield* calls
      assert.strictEqual(yield* Effect.flip(inTurn(ada)(Effect.fail("failed"))), "failed")
      const [a, b, c] = [yield* enter("a"), yield* enter("b"), yield* enter("c")]
      yield* Fiber.interrupt(b.fiber)
      yield* Fiber.interrupt(a.fiber)
      yield* c.letGo
      assert.deepStrictEqual(started, ["a", "c"])
    }))
})
