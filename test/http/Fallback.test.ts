/** What a bug is in an answer and in the log: neither says what the error said, which may quote the request. */
import { NodeCrypto } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { inspect } from "node:util"
import * as Memory from "../../src/adapters/Memory.ts"
import { Operations, TokenVerifier } from "../../src/core/index.ts"
import { Fallback, Routes } from "../../src/http/index.ts"
import * as NodeServer from "../../src/http/NodeServer.ts"
import { record } from "../fixtures/Telemetry.ts"

const failing: Readonly<Record<string, () => Effect.Effect<never>>> = {
  throws: () => {
    throw new Error("the token is 4711")
  },
  dies: () => Effect.die(new Error("the token is 4711"))
}

const serverWith = (verify: () => Effect.Effect<never>) =>
  NodeServer.serve(Routes.layer, { host: "127.0.0.1", port: 0 }).pipe(
    Layer.provide(Layer.succeed(TokenVerifier.TokenVerifier, { verify })),
    Layer.provide(Operations.layer),
    Layer.provide(Memory.layerPorts),
    Layer.provide(NodeCrypto.layer)
  )

describe("a bug", () => {
  for (const [how, verify] of Object.entries(failing)) {
    it.live(`of a token verifier that ${how} is an internal error, and in the log where it came from`, () => {
      const telemetry = record()
      return Effect.gen(function*() {
        const { address } = yield* HttpServer.HttpServer
        const response = yield* Effect.promise(() =>
          fetch(`${HttpServer.formatAddress(address)}/v2/users/ada/phone`, {
            headers: { authorization: "Bearer abc", connection: "close" }
          })
        )
        assert.strictEqual(response.status, 500)
        assert.strictEqual(
          yield* Effect.promise(() => response.text()),
          JSON.stringify({ code: 13, message: "internal error" })
        )
        assert.deepStrictEqual(telemetry.logs.map(([level, message]) => [level, message]), [[
          "Error",
          "a request met a bug"
        ]])
        assert.include(inspect(telemetry, { depth: Infinity }), "Fallback.test.ts")
        assert.notInclude(inspect(telemetry, { depth: Infinity }), "4711")
      }).pipe(Effect.provide(Layer.provideMerge(serverWith(verify), telemetry.layer)))
    })
  }

  it.effect("is logged by its name and its place, one with the others, and one that is no error by its type", () => {
    const { layer, logs } = record()
    class Odd extends Error {
      override readonly name = "Odd"
    }
    const reasons = [new Odd("4711"), "4711", { code: "4711" }].map((error) => Cause.makeDieReason(error))
    return Effect.gen(function*() {
      yield* Fallback.logBug(Cause.fromReasons(reasons))
      assert.lengthOf(logs, 1)
      const [level, message, trace, ...others] = logs[0]!
      assert.deepStrictEqual([level, message, ...others], ["Error", "a request met a bug", "string", "object"])
      assert.match(String(trace), /^Odd\n {4}at .*Fallback\.test\.ts/)
      assert.notInclude(String(trace), "4711")
    }).pipe(Effect.provide(layer))
  })
})
