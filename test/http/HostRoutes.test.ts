/** A host's own routes beside this module's: neither changes how the other answers. */
import { assert, it, layer } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Routes } from "../../src/http/index.ts"
import * as NodeServer from "../../src/http/NodeServer.ts"
import { freePort } from "../fixtures/FreePort.ts"
import * as TestServer from "../fixtures/TestServer.ts"

class Teapot extends Schema.TaggedError<Teapot>()("Teapot", {}) {
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(HttpServerResponse.empty({ status: 418 }))
  }
}

const HostApi = HttpApi.make("host").add(
  HttpApiGroup.make("host").add(
    HttpApiEndpoint.post("echo", "/echo", { payload: Schema.Struct({ n: Schema.Number }), success: Schema.Number })
  )
)

const hostRoutes = Layer.mergeAll(
  HttpApiBuilder.layer(HostApi).pipe(
    Layer.provide(
      HttpApiBuilder.group(
        HostApi,
        "host",
        (handlers) => handlers.handle("echo", ({ payload }) => Effect.succeed(payload.n))
      )
    )
  ),
  HttpRouter.add("GET", "/teapot", new Teapot()),
  HttpRouter.add(
    "POST",
    "/schema",
    HttpServerRequest.schemaBodyJson(Schema.Struct({ n: Schema.Number })).pipe(
      Effect.map(HttpServerResponse.jsonUnsafe)
    )
  ),
  HttpRouter.add("GET", "/semi/:rest", Effect.map(HttpRouter.params, ({ rest }) => HttpServerResponse.text(rest ?? "")))
)

const send = Effect.fnUntraced(function*(path: string, init?: RequestInit) {
  const { url } = yield* TestServer.TestServer
  const response = yield* Effect.promise(() => fetch(url + path, init))
  return { status: response.status, text: yield* Effect.promise(() => response.text()) }
})

const post = (path: string, body: string) =>
  send(path, { method: "POST", headers: { "content-type": "application/json" }, body })

/** What a host's routes answer, whatever is beside them. */
const answers = Effect.gen(function*() {
  return {
    right: yield* post("/echo", `{"n":5}`),
    wrong: (yield* post("/echo", `{"n":"x"}`)).status,
    broken: (yield* post("/echo", `{"n":`)).status,
    schema: (yield* post("/schema", `{"n":"x"}`)).status,
    teapot: (yield* send("/teapot")).status,
    semicolon: (yield* send("/semi/a;b")).text
  }
})

const alone = TestServer.layerServing(hostRoutes)

layer(TestServer.layerServing(Layer.mergeAll(Routes.layer, hostRoutes)), {
  excludeTestServices: true,
  timeout: "30 seconds"
})(
  "a host's routes",
  (it) => {
    it.effect("answer beside this module's as they do alone", () =>
      Effect.gen(function*() {
        const expected = yield* Effect.provide(answers, alone, { local: true })
        assert.deepInclude(expected, { wrong: 400, broken: 400, schema: 400, teapot: 418 })
        assert.deepStrictEqual(yield* answers, expected)
      }))

    it.effect("leave this module's as they are", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* send("/v2/users/ada/phone", { method: "POST" }), {
          status: 401,
          text: `{"code":16,"message":"auth header missing"}`
        })
        assert.strictEqual((yield* send("/v2/users/ada/phone", { method: "PUT" })).status, 405)
        assert.strictEqual((yield* send("/v2/users/%zz/phone", { method: "POST" })).status, 400)
      }))
  }
)

const ownProbe = HttpRouter.add("GET", "/healthz", HttpServerResponse.text("the host's own"))

layer(TestServer.layerServing(Layer.mergeAll(Routes.layerOperations, ownProbe)), {
  excludeTestServices: true,
  timeout: "30 seconds"
})("the operations alone", (it) => {
  it.effect("leave probes and unknown paths to the host", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* send("/healthz"), { status: 200, text: "the host's own" })
      assert.strictEqual((yield* send("/v2/users/ada/phone", { method: "POST" })).status, 401)
      for (const path of ["/readyz", "/docs", "/openapi.json", "/nothing"]) {
        assert.deepStrictEqual(yield* send(path), { status: 404, text: "" })
      }
    }))
})

it.live("a request that comes while the routes are being built is answered once they are", () =>
  Effect.gen(function*() {
    const port = yield* freePort
    const slow = HttpRouter.use(Effect.fnUntraced(function*(router) {
      yield* Effect.sleep("500 millis")
      yield* router.add("*", "/late", HttpServerResponse.text("at last"))
    }))
    const answer = (headers?: HeadersInit) =>
      Effect.tryPromise(() =>
        fetch(`http://127.0.0.1:${port}/late`, {
          method: "POST",
          body: "x",
          signal: AbortSignal.timeout(5000),
          ...(headers && { headers })
        })
          .then((response) => response.text())
      ).pipe(
        Effect.retry({
          while: ({ cause }) => String((cause as Error).cause).includes("ECONNREFUSED"),
          schedule: Schedule.spaced("5 millis")
        })
      )
    const answers = yield* Effect.forkChild(Effect.all([answer(), answer(), answer()], { concurrency: "unbounded" }))
    const begin = yield* Clock.currentTimeMillis
    yield* Layer.build(NodeServer.serve(slow, { host: "127.0.0.1", port }))
    assert.deepStrictEqual(yield* Fiber.join(answers), ["at last", "at last", "at last"])
    assert.isAbove((yield* Clock.currentTimeMillis) - begin, 490)
  }).pipe(Effect.scoped))
