/** What is remembered of a request with an idempotency key. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import * as Memory from "../../src/adapters/Memory.ts"
import { Actor, CodeVault, UserId } from "../../src/core/index.ts"
import * as Idempotency from "../../src/core/internal/Idempotency.ts"

const actor = Actor.make({ userId: "admin", organization: "demo" })
const now = DateTime.makeUnsafe(0)
const asked = {
  operation: "SetPhone",
  userId: UserId.UserId.make("ada"),
  key: "key-1",
  command: ["+41791112233", "SendCode"],
  now
}
const details = { sequence: 1n, changeDate: now, resourceOwner: actor.organization }

describe("Idempotency", () => {
  it.effect("keeps fingerprints of who asked for what under which key, for a day", () =>
    Effect.gen(function*() {
      const idempotent = yield* Idempotency.make
      const { fingerprint } = yield* CodeVault.CodeVault
      assert.deepStrictEqual(yield* idempotent.describe(asked), {
        scope: yield* fingerprint("idempotency-scope", ["admin", "SetPhone", "ada", "key-1"]),
        request: yield* fingerprint("idempotent-request", ["+41791112233", "SendCode"]),
        keptUntil: DateTime.makeUnsafe(24 * 60 * 60 * 1000)
      })
    }).pipe(Effect.provideService(Actor.Actor, actor), Effect.provide(Memory.layerPorts)))

  it.effect("keeps and recalls nothing of a request without a key", () =>
    Effect.gen(function*() {
      const idempotent = yield* Idempotency.make
      assert.isUndefined(yield* idempotent.describe({ ...asked, key: undefined }))
      assert.isUndefined(yield* idempotent.recall(undefined, now))
    }).pipe(Effect.provideService(Actor.Actor, actor), Effect.provide(Memory.layerPorts)))

  it.effect("takes an answer for that of a request only where the request was the same", () =>
    Effect.gen(function*() {
      const { same } = yield* Idempotency.make
      const request = { scope: "scope", request: "request", keptUntil: now }
      assert.strictEqual(yield* same(request, { request: "request", details }), details)
      for (const other of [undefined, { ...request, request: "other" }]) {
        const error = yield* Effect.flip(Effect.suspend(() => same(other, { request: "request", details })))
        assert.strictEqual(error._tag, "IdempotencyKeyReused")
      }
    }).pipe(Effect.provide(Memory.layerPorts)))
})
