/** How bodies arrive: in which pieces, how large, and whether to their end. All of them over raw connections. */
import { assert, layer } from "@effect/vitest"
import { ByteSize, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { OrganizationId, UserId } from "../../src/core/UserId.ts"
import { Users } from "../../src/core/Users.ts"
import * as TestServer from "../fixtures/TestServer.ts"

const organization = "acme"

const newUser = Effect.gen(function*() {
  const userId = UserId.make(crypto.randomUUID())
  yield* Users.use((users) =>
    users.register({ userId, resourceOwner: OrganizationId.make(organization), kind: "human", state: "active" })
  )
  return userId
})

const eventsOf = Effect.fnUntraced(function*(userId: UserId) {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`SELECT 1 FROM user_phone.events WHERE user_id = ${userId}`).length
})

/** The head of a SetPhone for a user. */
const headFor = Effect.fnUntraced(function*(userId: UserId, headers: ReadonlyArray<string>) {
  const { token } = yield* TestServer.TestServer
  return [
    `POST /v2/users/${userId}/phone HTTP/1.1`,
    "host: localhost",
    `authorization: Bearer ${yield* token({
      userId: "admin",
      organization,
      grants: { [organization]: ["user.write"] }
    })}`,
    "content-type: application/json",
    ...headers,
    "\r\n"
  ].join("\r\n")
})

const open = Effect.gen(function*() {
  const url = new URL((yield* TestServer.TestServer).url)
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect({ host: url.hostname, port: Number(url.port), noDelay: true })),
    (socket) => Effect.sync(() => socket.destroy())
  )
  yield* Effect.promise(() => once(socket, "connect"))
  return socket
})

/** The next answers on a connection: their statuses, once there are so many. */
const statuses = (socket: Socket, count: number) =>
  Effect.callback<ReadonlyArray<number>>((resume) => {
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString()
      const found = Array.from(received.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status))
      if (found.filter((status) => status !== 100).length >= count) resume(Effect.succeed(found))
    })
    socket.on("close", () => resume(Effect.succeed([])))
  })

/** Sends pieces one after the other, each once the one before is likely to have been read. */
const sendInPieces = Effect.fnUntraced(function*(socket: Socket, pieces: ReadonlyArray<string>) {
  for (const piece of pieces) {
    socket.write(piece)
    yield* Effect.sleep("5 millis")
  }
})

const body = `{"phone":"+41791112233","returnCode":{}}`

/** As long as that, by blanks in front of the end. */
const padded = (length: number) => body.padEnd(length, " ")

const declaring = (text: string) => `content-length: ${Buffer.byteLength(text)}`

/** What comes back for a SetPhone of a new user that is sent in pieces, with its number of events afterwards. */
const answered = Effect.fnUntraced(
  function*(headers: ReadonlyArray<string>, piecesOf: (head: string) => Iterable<string>) {
    const [userId, socket] = [yield* newUser, yield* open]
    const answer = yield* Effect.forkChild(statuses(socket, 1), { startImmediately: true })
    yield* sendInPieces(socket, Array.from(piecesOf(yield* headFor(userId, headers))))
    return { statuses: yield* Fiber.join(answer), events: yield* eventsOf(userId) }
  },
  Effect.scoped
)

const made = { statuses: [200], events: 2 }

