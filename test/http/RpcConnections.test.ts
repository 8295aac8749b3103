/**
 * Connections that are hostile, broken or slow, at the level of HTTP/2's frames: each is refused by what the protocol has for
 * it, memory stays bounded, and others are served meanwhile.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { request as httpRequest } from "node:http"
import type * as Http2 from "node:http2"
import { connect } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { vi } from "vitest"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import * as RpcStandard from "../../src/http/RpcStandard.ts"
import { writer } from "../cases/Case.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import { answerOf, headersOf, served, sessionTo, setPhoneFrame, setPhonePath } from "../fixtures/GrpcStreams.ts"
import * as Wire from "../fixtures/Http2Wire.ts"
import * as TestServer from "../fixtures/TestServer.ts"

const eventsOf = (userId: string) =>
  UserStore.use((store) => store.load(UserId.make(userId))).pipe(Effect.map((user) => Number(user!.sequence)))

/** On any machine, in milliseconds. */
vi.setConfig({ testTimeout: 180_000 })

/** How many messages wait for a user. */
const messagesOf = Effect.fnUntraced(function*(userId: string) {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`SELECT 1 FROM user_phone.outbox WHERE user_id = ${userId}`).length
})

/** One call on a session, for a new user. */
const callOn = Effect.fnUntraced(function*(
  session: Http2.ClientHttp2Session,
  headers: Readonly<Record<string, string>> = {}
) {
  const userId = yield* newTarget("active")
  const token = (yield* authorization(writer, userId))!
  const stream = session.request({ ...headersOf(token), ...headers })
  stream.end(setPhoneFrame(userId))
  const answer = yield* Effect.promise(() => answerOf(stream))
  return { answer, userId }
})

/** The headers of a call, in the order that HTTP/2 asks for, and its message. */
const rawCall = Effect.gen(function*() {
  const userId = yield* newTarget("active")
  const token = (yield* authorization(writer, userId))!
  const headers = { ":scheme": "http", ":authority": "localhost", ...headersOf(token) }
  return { userId, headers, block: Wire.headerBlock(headers), message: setPhoneFrame(userId) }
})

const { continuation, data, headers: head, ping, reset, settings, windowUpdate } = Wire.type
const { ack, endHeaders, endStream } = Wire.flag

/** The id of the client's stream with this index. */
const stream = (index: number): number => 2 * index + 1

const cancel = Buffer.of(0, 0, 0, Wire.reason.cancel)

/** Errors that the server logged. It logs nothing but its own bugs. */
const bugs: Array<unknown> = []
const layerServer = TestServer.layerWith({ beside: RpcStandard.layer }).pipe(
  Layer.provide(Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Error" || logLevel === "Fatal") bugs.push(message)
    })
  ]))
)

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** What is held in memory, in MB. Client and server share it. */
const held = (): number => {
  collect()
  const { external, heapUsed } = process.memoryUsage()
  return (heapUsed + external) / 1e6
}

/** How much more may be held than before, in MB: several times what is, and a part of what the attacks would make of it. */
const allowed = 60

interface Attack {
  readonly wire: Wire.Wire
  /** The headers of a call that is in order. */
  readonly block: Buffer
}

/**
 * Attacks from one connection after another while somebody else calls, until they have been served often enough. `attack`
 * has to show that it reached the server.
 */
const flood = Effect.fnUntraced(function*<E, R>(
  options: Wire.Options,
  attack: (attack: Attack) => Effect.Effect<void, E, R>
) {
  const { url } = yield* TestServer.TestServer
  const { block } = yield* rawCall
  const session = yield* sessionTo(url)
  const call = Effect.map(callOn(session), ({ answer }) => assert.deepStrictEqual(answer, served))
  yield* call
  const before = held()
  const others = { served: 0 }
  const other = yield* call.pipe(Effect.tap(() => Effect.sync(() => others.served++)), Effect.forever, Effect.forkChild)
  for (let rounds = 0; rounds < 3 || others.served < 5; rounds++) {
    yield* Effect.scoped(Effect.gen(function*() {
      const wire = yield* Wire.open(url, options)
      yield* attack({ wire, block })
      assert.isBelow(held() - before, allowed)
    }))
    assert.isUndefined(other.pollUnsafe(), "a call failed during the attack")
  }
  yield* Fiber.interrupt(other)
  yield* call
  assert.isBelow(held() - before, allowed)
  assert.deepStrictEqual(bugs, [])
})

