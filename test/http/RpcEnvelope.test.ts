/** What surrounds a call's message in Connect, gRPC and gRPC-Web: bad input is the caller's fault, and changes nothing. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { request as httpRequest } from "node:http"
import { gzipSync } from "node:zlib"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { writer } from "../cases/Case.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import { frame, framesOf, trailersOf } from "../fixtures/GrpcFrames.ts"
import { detailsOfStatus, members, methodOf } from "../fixtures/Protobuf.ts"
import * as TestServer from "../fixtures/TestServer.ts"

type Bytes = Uint8Array<ArrayBuffer>

const setPhonePath = "/zitadel.user.v2.UserService/SetPhone"
const number = "+41791112233"

interface Sent {
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Bytes | string
  readonly path?: string
  readonly method?: string
  readonly stranger?: boolean
}

/** Sends a request about a new user; `body` may need its id. */
const send = Effect.fnUntraced(function*(sent: Sent | ((userId: string) => Sent)) {
  const { url } = yield* TestServer.TestServer
  const userId = yield* newTarget("active")
  const header = yield* authorization(writer, userId)
  const { body, headers, method = "POST", path = setPhonePath, stranger = false, type } = typeof sent === "function"
    ? sent(userId)
    : sent
  const response = yield* Effect.promise(() =>
    fetch(url + path, {
      method,
      headers: {
        ...(type === undefined ? {} : { "content-type": type }),
        ...(stranger ? {} : { authorization: header! }),
        ...headers
      },
      ...(body === undefined ? {} : { body })
    })
  )
  const bytes = new Uint8Array(yield* Effect.promise(() => response.arrayBuffer()))
  const after = yield* UserStore.use((store) => store.load(UserId.make(userId)))
  return { response, bytes, text: new TextDecoder().decode(bytes), events: Number(after!.sequence) }
})

const message = (userId: string, fields: object = { phone: number, returnCode: {} }): Bytes =>
  new Uint8Array(methodOf("zitadel.user.v2.UserService", "SetPhone").requestSerialize(members({ ...fields, userId })))

const bytesOf = (...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Bytes =>
  new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))))

const grpcStatusOf = ({ bytes }: { readonly bytes: Uint8Array }): string | null =>
  trailersOf(framesOf(Buffer.from(bytes))).get("grpc-status")

const invalid = (rule: string) => [3, `invalid SetPhoneRequest: ${rule}`, [violation("", rule)]] as const

const violation = (field: string, description: string) => ({
  "@type": "type.googleapis.com/google.rpc.BadRequest",
  fieldViolations: [{ ...(field === "" ? {} : { field }), description }]
})

const notProtobuf = invalid("the message must be protobuf of this type")
const notWhole = invalid("the body must be whole frames")
const notGzip = invalid("the message must be gzip, as its headers say")
const tooLarge = [8, "the request body is larger than this service reads", []] as const

const web = "application/grpc-web+proto"

