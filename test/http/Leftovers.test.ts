/** A call over Connect or gRPC-Web leaves nothing to the garbage collector that its young generation would not take. */
import { toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus
} from "../../src/http/gen/grpc/health/v1/health_pb.ts"
import * as RpcUnary from "../../src/http/internal/RpcUnary.ts"
import { frame } from "../fixtures/GrpcFrames.ts"
import { leftBy } from "../fixtures/Leftovers.ts"

const answer = RpcUnary.serve(
  Health.method.check,
  RpcUnary.open,
  () => Effect.as(Effect.yieldNow, { message: { status: HealthCheckResponse_ServingStatus.SERVING } })
)

const message = Buffer.from(
  toBinary(HealthCheckRequestSchema, { $typeName: "grpc.health.v1.HealthCheckRequest", service: "" })
)

describe("what calls used", () => {
  for (
    const [type, body] of [
      ["application/grpc-web+proto", frame(message)],
      ["application/proto", message],
      ["application/json", Buffer.from("{}")]
    ] as const
  ) {
    it.live(`is gone with the calls of ${type}`, () =>
      Effect.gen(function*() {
        const answers: Array<HttpServerResponse.HttpServerResponse> = []
        const left = yield* leftBy((ballast) => {
          const request = HttpServerRequest.fromWeb(
            new Request("http://localhost/", {
              method: "POST",
              headers: { "content-type": type, "grpc-timeout": "5S", "connect-timeout-ms": "5000" },
              body
            })
          )
          return Effect.map(
            Effect.provideService(answer, HttpServerRequest.HttpServerRequest, Object.assign(request, ballast)),
            (response) => void (answers[0] = response)
          )
        })
        assert.strictEqual(answers[0]!.status, 200)
        assert.isBelow(left, 0.2)
      }))
  }
})