const closed = (wire: Wire.Wire) => Wire.until(() => wire.isClosed())

/** Writes the same many times, until all is written or the connection is ended. */
const repeat = Effect.fnUntraced(function*(wire: Wire.Wire, times: number, frames: (index: number) => Buffer) {
  for (let at = 0; at < times && !wire.isClosed(); at += 100) {
    yield* wire.write(...Array.from({ length: 100 }, (_, index) => frames(at + index)))
  }
})

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("a connection over HTTP/2", (it) => {
  /** A whole block of headers, in as many frames as it takes, and the end of the stream. */
  const headersIn = (block: Buffer, stream: number): ReadonlyArray<Buffer> => {
    const parts = Array.from(
      { length: Math.ceil(block.length / 16_384) },
      (_, index) => block.subarray(index * 16_384, (index + 1) * 16_384)
    )
    return parts.map((part, index) =>
      Wire.frameOf(
        index === 0 ? head : continuation,
        (index === parts.length - 1 ? endHeaders : 0) | (index === 0 ? endStream : 0),
        stream,
        part
      )
    )
  }

  it.effect("takes headers up to 16 KiB, and beyond refuses their stream alone", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const { headers } = yield* rawCall
      const wire = yield* Wire.open(url)
      const ask = (stream: number, more: Readonly<Record<string, string>>) =>
        wire.write(...headersIn(Wire.headerBlock({ ...headers, ...more }), stream))
      const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, "y"]))
      yield* ask(1, { "x-large": "y".repeat(15_000) })
      yield* Wire.until(() => wire.count(head, endStream) === 1)
      yield* ask(3, { "x-large": "y".repeat(17_000) })
      yield* ask(5, many)
      yield* Wire.until(() => wire.resets(Wire.reason.calm) === 2)
      yield* ask(7, {})
      yield* Wire.until(() => wire.count(head, endStream) === 2)
      assert.strictEqual(wire.count(reset), 2)
      assert.isFalse(wire.isClosed())
    }))

  it.effect("ends the connection where headers are so large that they cannot be skipped", () =>
    flood({}, ({ block, wire }) =>
      Effect.gen(function*() {
        const huge = Buffer.concat([block, Wire.headerBlock({ "x-huge": "y".repeat(1_000_000) })])
        yield* wire.write(...headersIn(huge, 1))
        yield* closed(wire)
        assert.strictEqual(wire.goaway(), Wire.reason.compression)
        assert.strictEqual(wire.streams.begun, 0)
      })))

  it.effect("answers huge headers over HTTP/1.1 by a status", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const status = yield* Effect.callback<number | undefined>((resume) => {
        const headers = { "content-type": "application/json", "x-huge": "y".repeat(20_000) }
        httpRequest(url + setPhonePath, { method: "POST", headers }, (response) => {
          response.resume()
          resume(Effect.succeed(response.statusCode))
        }).on("error", () => {}).end("{}")
      })
      assert.strictEqual(status, 431)
    }))

  it.effect("answers who has half-closed the stream, also in the middle of a frame", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const session = yield* sessionTo(url)
      const ask = Effect.fnUntraced(function*(cut: (whole: Uint8Array) => ReadonlyArray<Uint8Array>) {
        const userId = yield* newTarget("active")
        const stream = session.request(headersOf((yield* authorization(writer, userId))!))
        const answer = answerOf(stream)
        for (const part of cut(setPhoneFrame(userId))) {
          yield* Effect.promise(() => new Promise((resolve) => stream.write(part, resolve)))
        }
        stream.end()
        return [yield* Effect.promise(() => answer), yield* eventsOf(userId)] as const
      })
      const refused = (code: number) => [{ ...served, grpcStatus: String(code) }, 0]
      assert.deepStrictEqual<unknown>(yield* ask((whole) => [whole.slice(0, 10)]), refused(3))
      assert.deepStrictEqual<unknown>(yield* ask((whole) => [whole.slice(0, 3)]), refused(3))
      assert.deepStrictEqual<unknown>(yield* ask((whole) => [whole, whole.slice(0, 7)]), refused(3))
      assert.deepStrictEqual<unknown>(yield* ask(() => []), refused(12))
      assert.deepStrictEqual<unknown>(
        yield* ask((whole) => [whole.slice(0, 7), whole.slice(7, 20), whole.slice(20)]),
        [served, 2]
      )
    }))

  const early: Readonly<Record<string, (userId: string) => Readonly<Record<string, string>>>> = {
    JSON: (userId) => ({ ":path": `/v2/users/${userId}/phone`, "content-type": "application/json" }),
    gRPC: () => ({ ":path": setPhonePath, "content-type": "application/grpc" })
  }
  for (const [name, headersFor] of Object.entries(early)) {
    it.effect(`lets who was refused by ${name} before the end of the request come to it, but not take long`, () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer.TestServer
        const wire = yield* Wire.open(url)
        const block = Wire.headerBlock({
          ":method": "POST",
          ":scheme": "http",
          ":authority": "localhost",
          ...headersFor(yield* newTarget("active"))
        })
        const body = (flags = 0) => Wire.frameOf(data, flags, 1, Buffer.alloc(16_384, " "))
        const ends = () => wire.count(head, endStream) + wire.count(data, endStream)
        const updates = () => wire.received.filter(({ stream, type }) => type === windowUpdate && stream === 1).length

        yield* wire.write(Wire.frameOf(head, endHeaders, 1, block))
        yield* Wire.until(() => ends() === 1)
        yield* wire.write(body(), body(), body())
        yield* Wire.until(() => updates() > 0)
        yield* wire.write(body(), body())
        yield* wire.write(body(endStream))
        yield* Wire.until(() => wire.streams.ended === 1)
        yield* wire.write(Wire.frameOf(head, endHeaders, 3, block))
        yield* Wire.until(() => ends() === 2)
        assert.strictEqual(wire.count(reset), 0)

        yield* Wire.until(() => wire.streams.ended === 2)
        yield* Wire.until(() => wire.count(reset) === 1)
        assert.strictEqual(wire.resets(Wire.reason.none), 1)
        assert.isFalse(wire.isClosed())
      }))
  }

  it.effect("has no bug where a client asks whether to go on and resets, all in its first packet", () =>
    Effect.gen(function*() {
      const { hostname, port } = new URL((yield* TestServer.TestServer).url)
      const asking = Wire.headerBlock({
        ":method": "POST",
        ":scheme": "http",
        ":authority": "localhost",
        ":path": "/grpc.health.v1.Health/Check",
        "content-type": "application/grpc",
        "expect": "100-continue"
      })
      const calls = Array.from({ length: 50 }, (_, index) =>
        Buffer.concat([
          Wire.frameOf(head, endHeaders, stream(index), asking),
          Wire.frameOf(reset, 0, stream(index), cancel)
        ]))
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connect({ host: hostname, port: Number(port) })),
        (socket) => Effect.sync(() => socket.destroy())
      )
      let answered = 0
      socket.on("data", (chunk) => answered += chunk.length)
      socket.write(
        Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Wire.frameOf(settings, 0, 0), ...calls])
      )
      yield* Wire.until(() => answered > 0)
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(bugs, [])
    }))

  it.effect("keeps one copy of a large page, however many ask for it and do not read it", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const block = Wire.headerBlock({
        ":method": "GET",
        ":scheme": "http",
        ":authority": "localhost",
        ":path": "/docs"
      })
      const ask = Effect.gen(function*() {
        const wire = yield* Wire.open(url, { settings: Wire.setting(4, 0) })
        const frames = Array.from({ length: 10 }, (_, index) =>
          Wire.frameOf(head, endHeaders | endStream, stream(index), block))
        yield* wire.write(...frames)
        // Node refuses a connection's further streams when what waits in it gets large.
        yield* Wire.until(() =>
          wire.count(head, endHeaders) + wire.count(reset) === 10
        )
        return wire.streams.begun - wire.streams.ended
      })
      yield* Effect.scoped(Effect.replicateEffect(ask, 5))
      collect()
      // What waits to be sent is not V8's.
      const before = process.memoryUsage.rss()
      const waiting = yield* Effect.replicateEffect(ask, 50)
      assert.isAtLeast(waiting.reduce((sum, count) => sum + count), 100)
      assert.isBelow((process.memoryUsage.rss() - before) / 1e6, 2 * allowed)
    }))

  it.effect("forgets who asks half and goes away", () =>
    flood({}, ({ block, wire }) =>
      Effect.gen(function*() {
        yield* repeat(wire, 500, (index) =>
          Buffer.concat([
            Wire.frameOf(head, endHeaders, stream(index), block),
            Wire.frameOf(data, 0, stream(index), Buffer.of(0, 0, 0, 0, 40, 10))
          ]))
        yield* Wire.until(() => wire.streams.begun === 500)
        assert.strictEqual(wire.streams.ended, 0)
        wire.socket.destroy()
        yield* Wire.until(() => wire.streams.ended === 500)
      })))

  const deadlines: ReadonlyArray<readonly [name: string, headers: Readonly<Record<string, string>>]> = [
    ["a millisecond", { "grpc-timeout": "1m" }],
    ["a microsecond", { "grpc-timeout": "1u" }],
    ["a nanosecond", { "grpc-timeout": "1n" }]
  ]
  for (const [name, headers] of deadlines) {
    it.effect(`within ${name} does all or nothing`, () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer.TestServer
        const session = yield* sessionTo(url)
        const calls = yield* Effect.all(Array.from({ length: 50 }, () => callOn(session, headers)), {
          concurrency: 10
        })
        for (const { answer, userId } of calls) {
          const events = yield* eventsOf(userId)
          if (answer.grpcStatus !== "0") assert.deepStrictEqual(answer, { ...served, grpcStatus: "4" })
          assert.include(answer.grpcStatus === "0" ? [2] : [0, 2], events)
          assert.strictEqual(yield* messagesOf(userId), events === 2 ? 1 : 0)
        }
        assert.isAbove(calls.filter(({ answer }) => answer.grpcStatus === "4").length, 0)
      }))
  }

  it.effect("within a millisecond by Connect does all or nothing", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const codes: Array<string> = []
      for (let count = 0; count < 50; count++) {
        const userId = yield* newTarget("active")
        const token = (yield* authorization(writer, userId))!
        const body = yield* Effect.promise(async () => {
          const response = await fetch(url + setPhonePath, {
            method: "POST",
            headers: { authorization: token, "content-type": "application/json", "connect-timeout-ms": "1" },
            body: JSON.stringify({ userId, phone: "+41791112233" })
          })
          return await response.json() as { readonly code?: string; readonly details?: unknown }
        })
        const events = yield* eventsOf(userId)
        if (body.code === undefined) assert.isObject(body.details)
        else assert.strictEqual(body.code, "deadline_exceeded")
        assert.include(body.code === undefined ? [2] : [0, 2], events)
        assert.strictEqual(yield* messagesOf(userId), events === 2 ? 1 : 0)
        codes.push(body.code ?? "ok")
      }
      assert.include(codes, "deadline_exceeded")
    }))

  it.effect("answers a thousand streams at once", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const session = yield* sessionTo(url)
      const answers = yield* Effect.all(Array.from({ length: 1100 }, () => callOn(session)), {
        concurrency: "unbounded"
      })
      for (const { answer } of answers) assert.deepStrictEqual(answer, served)
    }))

  /** A thousand calls that lack nothing but the end of their streams. */
  const thousand = Effect.fnUntraced(function*(wire: Wire.Wire) {
    const calls = yield* Effect.all(Array.from({ length: 1000 }, () => rawCall), { concurrency: 10 })
    for (const [index, { block, message }] of calls.entries()) {
      yield* wire.write(
        Wire.frameOf(head, endHeaders, stream(index), block),
        Wire.frameOf(data, 0, stream(index), message)
      )
    }
    yield* Wire.until(() => wire.streams.begun === 1000)
    return calls
  })

  it.effect("refuses the stream above a thousand, and no other", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const wire = yield* Wire.open(url, { acknowledge: false })
      const calls = yield* thousand(wire)
      yield* wire.write(Wire.frameOf(head, endHeaders | endStream, stream(1000), calls[0]!.block))
      yield* Wire.until(() => wire.resets(Wire.reason.refusedStream) === 1)
      assert.strictEqual(wire.count(head), 0)
      for (let index = 0; index < 1000; index++) yield* wire.write(Wire.frameOf(data, endStream, stream(index)))
      yield* Wire.until(() => wire.count(head, endStream) === 1000)
      assert.strictEqual(wire.count(reset), 1)
      for (const { userId } of calls) assert.strictEqual(yield* eventsOf(userId), 2)
    }))

  it.effect("ends a connection that goes above a thousand although it knows", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const wire = yield* Wire.open(url)
      const calls = yield* thousand(wire)
      yield* wire.write(Wire.frameOf(head, endHeaders | endStream, stream(1000), calls[0]!.block))
      yield* closed(wire)
      assert.strictEqual(wire.goaway(), Wire.reason.protocol)
      yield* Wire.until(() => wire.streams.ended === 1000)
      for (const { userId } of calls) assert.strictEqual(yield* eventsOf(userId), 0)
      const { answer } = yield* callOn(yield* sessionTo(url))
      assert.deepStrictEqual(answer, served)
    }))

  it.effect("resets are counted, and too many end the connection", () =>
    flood({}, ({ block, wire }) =>
      Effect.gen(function*() {
        yield* repeat(wire, 10_000, (index) =>
          Buffer.concat([
            Wire.frameOf(head, endHeaders, stream(index), block),
            Wire.frameOf(reset, 0, stream(index), cancel)
          ]))
        yield* closed(wire)
        assert.strictEqual(wire.goaway(), Wire.reason.internal)
        assert.isAbove(wire.streams.begun, 500)
        assert.isBelow(wire.streams.begun, 2000)
        yield* Wire.until(() => wire.streams.ended === wire.streams.begun)
      })))

  it.effect("resets of calls at work end their work", () =>
    flood({}, ({ block, wire }) =>
      Effect.gen(function*() {
        const { message } = yield* rawCall
        yield* repeat(wire, 900, (index) =>
          Buffer.concat([
            Wire.frameOf(head, endHeaders, stream(index), block),
            Wire.frameOf(data, endStream, stream(index), message),
            Wire.frameOf(reset, 0, stream(index), cancel)
          ]))
        yield* Wire.until(() => wire.streams.begun === 900 && wire.streams.ended === 900)
        assert.isFalse(wire.isClosed())
      })))

  const small: ReadonlyArray<readonly [name: string, frame: Buffer]> = [
    ["pings", Wire.frameOf(ping, 0, 0, Buffer.alloc(8))],
    ["settings", Wire.frameOf(settings, 0, 0, Wire.setting(4, 65_535))],
    ["empty settings", Wire.frameOf(settings, 0, 0)]
  ]
  for (const [name, frame] of small) {
    it.effect(`ends a connection that sends a flood of ${name}`, () =>
      flood({}, ({ wire }) =>
        Effect.gen(function*() {
          yield* repeat(wire, 200_000, () => frame)
          yield* closed(wire)
          assert.strictEqual(wire.goaway(), Wire.reason.internal)
        })))

    it.effect(`ends a connection that sends a flood of ${name} and reads none of the answers`, () =>
      flood({}, ({ wire }) =>
        Effect.gen(function*() {
          wire.socket.pause()
          yield* repeat(wire, 10_000_000, () => frame)
          assert.isBelow(wire.socket.bytesWritten, 40_000_000)
          wire.socket.resume()
          yield* closed(wire)
        })))
  }

  it.effect("answers pings at the pace of an ordinary client", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const wire = yield* Wire.open(url)
      for (let count = 1; count <= 500; count++) {
        yield* wire.write(Wire.frameOf(ping, 0, 0, Buffer.alloc(8)))
        yield* Wire.until(() => wire.count(ping, ack) === count)
      }
      assert.isFalse(wire.isClosed())
    }))

  it.effect("ends a connection that sends more settings than there are", () =>
    flood({}, ({ wire }) =>
      Effect.gen(function*() {
        const many = Array.from({ length: 1000 }, (_, index) => Wire.setting(100 + index, 1))
        yield* wire.write(Wire.frameOf(settings, 0, 0, Buffer.concat(many)))
        yield* closed(wire)
        assert.strictEqual(wire.goaway(), Wire.reason.calm)
      })))

  it.effect("ends a connection that sends a flood of frames without data", () =>
    flood({}, ({ block, wire }) =>
      Effect.gen(function*() {
        yield* wire.write(Wire.frameOf(head, endHeaders, 1, block))
        yield* Wire.until(() => wire.streams.begun === 1)
        yield* repeat(wire, 50_000, () => Wire.frameOf(data, 0, 1))
        yield* closed(wire)
        assert.strictEqual(wire.goaway(), Wire.reason.internal)
        assert.strictEqual(wire.streams.ended, 1)
      })))

  it.effect("ends a connection whose headers never end", () =>
    flood({ acknowledge: false }, ({ block, wire }) =>
      Effect.gen(function*() {
        yield* wire.write(Wire.frameOf(head, 0, 1, block))
        yield* repeat(wire, 100_000, (index) =>
          Wire.frameOf(continuation, 0, 1, Wire.headerBlock({ [`x-${index}`]: "y" })))
        yield* closed(wire)
        assert.strictEqual(wire.goaway(), Wire.reason.internal)
        assert.strictEqual(wire.streams.begun, 0)
      })))

  it.effect("holds no more than a thousand answers for a client that takes none", () =>
    flood({ settings: Wire.setting(4, 0), acknowledge: false }, ({ block, wire }) =>
      Effect.gen(function*() {
        yield* thousand(wire)
        for (let index = 0; index < 1000; index++) yield* wire.write(Wire.frameOf(data, endStream, stream(index)))
        for (let index = 1000; index < 1500; index++) {
          yield* wire.write(Wire.frameOf(head, endHeaders | endStream, stream(index), block))
        }
        yield* Wire.until(() => wire.resets(Wire.reason.refusedStream) === 500 && wire.count(head) === 1000)
        assert.strictEqual(wire.count(head, endStream), 0)
        assert.strictEqual(wire.count(data), 0)
        assert.strictEqual(wire.streams.begun, 1000)
        assert.strictEqual(wire.streams.ended, 0)
      })))

  it.effect("ends a connection to which it owes too much", () =>
    flood({ settings: Wire.setting(4, 0) }, ({ wire }) =>
      Effect.gen(function*() {
        const block = Wire.headerBlock({ ":method": "GET", ":path": "/docs", ":scheme": "http", ":authority": "x" })
        yield* repeat(wire, 1500, (index) => Wire.frameOf(head, endHeaders | endStream, stream(index), block))
        yield* closed(wire)
        assert.isAbove(wire.count(head), 0)
        assert.isAbove(wire.resets(Wire.reason.calm), 0)
      })))
})
