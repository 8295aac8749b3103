/**
 * How the server ends: what it has taken it answers, what it has answered is kept, and nobody keeps it waiting.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Queue, Redacted, Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import * as EmbeddedPostgres from "../../examples/server/EmbeddedPostgres.ts"
import * as NodeServer from "../../src/http/NodeServer.ts"
import * as Servers from "./Servers.ts"

const timeout = { timeout: 60_000 }

const directory = Fs.mkdtempSync(join(tmpdir(), "server-test-"))
Fs.chmodSync(directory, 0o711)
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

const postgres = join(directory, "postgres")

describe("The server's end", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(
      `after ${signal} under load answers what it has taken and has kept what it answered`,
      () =>
        Effect.gen(function*() {
          const server = yield* Servers.start(directory)
          const userIds = Array.from({ length: 64 }, (_, index) => `${signal}-${index}`)
          yield* Servers.onDatabase(server.databaseUrl, Servers.register(userIds))
          let signalled = 0
          const { accepted, refused, unanswered } = yield* Servers.hammer({
            server,
            userIds,
            connections: 32,
            at: 500,
            perform: () => {
              signalled = performance.now()
              server.child.kill(signal)
            }
          })
          const code = yield* Effect.promise(() => server.exited)

          assert.isBelow(performance.now() - signalled, 5000)
          assert.strictEqual(code, 0)
          assert.notMatch(server.output(), /^ +at |WARN|ERROR/m)
          assert.isFalse(Fs.existsSync(join(postgres, "cluster/data/postmaster.pid")))
          // Each connection was ended by an answer; what came after it found no listener.
          assert.deepStrictEqual(unanswered, unanswered.map(() => ({ code: "ECONNREFUSED", torn: false })))
          assert.deepStrictEqual(refused, [])
          const { url } = yield* EmbeddedPostgres.start({ directory: postgres })
          const kept = yield* Servers.changes(Redacted.value(url))
          assert.sameMembers(kept.filter((line) => line.startsWith(signal)), accepted)
        }),
      timeout
    )
  }
})

describe("A server that is told to end", () => {
  /** A call that is at work: its head has come, and its body does not. */
  const holding = Effect.fnUntraced(
    function*({ tokens, url }: { readonly url: string; readonly tokens: { readonly ada: string } }) {
      const { hostname, port } = new URL(url)
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => Net.connect(Number(port), hostname).on("error", () => {})),
        (socket) => Effect.sync(() => socket.destroy())
      )
      socket.write(
        "POST /v2/users/ada/phone HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n" +
          `authorization: Bearer ${tokens.ada}\r\n\r\n`
      )
      yield* Effect.sleep("200 millis")
    }
  )

  it.live(
    "ends at once at a second signal, as when nobody wants to wait for what is at work",
    () =>
      Effect.gen(function*() {
        const server = yield* Servers.start(directory)
        yield* holding(server)
        server.child.kill("SIGINT")
        yield* Effect.sleep("1500 millis")
        assert.isNull(server.child.exitCode)
        server.child.kill("SIGINT")
        assert.strictEqual(yield* Effect.promise(() => server.exited), 1)
        assert.include(server.output(), "ended at a second signal")
      }),
    timeout
  )

  it("is ended after 35 seconds, by whatever it is held up", () => {
    const signals = JSON.stringify(join(import.meta.dirname, "../../examples/server/Signals.ts"))
    const program = `
      import { mock } from "node:test"
      import { watch } from ${signals}
      mock.timers.enable({ apis: ["setTimeout"] })
      watch()
      process.emit("SIGTERM")
      mock.timers.tick(34_999)
      process.stdout.write("at work")
      mock.timers.tick(1)
      process.stdout.write(", and not ended")`
    const { status, stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8"
    })
    assert.deepStrictEqual([stdout, stderr, status], [
      "at work",
      "effect-user-phone: ended after 35 seconds of waiting; what was at work was cut off\n",
      1
    ])
  })

  it.live("ends in order also by what closes its terminal", () =>
    Effect.gen(function*() {
      const server = yield* Servers.start(directory)
      server.child.kill("SIGHUP")
      assert.strictEqual(yield* Effect.promise(() => server.exited), 0)
      assert.isFalse(Fs.existsSync(join(postgres, "cluster/data/postmaster.pid")))
    }), timeout)
})

