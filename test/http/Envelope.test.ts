/** What surrounds the operations: bodies, headers, routes and probes over real HTTP. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { request as httpRequest } from "node:http"
import { connect } from "node:net"
import { OrganizationId, UserId } from "../../src/core/UserId.ts"
import { Users } from "../../src/core/Users.ts"
import { PhoneApi } from "../../src/http/index.ts"
import * as TestServer from "../fixtures/TestServer.ts"

const organization = "acme"
const token = TestServer.TestServer.use((server) =>
  server.token({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
)

const newUser = Effect.gen(function*() {
  const userId = UserId.make(crypto.randomUUID())
  yield* Users.use((users) =>
    users.register({ userId, resourceOwner: OrganizationId.make(organization), kind: "human", state: "active" })
  )
  return userId
})

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** Sends exactly these bytes and headers; `fetch` would change some. */
const send = Effect.fnUntraced(function*({ body, headers, method = "POST", path = "/" }: Sent) {
  const { url } = yield* TestServer.TestServer
  return yield* Effect.callback<
    { readonly status: number; readonly headers: Record<string, unknown>; readonly text: string }
  >(
    (resume) => {
      const request = httpRequest(`${url}${path}`, { method, headers: headers ?? {} }, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk) => chunks.push(chunk))
        response.on("end", () =>
          resume(Effect.succeed({
            status: response.statusCode!,
            headers: response.headers,
            text: Buffer.concat(chunks).toString()
          })))
      })
      request.on("error", () => {})
      request.end(body)
    }
  )
})

/** A SetPhone for a new user with any body; with its number of events afterwards. */
const setPhone = Effect.fnUntraced(
  function*(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) {
    const userId = yield* newUser
    const { status, text, ...rest } = yield* send({
      path: `/v2/users/${userId}/phone`,
      headers: { authorization: `Bearer ${yield* token}`, "content-type": "application/json", ...headers },
      body
    })
    const sql = yield* SqlClient.SqlClient
    const events = yield* sql`SELECT 1 FROM user_phone.events WHERE user_id = ${userId}`
    return { status, body: JSON.parse(text) as any, headers: rest.headers, events: events.length }
  }
)

const good = { phone: "+41791112233", returnCode: {} }

