/** What becomes of a connection whose answer is not read to its end, with each client that a host may bring. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import { FetchHttpClient, HttpClientRequest } from "effect/http"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as ProviderHttp from "../../src/adapters/internal/ProviderHttp.ts"

/** A provider that begins an answer: `/declared` says how long it is, `/endless` goes on until the connection closes. */
const startProvider = Effect.gen(function*() {
  const begun = yield* Deferred.make<void>()
  let connections = 0
  const server = createServer((request, response) => {
    response.writeHead(200, request.url === "/declared" ? { "content-length": "100" } : {})
    response.write("x".repeat(50), () => Deferred.doneUnsafe(begun, Effect.void))
    if (request.url !== "/endless") return
    const more = setInterval(() => response.write("x".repeat(100_000)), 1)
    response.on("close", () => clearInterval(more))
  })
  server.on("connection", (socket) => {
    connections++
    socket.on("close", () => connections--)
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () => Effect.sync(() => server.close().closeAllConnections())
  )
  const allClosed = Effect.suspend(() => connections === 0 ? Effect.void : Effect.fail("still open")).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("5 seconds")
  )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    begun: Deferred.await(begun),
    connections: () => connections,
    allClosed
  }
})

const clients = {
  undici: NodeHttpClient.layerUndici,
  "node:http": NodeHttpClient.layerNodeHttp,
  fetch: FetchHttpClient.layer
}

for (const [name, client] of Object.entries(clients)) {
  describe(`over ${name}`, () => {
    for (const path of ["/declared", "/stalled"]) {
      it.live(`who is interrupted in the middle of an answer closes its connection: ${path}`, () =>
        Effect.gen(function*() {
          const provider = yield* startProvider
          const post = yield* ProviderHttp.makePost
          const fiber = yield* Effect.forkChild(post(HttpClientRequest.post(provider.url + path)))
          yield* provider.begun
          assert.isUndefined(fiber.pollUnsafe())
          assert.strictEqual(provider.connections(), 1)
          yield* Fiber.interrupt(fiber)
          yield* provider.allClosed
        }).pipe(Effect.scoped, Effect.provide(client)))
    }

    it.live("an answer without an end is read so far, and its connection closed", () =>
      Effect.gen(function*() {
        const provider = yield* startProvider
        const post = yield* ProviderHttp.makePost
        const { body, status } = yield* post(HttpClientRequest.post(`${provider.url}/endless`))
        assert.deepStrictEqual([status, body.length], [200, 64 * 1024])
        yield* provider.allClosed
      }).pipe(Effect.scoped, Effect.provide(client)))
  })
}
