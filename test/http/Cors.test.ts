/** Who may call from a page of another origin, and what every answer says of that. */
import { cors as connectCors } from "@connectrpc/connect"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { Cors } from "../../src/http/index.ts"
import { writer } from "../cases/Case.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import { framesOf, trailersOf } from "../fixtures/GrpcFrames.ts"
import * as TestServer from "../fixtures/TestServer.ts"

const app = "https://app.example"
const origins = [app, "http://localhost:5173", "capacitor://localhost"]

/** None of them is one of those, though most begin or end like one. */
const strangers = [
  "https://evil.example",
  "http://app.example",
  "https://app.example:8443",
  "https://app.example.evil.example",
  "https://sub.app.example",
  "https://APP.example",
  "https://app.example/",
  "http://localhost",
  "null",
  "*",
  `${app}, https://evil.example`
]

const setPhone = "/zitadel.user.v2.UserService/SetPhone"

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly origin?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: BodyInit
}

const send = Effect.fnUntraced(function*({ body, headers, method = "POST", origin, path = setPhone }: Sent) {
  const { url } = yield* TestServer.TestServer
  const response = yield* Effect.promise(() =>
    fetch(url + path, {
      method,
      headers: { ...headers, ...(origin === undefined ? {} : { origin }) },
      ...(body === undefined ? {} : { body })
    })
  )
  const bytes = Buffer.from(yield* Effect.promise(() => response.arrayBuffer()))
  return { response, bytes }
})

/** What an answer says of origins. */
const said = ({ headers }: Response) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-") || name === "vary"))

const listOf = (text: string | null | undefined) => (text ?? "").split(/, ?/).toSorted()

const preflight = (origin: string | undefined, path: string, more: Readonly<Record<string, string>> = {}): Sent => ({
  method: "OPTIONS",
  path,
  origin,
  headers: { "access-control-request-method": "POST", "access-control-request-headers": "content-type", ...more }
})

const json = { "content-type": "application/json" }

/** A request for each answer that there can be, by its status. */
const answers: ReadonlyArray<readonly [name: string, status: number, Sent]> = [
  ["a probe", 200, { method: "GET", path: "/healthz" }],
  ["JSON without a token", 401, { path: "/v2/users/ada/phone", headers: json, body: "{}" }],
  ["Connect without a token", 401, { headers: json, body: "{}" }],
  ["gRPC-Web without a token", 200, { headers: { "content-type": "application/grpc-web+proto" }, body: "\0\0\0\0\0" }],
  ["an unknown path", 404, { path: "/nothing", headers: json, body: "{}" }],
  ["an unknown method of gRPC-Web", 200, {
    path: "/a.B/C",
    headers: { "content-type": "application/grpc-web+proto" },
    body: ""
  }],
  ["a wrong method", 405, { method: "PUT", path: "/v2/users/ada/phone", headers: json, body: "{}" }],
  ["a wrong method of a call", 405, { method: "DELETE" }],
  ["a wrong content type", 415, { headers: { "content-type": "text/plain" }, body: "{}" }],
  ["a path that is none", 400, { path: "/v2/users/%FF/phone", headers: json, body: "{}" }],
  ["a bug", 500, { method: "GET", path: "/bug" }]
]

const beside = Layer.mergeAll(
  HttpRouter.add("GET", "/bug", Effect.die("a bug of the host's")),
  HttpRouter.add("GET", "/negotiated", HttpServerResponse.text("hello", { headers: { vary: "Accept" } }))
)

/** What is mounted for these origins. */
const besideFor = (origins: ReadonlyArray<string>) => Layer.merge(beside, Layer.orDie(Cors.layer({ origins })))