layer(TestServer.layer, { excludeTestServices: true, timeout: "60 seconds" })("the HTTP envelope", (it) => {
  const unread = (rule: string) => ({
    code: 3,
    message: `invalid SetPhoneRequest: ${rule}`,
    details: [{
      "@type": "type.googleapis.com/google.rpc.BadRequest",
      fieldViolations: [{ description: rule }]
    }]
  })
  const member = (field: string, rule: string) => ({
    code: 3,
    message: `invalid SetPhoneRequest.${field.charAt(0).toUpperCase()}${field.slice(1)}: ${rule}`,
    details: [{ "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field, description: rule }] }]
  })
  const json = JSON.stringify
  const length = member("phone", "value length must be between 1 and 200 runes, inclusive")

  const refused: ReadonlyArray<readonly [name: string, body: string | Uint8Array, answer: unknown]> = [
    ["no JSON", "phone=+41791112233", unread("the body must be JSON")],
    ["a truncated body", json(good).slice(0, -3), unread("the body must be JSON")],
    ["two JSON values", `${json(good)}${json(good)}`, unread("the body must be JSON")],
    [
      "bytes that are not UTF-8",
      Uint8Array.from([...Buffer.from("{\"phone\":\""), 0xFF, 0xFE, 0x22, 0x7D]),
      unread(
        "the body must be UTF-8"
      )
    ],
    ["an array", json([good]), unread("the body must be an object")],
    ["null", "null", unread("the body must be an object")],
    ["a number", "5", unread("the body must be an object")],
    ["a string", "\"+41791112233\"", unread("the body must be an object")],
    ["nothing", "", length],
    ["an empty object", "{}", length],
    ["a null phone", json({ ...good, phone: null }), length],
    ["a phone that is a number", json({ ...good, phone: 41791112233 }), member("phone", "must be a string")],
    ["a phone that is true", json({ ...good, phone: true }), member("phone", "must be a string")],
    ["a phone that is a list", json({ ...good, phone: ["+41791112233"] }), member("phone", "must be a string")],
    ["a phone that is an object", json({ ...good, phone: {} }), member("phone", "must be a string")],
    [
      "an isVerified that is a string",
      json({ phone: good.phone, isVerified: "true" }),
      member(
        "isVerified",
        "must be true or false"
      )
    ],
    ["a sendCode that is true", json({ phone: good.phone, sendCode: true }), member("sendCode", "must be an object")],
    [
      "a returnCode that is a list",
      json({ phone: good.phone, returnCode: [] }),
      member("returnCode", "must be an object")
    ],
    [
      "two options in snake_case",
      json({ phone: good.phone, send_code: {}, is_verified: false }),
      member(
        "isVerified",
        "must not be set together with sendCode"
      )
    ],
    [
      "a member in both spellings",
      json({ ...good, return_code: {} }),
      member(
        "returnCode",
        "must not be given as returnCode and as return_code at once"
      )
    ]
  ]
  for (const [name, body, answer] of refused) {
    it.effect(`refuses ${name}, and writes nothing`, () =>
      Effect.gen(function*() {
        const response = yield* setPhone(body)
        assert.deepStrictEqual(response.body, answer)
        assert.strictEqual(response.status, 400)
        assert.strictEqual(response.events, 0)
      }))
  }

  const accepted: ReadonlyArray<readonly [name: string, body: unknown, headers?: Readonly<Record<string, string>>]> = [
    ["snake_case", { phone: good.phone, return_code: {} }],
    ["null for what is not set", { ...good, sendCode: null, isVerified: null, is_verified: null }],
    ["members that it does not know", { ...good, nickname: "x", verification: { sendCode: {} }, returnCode: { a: 1 } }],
    ["a user id in the body, which the path overrides", { ...good, userId: "someone else" }],
    [
      "a member named __proto__",
      JSON.parse("{\"phone\":\"+41791112233\",\"returnCode\":{},\"__proto__\":{\"isVerified\":true}}")
    ],
    ["a content type with a charset", good, { "content-type": "Application/JSON; charset=utf-8" }]
  ]
  for (const [name, body, headers] of accepted) {
    it.effect(`takes ${name}`, () =>
      Effect.gen(function*() {
        const response = yield* setPhone(json(body), headers)
        assert.strictEqual(response.status, 200)
        assert.match(response.body.verificationCode, /^\d{6}$/)
        assert.strictEqual(response.headers["cache-control"], "no-store")
      }))
  }

  it.effect("takes JSON without a content type", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      const { status } = yield* send({
        path: `/v2/users/${userId}/phone`,
        headers: { authorization: `Bearer ${yield* token}` },
        body: json(good)
      })
      assert.strictEqual(status, 200)
    }))

  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonp",
      "application/grpc",
      "",
      "*/*"
    ]
  ) {
    it.effect(`answers 415 to the content type ${json(type)}`, () =>
      Effect.gen(function*() {
        const response = yield* setPhone(json(good), { "content-type": type })
        assert.deepStrictEqual(response.body, { code: 3, message: "the content type must be application/json" })
        assert.strictEqual(response.status, 415)
        assert.strictEqual(response.events, 0)
      }))
  }

  it.effect("takes no body, or one of white space, for an empty message, whatever its type", () =>
    Effect.gen(function*() {
      for (
        const [type, body] of [
          ["application/x-www-form-urlencoded", ""],
          ["text/plain", ""],
          ["application/json", "\n"],
          ["application/json", " \t\r\n"]
        ] as const
      ) {
        const { body: answer, status } = yield* setPhone(body, { "content-type": type })
        assert.deepStrictEqual([status, answer], [400, length], json([type, body]))
      }
      const { body: answer } = yield* setPhone("\u00A0", { "content-type": "application/json" })
      assert.deepStrictEqual(answer, unread("the body must be JSON"))
    }))

  it.effect("answers 415 to a body that is compressed", () =>
    Effect.gen(function*() {
      for (const encoding of ["gzip", "br", "identity, gzip"]) {
        const response = yield* setPhone(json(good), { "content-encoding": encoding })
        assert.deepStrictEqual(response.body, { code: 3, message: "the body must not be compressed" })
        assert.strictEqual(response.status, 415)
        assert.strictEqual(response.events, 0)
      }
      assert.strictEqual((yield* setPhone(json(good), { "content-encoding": "Identity" })).status, 200)
    }))

  const tooLarge = { code: 8, message: "the request body is larger than this service reads" }
  for (const [name, headers] of [["with its length", {}], ["in chunks", { "transfer-encoding": "chunked" }]] as const) {
    it.effect(`answers 413 to a body of 10 MB ${name}`, () =>
      Effect.gen(function*() {
        const body = json({ ...good, padding: "x".repeat(10_000_000) })
        const length = "transfer-encoding" in headers ? {} : { "content-length": String(body.length) }
        const response = yield* setPhone(body, { ...headers, ...length })
        assert.deepStrictEqual(response.body, tooLarge)
        assert.strictEqual(response.status, 413)
        assert.strictEqual(response.events, 0)
      }))
  }

  it.effect("reads bodies of up to 64 KiB", () =>
    Effect.gen(function*() {
      const empty = json({ ...good, padding: "" })
      const fits = yield* setPhone(json({ ...good, padding: "x".repeat(65_536 - empty.length) }))
      assert.strictEqual(fits.status, 200)
      const over = yield* setPhone(json({ ...good, padding: "x".repeat(65_537 - empty.length) }))
      assert.strictEqual(over.status, 413)
    }))

  it.effect("looks at the token before the body, whatever the body", () =>
    Effect.gen(function*() {
      for (const body of ["{", json(good), "x".repeat(100_000)]) {
        const { status, text } = yield* send({
          path: "/v2/users/ada/phone",
          headers: { "content-type": "text/plain" },
          body
        })
        assert.deepStrictEqual(JSON.parse(text), { code: 16, message: "auth header missing" })
        assert.strictEqual(status, 401)
      }
    }))

  const unknown = { code: 5, message: "Not Found" }
  const unknownPaths = [
    "/",
    "/v2",
    "/v2/users",
    "//v2/users/ada/phone",
    "/v2//users/ada/phone",
    "/v2/users/ada//phone",
    "/v2/users/a/b/phone",
    "/v2/users/ada/phone/",
    "/V2/users/ada/phone",
    "/v3/users/ada/phone",
    "/v2/users/ada/phones"
  ]
  for (const path of unknownPaths) {
    it.effect(`does not know ${path}`, () =>
      Effect.gen(function*() {
        for (const method of ["GET", "POST"]) {
          const { headers, status, text } = yield* send({ method, path })
          assert.deepStrictEqual(JSON.parse(text), unknown)
          assert.strictEqual(status, 404)
          assert.strictEqual(headers["content-type"], "application/json")
        }
      }))
  }

  it.effect("answers 400 to an id that is empty, once it knows who asks", () =>
    Effect.gen(function*() {
      const path = "/v2/users//phone"
      assert.strictEqual((yield* send({ path })).status, 401)
      const headers = { authorization: `Bearer ${yield* token}`, "content-type": "application/json" }
      const { status, text } = yield* send({ path, headers, body: json(good) })
      assert.strictEqual(status, 400)
      assert.deepStrictEqual(JSON.parse(text).details[0].fieldViolations[0].field, "userId")
    }))

  it.effect("answers 405 with the methods that there are", () =>
    Effect.gen(function*() {
      const paths = [
        ["/v2/users/ada/phone?x=1", ["POST", "DELETE", "GET"]],
        ["/v2beta/users/ada/phone", ["POST", "DELETE"]],
        ["/v2/users/ada/phone/verify", ["POST"]],
        ["/v2beta/users/ada/phone/resend", ["POST"]],
        ["/v2/users/ada/phone/unlock", ["POST"]]
      ] as const
      for (const [path, allowed] of paths) {
        for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]) {
          const { headers, status, text } = yield* send({ method, path })
          if ((allowed as ReadonlyArray<string>).includes(method)) {
            assert.strictEqual(status, 401)
            continue
          }
          assert.strictEqual(status, 405)
          assert.strictEqual(headers["allow"], allowed.join(", "))
          assert.deepStrictEqual(JSON.parse(text), { code: 12, message: "Method Not Allowed" })
        }
      }
      assert.strictEqual((yield* send({ method: "POST", path: "/openapi.json" })).headers["allow"], "GET")
    }))

  it.effect("takes characters of an id that need no escape in a path, semicolon included", () =>
    Effect.gen(function*() {
      const userId = UserId.make(`a;b=c,d:e@f&g+h$i!${crypto.randomUUID()}`)
      yield* Users.use((users) =>
        users.register({ userId, resourceOwner: OrganizationId.make(organization), kind: "human", state: "active" })
      )
      const { status } = yield* send({
        path: `/v2/users/${userId}/phone?a=1;b=2`,
        headers: { authorization: `Bearer ${yield* token}`, "content-type": "application/json" },
        body: json(good)
      })
      assert.strictEqual(status, 200)
    }))

  it.effect("knows no path with a semicolon and more after it, whatever stands in front", () =>
    Effect.gen(function*() {
      const authorized = { authorization: `Bearer ${yield* token}`, "content-type": "application/json" }
      for (const end of [";", ";x", ";a=b?c=d", ";/phone"]) {
        for (
          const [method, path] of [
            ["POST", "/v2/users/ada/phone"],
            ["POST", "/v2/users/ada/phone/unlock"],
            ["POST", "/zitadel.user.v2.UserService/SetPhone"],
            ["POST", "/v2/users/ada/%70hone"],
            ["POST", "/v2/users/ada/phone/%75nlock"],
            ["GET", "/%68ealthz"],
            ["GET", "/healthz"],
            ["GET", "/docs"]
          ] as const
        ) {
          const { status } = yield* send({
            method,
            path: path + end,
            headers: authorized,
            ...(method === "POST" && { body: json(good) })
          })
          assert.strictEqual(status, 404, `${method} ${path}${end}`)
        }
      }
    }))

  it.effect("answers 400 to a path that is not percent-encoded UTF-8", () =>
    Effect.gen(function*() {
      for (const id of ["%zz", "%", "%E0%A4%A", "%FF"]) {
        const { status, text } = yield* send({
          path: `/v2/users/${id}/phone`,
          headers: { authorization: `Bearer ${yield* token}` }
        })
        assert.deepStrictEqual(JSON.parse(text), { code: 3, message: "the path must be percent-encoded UTF-8" })
        assert.strictEqual(status, 400)
      }
    }))

  /** All that comes back on a connection on which this was sent, until the server closes it. */
  const raw = Effect.fnUntraced(function*(text: string) {
    const { url } = yield* TestServer.TestServer
    const { hostname, port } = new URL(url)
    return yield* Effect.callback<string>((resume) => {
      let answer = ""
      const socket = connect(Number(port), hostname, () => socket.write(text))
      socket.on("data", (chunk) => (answer += chunk.toString()))
      socket.on("error", () => {})
      socket.on("close", () => resume(Effect.succeed(answer)))
    })
  })

  it.effect("answers what is no HTTP in the same error shape", () =>
    Effect.gen(function*() {
      assert.match(
        yield* raw("GARBAGE\r\n\r\n"),
        /^HTTP\/1\.1 400 .*\r\n\r\n\{"code":3,"message":"the request is not HTTP"\}$/s
      )
      assert.match(
        yield* raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`),
        /^HTTP\/1\.1 431 .*\{"code":3,"message":"the request's headers are too large"\}$/s
      )
      assert.match(
        yield* raw("GET /livez HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n"),
        /^HTTP\/1\.1 417 .*\r\nconnection: close\r\n.*\{"code":12,"message":"the only expectation there is is 100-continue"\}/s
      )
      assert.match(
        yield* raw("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
        /^HTTP\/1\.1 405 .*\{"code":12,"message":"Method Not Allowed"\}$/s
      )
    }))

  it.effect("answers a request that came whole, whatever follows it, and then closes the connection", () =>
    Effect.gen(function*() {
      const request = (body: string, length: number) =>
        Effect.gen(function*() {
          const userId = yield* newUser
          const bearer = `authorization: Bearer ${yield* token}\r\ncontent-type: application/json\r\n`
          const head = `POST /v2/users/${userId}/phone HTTP/1.1\r\nhost: x\r\n${bearer}`
          return yield* raw(`${head}content-length: ${length}\r\n\r\n${body}`)
        })
      const body = json(good)
      for (const rest of ["}", "\r\n}", "GARBAGE\r\n\r\n"]) {
        const answer = yield* request(`${body}${rest}`, body.length)
        assert.match(answer, /^HTTP\/1\.1 200 .*"sequence":"2"/s)
        assert.match(answer, /connection: close/i)
        assert.lengthOf(answer.match(/HTTP\/1\.1/g)!, 1)
      }
      // Of one that can never be whole nobody waits for an answer.
      const chunked = yield* raw("POST /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
      assert.match(chunked, /HTTP\/1\.1 40\d /)
    }))

  it.effect("repeats an answer under an idempotency key, says so, and leaves the code out", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      const headers = {
        authorization: `Bearer ${yield* token}`,
        "idempotency-key": "0001",
        "content-type": "application/json"
      }
      const path = `/v2/users/${userId}/phone`
      const first = yield* send({ path, headers, body: json(good) })
      const again = yield* send({ path, headers, body: json({ ...good, phone: "+41 79 111 22 33" }) })
      const { details, verificationCode } = JSON.parse(first.text)
      assert.isString(verificationCode)
      assert.deepStrictEqual(JSON.parse(again.text), { details })
      assert.isUndefined(first.headers["idempotency-replayed"])
      assert.strictEqual(again.headers["idempotency-replayed"], "true")

      const other = yield* send({ path, headers, body: json({ phone: good.phone }) })
      assert.strictEqual(other.status, 400)
      const rule = "the idempotency key was used for another request"
      assert.deepStrictEqual(JSON.parse(other.text), {
        code: 3,
        message: rule,
        details: [{
          "@type": "type.googleapis.com/google.rpc.BadRequest",
          fieldViolations: [{ field: "idempotencyKey", description: rule }]
        }]
      })
      const malformed = yield* setPhone(json(good), { "idempotency-key": "a b" })
      assert.deepStrictEqual(
        malformed.body,
        member("idempotencyKey", "value must be 1 to 255 visible ASCII characters")
      )
    }))

  it.effect("describes itself, and can be browsed without the internet", () =>
    Effect.gen(function*() {
      const openapi = JSON.parse((yield* send({ method: "GET", path: "/openapi.json" })).text)
      const operations = Object.entries<any>(openapi.paths).flatMap(([path, methods]) =>
        Object.entries<any>(methods).map(([method, { deprecated, tags }]) =>
          [method, path, ...tags, ...(deprecated ? ["deprecated"] : [])].join(" ")
        )
      )
      const ofVersion = (version: string, note: string) => [
        `post /${version}/users/{userId}/phone phone${note}`,
        `post /${version}/users/{userId}/phone/verify phone${note}`,
        `post /${version}/users/{userId}/phone/resend phone${note}`,
        `delete /${version}/users/{userId}/phone phone${note}`
      ]
      assert.sameMembers(operations, [
        ...ofVersion("v2", ""),
        ...ofVersion("v2beta", " deprecated"),
        "get /v2/users/{userId}/phone additions",
        "post /v2/users/{userId}/phone/unlock additions"
      ])
      const { post } = openapi.paths["/v2/users/{userId}/phone"]
      assert.deepStrictEqual(Object.keys(post.responses), [
        "200",
        "400",
        "401",
        "403",
        "404",
        "413",
        "415",
        "429",
        "503"
      ])
      assert.deepStrictEqual(post.security, [{ bearer: [] }])
      assert.deepStrictEqual(Object.keys(openapi.components.schemas.SetPhoneRequest.properties), [
        "phone",
        "sendCode",
        "returnCode",
        "isVerified"
      ])
      assert.notInclude(json(openapi), "\"additionalProperties\":false")
      const { ResendPhoneCodeRequest: resend, SetPhoneRequest: set } = openapi.components.schemas
      assert.deepStrictEqual(set.not.anyOf.map(({ required }: { required: Array<string> }) => required), [
        ["sendCode", "returnCode"],
        ["sendCode", "isVerified"],
        ["returnCode", "isVerified"]
      ])
      assert.deepStrictEqual(resend.not.anyOf, [{ required: ["sendCode", "returnCode"] }])
      for (const [path, required] of [["", true], ["/verify", true], ["/resend", false]] as const) {
        for (const version of ["v2", "v2beta"]) {
          const { requestBody, responses } = openapi.paths[`/${version}/users/{userId}/phone${path}`].post
          assert.strictEqual(requestBody.required, required, path)
          assert.deepStrictEqual(Object.keys(responses["401"].headers), ["www-authenticate"])
          for (const status of ["429", "503"]) {
            assert.deepStrictEqual(Object.keys(responses[status].headers), ["retry-after"])
          }
        }
      }
      // The page is loaded for the first who asks, here two at once.
      const [docs, again] = yield* Effect.all([1, 2].map(() => send({ method: "GET", path: "/docs" })), {
        concurrency: "unbounded"
      })
      assert.strictEqual(docs!.status, 200)
      assert.include(docs!.text, "/v2/users/{userId}/phone")
      assert.strictEqual(again!.text, docs!.text)
      assert.match(String(docs!.headers["content-type"]), /^text\/html/)
      assert.notMatch(docs!.text, /<(script|link)[^>]+(src|href)="https?:/)
    }))

  it.effect("has a typed client from its contract", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const bearer = yield* token
      const client = yield* HttpApiClient.make(PhoneApi.PhoneApi, {
        baseUrl: url,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(bearer))
      })
      const userId = yield* newUser
      const call = (phone: string) =>
        client.phone.setPhone({ params: { userId }, headers: {}, payload: { phone, returnCode: {} } })
      const answer = yield* call(good.phone)
      assert.strictEqual(answer.body.details.sequence, "2")
      const error = yield* Effect.flip(call(good.phone))
      assert.deepInclude(error as object, { code: 9, message: "Phone not changed (COMMAND-Uch5e)" })
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("answers its probes without a token", () =>
    Effect.gen(function*() {
      const healthy = yield* send({ method: "GET", path: "/healthz" })
      const ready = yield* send({ method: "GET", path: "/readyz" })
      assert.deepStrictEqual([healthy.status, healthy.text], [200, "{\"status\":\"ok\"}"])
      assert.deepStrictEqual([ready.status, ready.text], [200, "{\"status\":\"ready\"}"])
    }))
})

describe("SetPhoneBody", () => {
  const decode = Schema.decodeUnknownEffect(PhoneApi.SetPhoneBody)

  it.effect.prop("survives a round trip", [PhoneApi.SetPhoneBody], ([body]) =>
    Effect.gen(function*() {
      const wire = yield* Schema.encodeEffect(PhoneApi.SetPhoneBody)(body)
      // Not by way of a text: once V8 13.6 has read an object whose next member is "\\", it takes every name that is written with
      // an escape at that place for it.
      assert.strictEqual(JSON.stringify(yield* decode(structuredClone(wire))), JSON.stringify(body))
    }), { arbitrary: { runs: 300 } })
})