/** A connection, with all that came over it so far. */
const connect = Effect.fnUntraced(function*(url: string) {
  const { hostname, port } = new URL(url)
  const socket = yield* Effect.acquireRelease(
    Effect.callback<Net.Socket, Error>((resume) => {
      const socket = Net.connect(Number(port), hostname)
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.on("error", (error) => resume(Effect.fail(error)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
  let received = ""
  socket.on("data", (chunk) => (received += chunk))
  return {
    send: (text: string) => Effect.sync(() => void socket.write(text)),
    /** Waits until so many answers are there, each with the body `done`, and returns everything that came. */
    answers: (count: number) =>
      Effect.callback<string>((resume) => {
        const look = () => received.split("\r\n\r\ndone").length > count && resume(Effect.succeed(received))
        socket.on("data", look)
        look()
      }),
    ended: Effect.callback<string>((resume) => {
      if (socket.closed) return resume(Effect.succeed(received))
      socket.once("close", () => resume(Effect.succeed(received)))
    })
  }
})

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

/** A server in this process, whose route `/wait` waits for `go`, and which `close` has begun to close when it returns. */
const serve = Effect.fnUntraced(function*(
  { shutdownTimeout }: Pick<NodeServer.NodeServerOptions, "shutdownTimeout"> = { shutdownTimeout: "1 second" }
) {
  const go = yield* Deferred.make<void>()
  const waiting = yield* Queue.unbounded<void>()
  const done = HttpServerResponse.text("done")
  const scope = yield* Scope.make()
  const routes = Layer.merge(
    HttpRouter.add("GET", "/", done),
    HttpRouter.add(
      "GET",
      "/wait",
      Queue.offer(waiting, undefined).pipe(Effect.andThen(Deferred.await(go)), Effect.as(done))
    )
  )
  const context = yield* Layer.buildWithScope(
    NodeServer.serve(routes, { host: "127.0.0.1", port: 0, shutdownTimeout }),
    scope
  )
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return {
    url,
    go: Deferred.succeed(go, undefined),
    waiting: Queue.take(waiting),
    close: Effect.gen(function*() {
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.scoped(connect(url)).pipe(Effect.repeat({ while: () => true }), Effect.ignore)
      return Fiber.join(closing)
    })
  }
})

describe("A server that is closing", () => {
  it.live("waits for requests at work, and ends their connections", () =>
    Effect.gen(function*() {
      const server = yield* serve()
      const client = yield* connect(server.url)
      yield* client.send(get("/wait"))
      yield* server.waiting
      const closed = yield* server.close
      yield* server.go
      assert.match(yield* client.ended, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*Connection: close\r\n(.*\r\n)*\r\ndone$/)
      yield* closed
    }), timeout)

  it.effect("waits for them for twenty seconds, unless it is told otherwise", () =>
    Effect.gen(function*() {
      for (const isInTime of [true, false]) {
        const server = yield* serve({ shutdownTimeout: undefined })
        const client = yield* connect(server.url)
        yield* client.send(get("/wait"))
        yield* server.waiting
        const closed = yield* server.close
        // After a second for what may be on its way.
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust(isInTime ? "19 seconds" : "20 seconds")
        if (isInTime) yield* server.go
        assert.strictEqual((yield* client.ended).endsWith("\r\n\r\ndone"), isInTime)
        yield* closed
      }
    }), timeout)

  it.live("answers a request that was on its way over an idle connection", () =>
    Effect.gen(function*() {
      const server = yield* serve()
      const client = yield* connect(server.url)
      yield* client.send(get("/"))
      assert.include(yield* client.answers(1), "Connection: keep-alive")
      const closed = yield* server.close
      yield* client.send(get("/"))
      const [, , second] = (yield* client.ended).split("HTTP/1.1 200 OK")
      assert.match(second!, /Connection: close\r\n(.*\r\n)*\r\ndone$/)
      yield* closed
    }), timeout)

  it.live("answers every one of pipelined requests", () =>
    Effect.gen(function*() {
      const server = yield* serve()
      const client = yield* connect(server.url)
      yield* client.send(get("/wait") + get("/wait"))
      yield* server.waiting
      yield* server.waiting
      const closed = yield* server.close
      yield* client.send(get("/wait"))
      yield* server.waiting
      yield* server.go
      const answers = yield* client.ended
      const ends = Array.from(answers.matchAll(/^Connection: (\S+)\r\n(?:.+\r\n)*\r\ndone/gm), ([, end]) => end)
      assert.deepStrictEqual(ends, ["keep-alive", "keep-alive", "close"])
      yield* closed
    }), timeout)

  it.live(
    "is held up neither by a connection that says nothing nor by one that stops in the middle",
    () =>
      Effect.gen(function*() {
        const server = yield* serve()
        const silent = yield* connect(server.url)
        const idle = yield* connect(server.url)
        yield* idle.send(get("/"))
        yield* idle.answers(1)
        const stuck = yield* connect(server.url)
        yield* stuck.send("POST /wait HTTP/1.1\r\n")
        const closed = yield* server.close
        yield* silent.ended
        yield* idle.ended
        yield* closed
        yield* stuck.ended
      }),
    { timeout: 5000 }
  )
})