layer(TestServer.layer, { excludeTestServices: true, timeout: "60 seconds" })("A call's envelope", (it) => {
  const garbage = new Uint8Array([0xFF, 0xFE, 0x07, 0x41])
  const notUtf8 = (userId: string) => bytesOf(message(userId, { returnCode: {} }), [0x12, 3, 0x2B, 0xFF, 0xFE])
  const bomb = gzipSync(new Uint8Array(10_000_000))

  const framed: ReadonlyArray<
    readonly [
      name: string,
      body: (userId: string) => Bytes,
      headers: Readonly<Record<string, string>>,
      readonly [code: number, message: string, details?: ReadonlyArray<object>]
    ]
  > = [
    ["a message that is no protobuf", () => frame(garbage), {}, notProtobuf],
    ["text that is not UTF-8", (userId) => frame(notUtf8(userId)), {}, notProtobuf],
    ["a frame that is cut off", (userId) => frame(message(userId)).slice(0, -3), {}, notWhole],
    ["a frame's head that is cut off", () => new Uint8Array([0, 0, 0]), {}, notWhole],
    ["a frame that says 4 GB", () => new Uint8Array([0, 0xFF, 0xFF, 0xFF, 0xFF, 1]), {}, notWhole],
    [
      "flags that there are not",
      (userId) => frame(message(userId), 2),
      {},
      invalid(
        "the flags of a frame must be those of its headers"
      )
    ],
    [
      "compression that no header names",
      (userId) => frame(new Uint8Array(gzipSync(message(userId))), 1),
      {},
      invalid(
        "the flags of a frame must be those of its headers"
      )
    ],
    ["a compression that is not known", (userId) => frame(message(userId), 1), { "grpc-encoding": "snappy" }, [
      12,
      "unknown compression \"snappy\": supported encodings are gzip"
    ]],
    ["gzip that is none", (userId) => frame(message(userId), 1), { "grpc-encoding": "gzip" }, notGzip],
    ["gzip that is cut off", (userId) => frame(new Uint8Array(gzipSync(message(userId))).slice(0, -9), 1), {
      "grpc-encoding": "gzip"
    }, notGzip],
    ["a compression bomb", () => frame(new Uint8Array(bomb), 1), { "grpc-encoding": "gzip" }, tooLarge],
    ["a body of 10 MB", () => frame(new Uint8Array(10_000_000)), {}, tooLarge],
    ["no message", () => new Uint8Array(), {}, [12, "protocol error: missing input message for unary method"]],
    ["two messages", (userId) => bytesOf(frame(message(userId)), frame(message(userId))), {}, [
      12,
      "protocol error: received extra input message for unary method"
    ]],
    ["two messages, the second of which is none", (userId) => bytesOf(frame(message(userId)), frame(garbage)), {}, [
      12,
      "protocol error: received extra input message for unary method"
    ]],
    ["a deadline that is none", (userId) => frame(message(userId)), { "grpc-timeout": "soon" }, [
      3,
      "protocol error: invalid grpc timeout value: soon"
    ]],
    ["a deadline that has passed", (userId) => frame(message(userId)), { "grpc-timeout": "0m" }, [
      4,
      "the operation timed out"
    ]]
  ]
  for (const [name, bodyOf, headers, [code, text, details = []]] of framed) {
    it.effect(`in frames: refuses ${name}, but first who has no token`, () =>
      Effect.gen(function*() {
        const { bytes, events, response } = yield* send((userId) => ({ type: web, headers, body: bodyOf(userId) }))
        const trailers = trailersOf(framesOf(Buffer.from(bytes)))
        assert.strictEqual(response.status, 200)
        assert.strictEqual(decodeURIComponent(trailers.get("grpc-message")!), text)
        assert.strictEqual(trailers.get("grpc-status"), String(code))
        const status = trailers.get("grpc-status-details-bin")
        assert.deepStrictEqual(detailsOfStatus(status === null ? undefined : Buffer.from(status, "base64")), details)
        assert.strictEqual(events, 0)

        const stranger = yield* send((userId) => ({ type: web, headers, body: bodyOf(userId), stranger: true }))
        if (code !== 4) assert.strictEqual(grpcStatusOf(stranger), "16")
      }))
  }

  const json = (fields: object) => (userId: string) => JSON.stringify({ userId, ...fields })
  const member = (field: string, rule: string) =>
    ["invalid_argument", `invalid SetPhoneRequest.${field}: ${rule}`] as const
  const malformed = (rule: string) => ["invalid_argument", `invalid SetPhoneRequest: ${rule}`] as const
  const unframed: ReadonlyArray<
    readonly [
      name: string,
      type: string,
      body: (userId: string) => Bytes | string,
      headers: Readonly<Record<string, string>>,
      readonly [code: string, message: string]
    ]
  > = [
    [
      "a message that is no protobuf",
      "application/proto",
      () => garbage,
      {},
      malformed(notProtobuf[2][0].fieldViolations[0]!.description)
    ],
    [
      "text that is not UTF-8",
      "application/proto",
      notUtf8,
      {},
      malformed(notProtobuf[2][0].fieldViolations[0]!.description)
    ],
    ["what is no JSON", "application/json", () => "{\"userId\":", {}, malformed("the body must be JSON")],
    [
      "JSON that is not UTF-8",
      "application/json",
      () => new Uint8Array([0x22, 0xFF, 0x22]),
      {},
      malformed("the body must be UTF-8")
    ],
    ["a list", "application/json", () => "[]", {}, malformed("the body must be an object")],
    [
      "a number that is a number",
      "application/json",
      json({ phone: 41791112233 }),
      {},
      member("Phone", "must be a string")
    ],
    [
      "an option that is a list",
      "application/json",
      json({ phone: number, returnCode: [] }),
      {},
      member("ReturnCode", "must be an object")
    ],
    [
      "a flag that is text",
      "application/json",
      json({ phone: number, isVerified: "true" }),
      {},
      member("IsVerified", "must be true or false")
    ],
    [
      "a member in both spellings",
      "application/json",
      json({ phone: number, send_code: {}, sendCode: {} }),
      {},
      member("SendCode", "must not be given as sendCode and as send_code at once")
    ],
    [
      "an id that is ill-formed",
      "application/json",
      () => JSON.stringify({ userId: "a\uD800", phone: number }),
      {},
      member("UserId", "value must be well-formed text without the character U+0000")
    ],
    [
      "gzip that is none",
      "application/json",
      json({ phone: number }),
      { "content-encoding": "gzip" },
      malformed("the message must be gzip, as its headers say")
    ],
    [
      "a compression that is not known",
      "application/json",
      json({ phone: number }),
      { "content-encoding": "deflate" },
      ["unimplemented", "unknown compression \"deflate\": supported encodings are gzip"]
    ],
    ["a compression bomb", "application/proto", () => new Uint8Array(bomb), { "content-encoding": "gzip" }, [
      "resource_exhausted",
      tooLarge[1]
    ]],
    ["a body of 10 MB", "application/json", () => `"${"x".repeat(10_000_000)}"`, {}, [
      "resource_exhausted",
      tooLarge[1]
    ]],
    ["a deadline that is none", "application/json", json({ phone: number }), { "connect-timeout-ms": "1.5" }, [
      "invalid_argument",
      "protocol error: invalid connect timeout value: 1.5"
    ]],
    ["a deadline that has passed", "application/json", json({ phone: number }), { "connect-timeout-ms": "0" }, [
      "deadline_exceeded",
      "the operation timed out"
    ]]
  ]
  for (const [name, type, bodyOf, headers, [code, text]] of unframed) {
    it.effect(`by Connect, ${type}: refuses ${name}, but first who has no token`, () =>
      Effect.gen(function*() {
        const answer = yield* send((userId) => ({ type, headers, body: bodyOf(userId) }))
        const { code: actual, message } = JSON.parse(answer.text)
        assert.deepStrictEqual([actual, message], [code, text])
        assert.strictEqual(answer.events, 0)

        const stranger = yield* send((userId) => ({ type, headers, body: bodyOf(userId), stranger: true }))
        if (code !== "deadline_exceeded") {
          assert.deepStrictEqual(JSON.parse(stranger.text), { code: "unauthenticated", message: "auth header missing" })
        }
      }))
  }

  const accepted: ReadonlyArray<readonly [name: string, sent: (userId: string) => Sent]> = [
    ["gzip in a frame", (userId) => ({
      type: web,
      headers: { "grpc-encoding": "gzip" },
      body: frame(new Uint8Array(gzipSync(message(userId))), 1)
    })],
    ["a frame that is not compressed, though others might be", (userId) => ({
      type: web,
      headers: { "grpc-encoding": "gzip" },
      body: frame(message(userId))
    })],
    ["gzip around JSON", (userId) => ({
      type: "application/json",
      headers: { "content-encoding": "gzip" },
      body: new Uint8Array(gzipSync(json({ phone: number })(userId)))
    })],
    ["a deadline beyond what a timer can wait", (userId) => ({
      type: "application/json",
      headers: { "connect-timeout-ms": "9999999999" },
      body: json({ phone: number })(userId)
    })],
    ["a deadline of 11,000 years", (userId) => ({
      type: web,
      headers: { "grpc-timeout": "99999999H" },
      body: frame(message(userId))
    })],
    ["snake_case, null and members that it does not know", (userId) => ({
      type: "application/json",
      body: JSON.stringify({ user_id: userId, phone: number, return_code: null, nickname: "x", verification: 5 })
    })],
    ["fields that it does not know", (userId) => ({
      type: "application/proto",
      body: bytesOf(message(userId), [0x98, 0x06, 0x01])
    })],
    ["a content type with a charset", (userId) => ({
      type: "application/json; charset=utf-8",
      body: json({ phone: number })(userId)
    })]
  ]
  for (const [name, sent] of accepted) {
    it.effect(`takes ${name}`, () =>
      Effect.gen(function*() {
        const { bytes, events, response } = yield* send(sent)
        assert.strictEqual(response.status, 200)
        if (response.headers.get("content-type") === web) assert.strictEqual(grpcStatusOf({ bytes }), "0")
        assert.strictEqual(events, 2)
      }))
  }

  it.effect("repeats an answer under an idempotency key, says so, and leaves the code out", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const userId = yield* newTarget("active")
      const header = yield* authorization(writer, userId)
      const call = Effect.promise(async () => {
        const response = await fetch(url + setPhonePath, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: header!, "idempotency-key": "0001" },
          body: JSON.stringify({ userId, phone: number, returnCode: {} })
        })
        return { replayed: response.headers.get("idempotency-replayed"), body: await response.json() }
      })
      const first = yield* call
      const again = yield* call
      assert.isString(first.body.verificationCode)
      assert.isNull(first.replayed)
      assert.deepStrictEqual(again, { replayed: "true", body: { details: first.body.details } })
    }))

  it.effect("answers other content types, methods and paths as everywhere", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Sent, status: number, code: number]> = [
        [{ type: "text/plain", body: "{}" }, 415, 3],
        [{ body: new Uint8Array() }, 415, 3],
        [{ type: "application/grpc-web-text", body: "AAAA" }, 415, 3],
        [{ type: "application/connect+json", body: "{}" }, 415, 3],
        [{ method: "GET" }, 405, 12],
        [{ method: "DELETE" }, 405, 12],
        [{ type: "application/json", body: "{}", path: "/zitadel.user.v2.UserService/Nothing" }, 404, 5],
        [{ type: "application/json", body: "{}", path: "/zitadel.user.v9.UserService/SetPhone" }, 404, 5],
        [{ type: "application/grpc", body: frame(new Uint8Array()) }, 505, 12]
      ]
      for (const [sent, status, code] of cases) {
        const { response, text } = yield* send(sent)
        assert.deepStrictEqual([response.status, JSON.parse(text).code], [status, code], JSON.stringify(sent))
      }
      for (const type of ["application/json; charset=utf-8", `${web};charset=utf-8`, "application/proto ; x=y"]) {
        const { response } = yield* send({ type, body: new Uint8Array() })
        assert.notStrictEqual(response.status, 415, type)
      }
      for (const type of ["application/grpc", "application/grpc+proto", web]) {
        const { response } = yield* send({ type, body: new Uint8Array(), path: "/a.B/C" })
        assert.strictEqual(response.status, 200)
        assert.strictEqual(response.headers.get("grpc-status"), "12")
      }
    }))

  it.effect("takes a call without side effects by GET", () =>
    Effect.gen(function*() {
      const path = "/effectuserphone.v1.PhoneService/GetPhone"
      const query = (userId: string, more: Record<string, string> = {}) =>
        `${path}?${new URLSearchParams({
          connect: "v1",
          encoding: "json",
          message: JSON.stringify({ userId }),
          ...more
        })}`
      const answer = yield* send((userId) => ({ method: "GET", path: query(userId) }))
      assert.deepStrictEqual(JSON.parse(answer.text), { details: { resourceOwner: "acme" }, phone: {} })
      const binary = yield* send((userId) => {
        const bytes = methodOf("effectuserphone.v1.PhoneService", "GetPhone").requestSerialize({ userId })
        return {
          method: "GET",
          path: query("", { encoding: "proto", base64: "1", message: bytes.toString("base64url") })
        }
      })
      assert.strictEqual(binary.response.status, 200)
      for (
        const more of [{ message: "{" }, { base64: "1", message: "~" }, { encoding: "proto", message: "\u00FF" }]
      ) {
        const { text } = yield* send({ method: "GET", path: query("", more as unknown as Record<string, string>) })
        assert.strictEqual(JSON.parse(text).code, "invalid_argument")
      }
      const stranger = yield* send({ method: "GET", path: query("ada"), stranger: true })
      assert.strictEqual(JSON.parse(stranger.text).code, "unauthenticated")
      const unknown = yield* send({ method: "GET", path: query("ada", { encoding: "xml" }) })
      assert.strictEqual(unknown.response.status, 415)
    }))

  it.effect("says what it can decompress where it cannot", () =>
    Effect.gen(function*() {
      const grpc = yield* send((userId) => ({
        type: web,
        headers: { "grpc-encoding": "br" },
        body: frame(message(userId))
      }))
      assert.strictEqual(grpcStatusOf(grpc), "12")
      assert.strictEqual(grpc.response.headers.get("grpc-accept-encoding"), "gzip")
      const connect = yield* send((userId) => ({
        type: "application/json",
        headers: { "content-encoding": "br" },
        body: json({ phone: number })(userId)
      }))
      assert.strictEqual(connect.response.status, 501)
      assert.strictEqual(connect.response.headers.get("accept-encoding"), "gzip")
    }))

  it.effect("takes letters of any script in a query for what they are", () =>
    Effect.gen(function*() {
      const path = "/effectuserphone.v1.PhoneService/GetPhone?connect=v1&message=%7B%7D"
      for (
        const [query, status, stranger] of [
          ["&encoding=%D0%B6", 415, 415],
          ["&encoding=grpc", 415, 415],
          ["&encoding=json&compression=%D0%B6", 501, 401]
        ] as const
      ) {
        assert.strictEqual((yield* send({ method: "GET", path: path + query })).response.status, status)
        assert.strictEqual(
          (yield* send({ method: "GET", path: path + query, stranger: true })).response.status,
          stranger
        )
      }
    }))

  it.effect("takes an option that is nested deeper than a stack", () =>
    Effect.gen(function*() {
      const deep = `${`{"a":`.repeat(9000)}{}${"}".repeat(9000)}`
      const { events, response, text } = yield* send((userId) => ({
        type: "application/json",
        body: `{"userId":"${userId}","phone":"${number}","returnCode":${deep}}`
      }))
      assert.strictEqual(response.status, 200, text)
      assert.strictEqual(events, 2)
    }))

  it.effect("does not fall over a header that is no address", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const status = yield* Effect.callback<number | undefined>((resume) => {
        const headers = { host: "[a b", "content-type": "application/json" }
        httpRequest(url + setPhonePath, { method: "POST", headers, setHost: false }, (response) => {
          response.resume()
          resume(Effect.succeed(response.statusCode))
        }).end("{}")
      })
      assert.strictEqual(status, 401)
    }))
})