// The bugs are logged.
const server = TestServer.layerWith({ beside: besideFor(origins) }).pipe(Layer.provideMerge(Logger.layer([])))

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("CORS", (it) => {
  for (const [name, status, sent] of answers) {
    it.effect(`on ${name}: its origin to who is configured, nothing to others, Vary to all`, () =>
      Effect.gen(function*() {
        for (const origin of origins) {
          const { response } = yield* send({ ...sent, origin })
          assert.strictEqual(response.status, status)
          const { "access-control-expose-headers": exposed, ...rest } = said(response)
          assert.deepStrictEqual(rest, { "access-control-allow-origin": origin, vary: "Origin" })
          assert.deepStrictEqual(listOf(exposed), [
            "grpc-message",
            "grpc-status",
            "grpc-status-details-bin",
            "idempotency-replayed",
            "retry-after",
            "www-authenticate"
          ])
        }
        for (const origin of [undefined, ...strangers]) {
          const { response } = yield* send({ ...sent, origin })
          assert.strictEqual(response.status, status)
          assert.deepStrictEqual(said(response), { vary: "Origin" }, origin)
        }
      }))
  }

  it.effect("on a success as on the others", () =>
    Effect.gen(function*() {
      const userId = yield* newTarget("active")
      const token = yield* authorization(writer, userId)
      const body = JSON.stringify({ phone: "+41791112233" })
      const sent = { path: `/v2/users/${userId}/phone`, headers: { ...json, authorization: token! }, body }
      const refused = yield* send({ ...sent, origin: strangers[0] })
      // The request is carried out all the same: the browser keeps the answer from the script, not the request from us.
      assert.strictEqual(refused.response.status, 200)
      assert.deepStrictEqual(said(refused.response), { vary: "Origin" })
      const admitted = yield* send({ ...sent, method: "DELETE", origin: app, body: "{}" })
      assert.strictEqual(admitted.response.status, 200)
      assert.strictEqual(said(admitted.response)["access-control-allow-origin"], app)
    }))

  it.effect("answers a preflight for any path, without a token", () =>
    Effect.gen(function*() {
      for (const path of ["/v2/users/ada/phone", setPhone, "/effectuserphone.v1.PhoneService/GetPhone", "/nothing"]) {
        for (const origin of origins) {
          const { bytes, response } = yield* send(preflight(origin, path))
          assert.strictEqual(response.status, 204)
          assert.strictEqual(bytes.length, 0)
          const {
            "access-control-allow-headers": headers,
            "access-control-allow-methods": methods,
            "access-control-expose-headers": _,
            ...rest
          } = said(response)
          assert.deepStrictEqual(rest, {
            "access-control-allow-origin": origin,
            "access-control-max-age": "7200",
            vary: "Origin"
          })
          assert.deepStrictEqual(listOf(methods), ["DELETE", "GET", "POST"])
          assert.deepStrictEqual(listOf(headers), [
            "authorization",
            "b3",
            "connect-protocol-version",
            "connect-timeout-ms",
            "content-type",
            "grpc-timeout",
            "idempotency-key",
            "traceparent",
            "tracestate",
            "x-grpc-web",
            "x-requested-with",
            "x-user-agent",
            "x-zitadel-orgid"
          ])
        }
      }
    }))

  it.effect("tells the preflight of another origin nothing", () =>
    Effect.gen(function*() {
      for (const origin of [undefined, ...strangers]) {
        for (const [path, status] of [["/v2/users/ada/phone", 405], [setPhone, 405], ["/nothing", 404]] as const) {
          const { response } = yield* send(preflight(origin, path))
          assert.strictEqual(response.status, status)
          assert.deepStrictEqual(said(response), { vary: "Origin" })
        }
      }
    }))

  it.effect("allows no header because it is asked for, and takes no other OPTIONS for a preflight", () =>
    Effect.gen(function*() {
      const asked = { "access-control-request-headers": "x-forwarded-for", "access-control-request-method": "PUT" }
      const { response } = yield* send(preflight(app, setPhone, asked))
      assert.notInclude(listOf(response.headers.get("access-control-allow-headers")), "x-forwarded-for")
      assert.notInclude(listOf(response.headers.get("access-control-allow-methods")), "PUT")
      const plain = yield* send({ method: "OPTIONS", path: "/v2/users/ada/phone", origin: app })
      assert.strictEqual(plain.response.status, 405)
      assert.deepStrictEqual(said(plain.response), { vary: "Origin" })
    }))

  it.effect("leaves an answer's own Vary", () =>
    Effect.gen(function*() {
      for (const origin of [app, strangers[0], undefined]) {
        const { response } = yield* send({ method: "GET", path: "/negotiated", origin })
        assert.strictEqual(response.headers.get("vary"), "Accept, Origin")
      }
    }))

  it.effect("never speaks of credentials", () =>
    Effect.gen(function*() {
      for (const sent of [preflight(app, setPhone), { origin: app, headers: json, body: "{}" }]) {
        const { response } = yield* send({ ...sent, headers: { ...sent.headers, cookie: "a=b" } })
        assert.isNull(response.headers.get("access-control-allow-credentials"))
      }
    }))

  it.effect("shows a script all that a gRPC-Web client reads of a refusal", () =>
    Effect.gen(function*() {
      const sent = { origin: app, headers: { "content-type": "application/grpc-web+proto" }, body: "\0\0\0\0\0" }
      const { bytes, response } = yield* send(sent)
      assert.strictEqual(response.headers.get("access-control-allow-origin"), app)
      assert.strictEqual(trailersOf(framesOf(bytes)).get("grpc-status"), "16")
      const unknown = yield* send({ ...sent, path: "/a.B/C", body: "" })
      assert.strictEqual(unknown.response.headers.get("grpc-status"), "12")
    }))

  it.effect("does not tell others which one it is, if it is only one", () =>
    Effect.gen(function*() {
      for (const origin of [undefined, ...strangers, origins[1]]) {
        for (const sent of [{ method: "GET", path: "/healthz", origin }, preflight(origin, setPhone)]) {
          assert.deepStrictEqual(said((yield* send(sent)).response), { vary: "Origin" })
        }
      }
      const { response } = yield* send({ method: "GET", path: "/healthz", origin: app })
      assert.strictEqual(response.headers.get("access-control-allow-origin"), app)
    }).pipe(Effect.provide(TestServer.layerServer({ beside: besideFor([app]) }))))

  for (const [name, without] of [["layer", beside], ["origins", besideFor([])]] as const) {
    it.effect(`says nothing to anybody with no ${name}`, () =>
      Effect.gen(function*() {
        for (const origin of [undefined, app, "null"]) {
          for (const [, status, sent] of answers) {
            const { response } = yield* send({ ...sent, origin })
            assert.strictEqual(response.status, status)
            assert.deepStrictEqual(said(response), {})
          }
          const { response } = yield* send(preflight(origin, setPhone))
          assert.strictEqual(response.status, 405)
          assert.deepStrictEqual(said(response), {})
        }
      }).pipe(Effect.provide(TestServer.layerServer({ beside: without }))))
  }
})
describe("CORS origins", () => {
  const build = (origins: ReadonlyArray<string>) =>
    Effect.scoped(Layer.build(Layer.provide(Cors.layer({ origins }), HttpRouter.layer)))

  const shape = "must be a scheme, :// and a host, like https://app.example"
  const written = (origin: string) => `must be written as browsers do: ${origin}`
  const refused: ReadonlyArray<readonly [origin: string, rule: string]> = [
    ["*", "is a pattern: name each origin"],
    ["https://*.app.example", "is a pattern: name each origin"],
    ["", shape],
    ["null", shape],
    ["app.example", shape],
    ["localhost:5173", shape],
    ["//app.example", shape],
    ["https://", shape],
    ["file:///home/page.html", shape],
    ["data:text/html,x", shape],
    ["https://app.example/", written(app)],
    ["https://app.example/login", written(app)],
    ["https://app.example?x", written(app)],
    ["https://app.example#x", written(app)],
    ["https://ada@app.example", written(app)],
    ["https://app.example:443", written(app)],
    ["http://localhost:80", written("http://localhost")],
    ["https:app.example", written(app)],
    ["HTTPS://App.Example", written(app)],
    [" https://app.example", written(app)],
    ["https://app.example, https://b.example", shape],
    ["https://b\u00FCcher.example", written("https://xn--bcher-kva.example")],
    ["capacitor://LOCALHOST", written("capacitor://localhost")]
  ]
  for (const [origin, rule] of refused) {
    it.effect(`refuses ${JSON.stringify(origin)} by name`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(build([app, origin]))
        assert.instanceOf(error, Cors.OriginRefused)
        assert.strictEqual(error.message, `CORS origin refused: ${JSON.stringify(origin)} ${rule}`)
      }))
  }

  it.effect("takes those that browsers send", () =>
    build([...origins, "http://127.0.0.1:8080", "http://[::1]:8080", "https://xn--bcher-kva.example", app]))

  it("lets pass what Connect's clients in a browser need, by its own list", () => {
    // What is left out is unused in browsers, says Connect.
    const missing = (wanted: ReadonlyArray<string>, given: ReadonlyArray<string>) =>
      wanted.map((name) => name.toLowerCase()).filter((name) => !given.some((other) => other.toLowerCase() === name))
        .toSorted()
    assert.deepStrictEqual(missing(connectCors.allowedMethods, Cors.allowedMethods), [])
    assert.deepStrictEqual(missing(connectCors.allowedHeaders, Cors.allowedHeaders), [
      "accept-encoding",
      "connect-accept-encoding",
      "connect-content-encoding",
      "content-encoding",
      "grpc-message-type"
    ])
    assert.deepStrictEqual(missing(connectCors.exposedHeaders, Cors.exposedHeaders), [
      "connect-content-encoding",
      "content-encoding"
    ])
  })
})
