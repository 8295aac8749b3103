/** Connections: how long one may say nothing, what one that begins at the end is told, and what one is told that is too slow. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { once } from "node:events"
import type { RequestListener } from "node:http"
import * as Http2 from "node:http2"
import { type AddressInfo, connect, type Socket } from "node:net"
import { type Certificate, make, type Silence } from "../../src/http/internal/NodeListener.ts"
import * as Certificates from "../fixtures/Certificate.ts"
import { sessionTo } from "../fixtures/GrpcStreams.ts"

const timeout = { timeout: 10_000 }

/** Longer than any test. */
const patient = 60_000

/** A listener, with the connections that it has taken. */
const listening = Effect.fnUntraced(function*(
  { answer = (_, response) => response.end("done"), silence, tls }: {
    readonly answer?: RequestListener
    readonly silence?: Silence
    readonly tls?: Certificate
  } = {}
) {
  const { drain, server } = make(tls, silence)
  const taken: Array<Socket> = []
  server.on("connection", (socket) => taken.push(socket)).on("request", answer).listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(server, "listening"))
  yield* Effect.addFinalizer(() => drain("1 second"))
  const { port } = server.address() as AddressInfo
  /** A connection that the server has taken. */
  const open = Effect.gen(function*() {
    const connected = once(server, "connection")
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect(port, "127.0.0.1").on("error", () => {})),
      (socket) => Effect.sync(() => socket.destroy())
    )
    yield* Effect.promise(() => connected)
    return socket
  })
  return { drain, open, server, taken, url: `http://127.0.0.1:${port}` }
})

/** All that comes on a connection until it is closed. */
const received = (socket: Socket) =>
  Effect.callback<string>((resume) => {
    let text = ""
    socket.on("data", (chunk) => (text += chunk.toString()))
    socket.on("close", () => resume(Effect.succeed(text)))
  })

const get = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"

describe("a connection that says nothing", () => {
  it.live("is closed", () =>
    Effect.gen(function*() {
      const { open } = yield* listening({ silence: { first: 50, http2: patient } })
      assert.strictEqual(yield* received(yield* open), "")
    }), timeout)

  it.live("is closed where a handshake is waited for", () =>
    Effect.gen(function*() {
      const tls = Certificates.make("localhost")
      const { open } = yield* listening({ tls, silence: { first: 50, http2: patient } })
      assert.strictEqual(yield* received(yield* open), "")
    }), timeout)

  it.live("is none while its request is at work, however long that takes", () =>
    Effect.gen(function*() {
      const { promise: asked, resolve } = Promise.withResolvers<() => void>()
      const { open } = yield* listening({
        silence: { first: 50, http2: patient },
        answer: (_, response) => resolve(() => response.end("done"))
      })
      const busy = yield* open
      const answer = yield* Effect.forkChild(received(busy), { startImmediately: true })
      busy.write(get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
      const end = yield* Effect.promise(() => asked)
      // Which has then been at work for as long as this one may say nothing.
      yield* received(yield* open)
      end()
      assert.match(yield* Fiber.join(answer), /^HTTP\/1\.1 200 OK\r\n[^]*done/)
    }), timeout)

  it.live("is told to go, and closed, between two calls over HTTP/2", () =>
    Effect.gen(function*() {
      const { url } = yield* listening({ silence: { first: patient, http2: 50 } })
      const session = yield* sessionTo(url)
      const told = once(session, "goaway")
      yield* Effect.promise(() => once(session, "close"))
      assert.strictEqual((yield* Effect.promise(() => told))[0], Http2.constants.NGHTTP2_NO_ERROR)
    }), timeout)
})

it.live(
  "a connection whose HTTP/2 begins when the server is ending is answered, and told to send nothing new",
  () =>
    Effect.gen(function*() {
      const { drain, open, url } = yield* listening()
      const socket = yield* open
      const draining = yield* Effect.forkChild(drain("5 seconds"), { startImmediately: true })
      const session = yield* Effect.acquireRelease(
        Effect.sync(() => Http2.connect(url, { createConnection: () => socket })),
        (session) => Effect.sync(() => session.destroy())
      )
      const told = once(session, "goaway")
      const request = session.request({ ":path": "/" })
      const [headers] = yield* Effect.promise(() => once(request, "response"))
      request.resume()
      assert.strictEqual(headers[":status"], 200)
      // Before it is known which request will be the last.
      assert.deepStrictEqual((yield* Effect.promise(() => told)).slice(0, 2), [0, 2 ** 31 - 1])
      yield* Fiber.join(draining)
    }),
  timeout
)

it.live("a request that takes too long to arrive is answered in the one error shape", () =>
  Effect.gen(function*() {
    const { open, server, taken } = yield* listening()
    const socket = yield* open
    socket.write("GET / HTTP/1.1\r\nhost:")
    // As Node tells it, who looks every half a minute.
    server.emit("clientError", Object.assign(new Error(), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), taken[0]!)
    assert.match(
      yield* received(socket),
      /^HTTP\/1\.1 408 Request Timeout\r\n(.+\r\n)*\r\n\{"code":3,"message":"the request did not arrive in time"\}$/
    )
  }), timeout)