layer(TestServer.layer, { excludeTestServices: true, timeout: "60 seconds" })("a body", (it) => {
  const splits: Readonly<Record<string, (head: string) => Iterable<string>>> = {
    "with its head in one packet": (head) => [head + body],
    "after its head": (head) => [head, body],
    "in two pieces, the first with the head": (head) => [head + body.slice(0, 9), body.slice(9)],
    "byte by byte": (head) => [head, ...body]
  }
  for (const [how, split] of Object.entries(splits)) {
    it.effect(`is read when it comes ${how}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* answered([declaring(body)], split), made)
      }))
  }

  for (const length of [4095, 4096, 4097, 65_536]) {
    it.effect(`of ${length} bytes is read, in one piece and in two`, () =>
      Effect.gen(function*() {
        const text = padded(length)
        assert.deepStrictEqual(yield* answered([declaring(text)], (head) => [head + text]), made)
        assert.deepStrictEqual(
          yield* answered([declaring(text)], (head) => [head, text.slice(0, 7), text.slice(7)]),
          made
        )
      }))
  }

  it.effect("of no bytes is an empty message, whether it says so or not", () =>
    Effect.gen(function*() {
      const refused = { statuses: [400], events: 0 }
      assert.deepStrictEqual(yield* answered(["content-length: 0"], (head) => [head]), refused)
      assert.deepStrictEqual(yield* answered([], (head) => [head]), refused)
    }))

  it.effect("in chunks is read as one that says how long it is", () =>
    Effect.gen(function*() {
      const chunks = (head: string) => [head, `${body.length.toString(16)}\r\n${body}\r\n`, "0\r\n\r\n"]
      assert.deepStrictEqual(yield* answered(["transfer-encoding: chunked"], chunks), made)
    }))

  it.effect("is read also where its client offers another protocol", () =>
    Effect.gen(function*() {
      const pieces = (head: string) => [head + body]
      for (const protocol of ["h2c", "websocket", "TLS/1.3"]) {
        const offer = ["connection: upgrade", `upgrade: ${protocol}`]
        assert.deepStrictEqual(yield* answered([...offer, declaring(body)], pieces), made)
        const chunks = (head: string) => [head, `${body.length.toString(16)}\r\n${body}\r\n`, "0\r\n\r\n"]
        assert.deepStrictEqual(yield* answered([...offer, "transfer-encoding: chunked"], chunks), made)
      }
    }))

  it.effect("is asked for where its client waits for that", () =>
    Effect.gen(function*() {
      const [userId, socket] = [yield* newUser, yield* open]
      const answer = yield* Effect.forkChild(statuses(socket, 1), { startImmediately: true })
      socket.write(yield* headFor(userId, [declaring(body), "expect: 100-continue"]))
      yield* Effect.promise(() => once(socket, "data"))
      socket.write(body)
      assert.deepStrictEqual(yield* Fiber.join(answer), [100, 200])
    }).pipe(Effect.scoped))

  it.effect("is followed by the next request of its connection, also in the same packet", () =>
    Effect.gen(function*() {
      const [first, second, socket] = [yield* newUser, yield* newUser, yield* open]
      const answers = yield* Effect.forkChild(statuses(socket, 2), { startImmediately: true })
      const [one, other] = [yield* headFor(first, [declaring(body)]), yield* headFor(second, [declaring(body)])]
      socket.write(one + body + other + body)
      assert.deepStrictEqual(yield* Fiber.join(answers), [200, 200])
      assert.deepStrictEqual([yield* eventsOf(first), yield* eventsOf(second)], [2, 2])
    }).pipe(Effect.scoped))

  it.effect("that ends early changes nothing, and harms nobody", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      for (const part of ["", body.slice(0, 9), body.slice(0, -1)]) {
        const socket = yield* open
        yield* sendInPieces(socket, [yield* headFor(userId, [declaring(body)]), part])
        socket.resume().end()
        yield* Effect.promise(() => once(socket, "close"))
      }
      assert.strictEqual(yield* eventsOf(userId), 0)
      assert.deepStrictEqual(yield* answered([declaring(body)], (head) => [head + body]), made)
    }).pipe(Effect.scoped))
})

layer(TestServer.layerWith({ maxBodySize: ByteSize.bytes(100) }), {
  excludeTestServices: true,
  timeout: "60 seconds"
})("where at most 100 bytes are read, a body", (it) => {
  for (const [length, status] of [[100, 200], [101, 413], [4097, 413]] as const) {
    it.effect(`of ${length} bytes is answered ${status}`, () =>
      Effect.gen(function*() {
        const text = padded(length)
        const expected = status === 200 ? made : { statuses: [413], events: 0 }
        assert.deepStrictEqual(yield* answered([declaring(text)], (head) => [head + text]), expected)
      }))
  }
})
