/** What a host's own port does wrong is told in the protocol of the call, as a bug that says nothing of itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { inspect } from "node:util"
import { Health } from "../../src/http/gen/grpc/health/v1/health_pb.ts"
import * as RpcUnary from "../../src/http/internal/RpcUnary.ts"
import { frame, framesOf, trailersOf } from "../fixtures/GrpcFrames.ts"
import { record } from "../fixtures/Telemetry.ts"

const failing: Readonly<Record<string, () => Effect.Effect<never>>> = {
  throws: () => {
    throw new Error("the token is 4711")
  },
  dies: () => Effect.die(new Error("the token is 4711"))
}

const answerTo = Effect.fnUntraced(function*(verify: () => Effect.Effect<never>, type: string, body: Uint8Array) {
  const serve = RpcUnary.serve(
    Health.method.check,
    RpcUnary.withToken({ verify }),
    () => Effect.succeed({ message: {} })
  )
  const request = new Request("http://localhost/", {
    method: "POST",
    headers: { "content-type": type, authorization: "Bearer abc" },
    body: Buffer.from(body)
  })
  const response = yield* Effect.provideService(
    serve,
    HttpServerRequest.HttpServerRequest,
    HttpServerRequest.fromWeb(request)
  )
  const web = HttpServerResponse.toWeb(response)
  return { status: web.status, body: Buffer.from(yield* Effect.promise(() => web.arrayBuffer())) }
})

describe("a token verifier", () => {
  for (const [how, verify] of Object.entries(failing)) {
    it.effect(`that ${how} is an internal error of the call, and a bug in the log that does not say what it said`, () => {
      const telemetry = record()
      return Effect.gen(function*() {
        const web = yield* answerTo(verify, "application/grpc-web+proto", frame(Buffer.alloc(0)))
        const trailers = trailersOf(framesOf(web.body))
        assert.deepStrictEqual([web.status, trailers.get("grpc-status"), trailers.get("grpc-message")], [
          200,
          "13",
          "internal error"
        ])
        const connect = yield* answerTo(verify, "application/json", Buffer.from("{}"))
        assert.strictEqual(connect.status, 500)
        assert.deepStrictEqual(JSON.parse(connect.body.toString()), { code: "internal", message: "internal error" })
        const bug = ["Error", "a request met a bug"]
        assert.deepStrictEqual(telemetry.logs.map(([level, message]) => [level, message]), [bug, bug])
        assert.include(inspect(telemetry, { depth: Infinity }), "RpcUnary.test.ts")
        assert.notInclude(inspect(telemetry, { depth: Infinity }), "4711")
      }).pipe(Effect.provide(telemetry.layer))
    })
  }
})
