/** Errors as answers: what is told, and what is for the log. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { Errors } from "../../src/core/index.ts"
import { ErrorResponse } from "../../src/http/index.ts"
import { record } from "../fixtures/Telemetry.ts"

describe("an error", () => {
  it.effect("that the service is unavailable says why in the log, as a warning, and not in its answer", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const error = new Errors.Unavailable({ cause: "the disk is full" })
      const response = HttpServerResponse.toWeb(yield* ErrorResponse.errorResponse(error))
      assert.deepStrictEqual([response.status, response.headers.get("retry-after")], [503, "1"])
      assert.notInclude(yield* Effect.promise(() => response.text()), "disk")
      assert.deepStrictEqual(logs, [["Warn", "unavailable", "the disk is full"]])
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is the caller's leaves nothing in the log", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const response = yield* ErrorResponse.errorResponse(new Errors.Unauthenticated({ reason: "TokenMissing" }))
      assert.strictEqual(response.status, 401)
      assert.deepStrictEqual(logs, [])
    }).pipe(Effect.provide(layer))
  })
})
