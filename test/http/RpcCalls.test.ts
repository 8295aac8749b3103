/**
 * The time that a call has: a deadline, a client who cancels or goes away and a server that stops end the work inside, or let
 * it end, and never leave half of it. The work waits either in a port or, in the database, in the middle of its commit.
 */
import { assert, layer } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { request as httpRequest } from "node:http"
import { connect } from "node:net"
import { Access, Limits } from "../../src/core/index.ts"
import type { Users } from "../../src/core/Users.ts"
import { writer } from "../cases/Case.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import { frame, framesOf, trailersOf } from "../fixtures/GrpcFrames.ts"
import {
  answerOf,
  headersOf,
  sessionTo,
  setPhoneFrame,
  setPhoneMessage,
  setPhonePath
} from "../fixtures/GrpcStreams.ts"
import * as Wire from "../fixtures/Http2Wire.ts"
import { members, methodOf } from "../fixtures/Protobuf.ts"
import * as TestServer from "../fixtures/TestServer.ts"

/** What became of the calls on a user whom the gate holds. */
interface Held {
  readonly released: Deferred.Deferred<void>
  entered: number
  interrupted: number
}

const gate = new Map<string, Held>()

/** Lets everybody do everything, but on some users only once the test says so. */
const layerAccess = Layer.succeed(Access.Access, {
  holdsAnywhere: () => Effect.succeed(true),
  holdsOver: (_actor, _permission, { userId }) =>
    Effect.suspend(() => {
      const held = gate.get(userId)
      if (held === undefined) return Effect.succeed(true)
      held.entered++
      return Deferred.await(held.released).pipe(
        Effect.as(true),
        Effect.onInterrupt(() => Effect.sync(() => void held.interrupted++))
      )
    })
})

interface Waiting {
  readonly userId: string
  /** Waits until a call is waiting. */
  readonly entered: Effect.Effect<void>
  /** Waits until no call is waiting any more, although nothing let it go on. */
  readonly left: Effect.Effect<void>
  readonly release: Effect.Effect<void>
}

interface Place {
  readonly name: string
  /** A new user, on whom calls wait. */
  readonly hold: Effect.Effect<Waiting, unknown, Users | SqlClient.SqlClient | Scope.Scope>
}

const inPort: Place = {
  name: "in a port",
  hold: Effect.gen(function*() {
    const userId = yield* newTarget("active")
    const held: Held = { released: yield* Deferred.make<void>(), entered: 0, interrupted: 0 }
    gate.set(userId, held)
    return {
      userId,
      entered: Wire.until(() => held.entered === 1),
      left: Wire.until(() => held.interrupted === 1),
      release: Effect.sync(() => {
        gate.delete(userId)
        Deferred.doneUnsafe(held.released, Effect.void)
      })
    }
  })
}

const inCommit: Place = {
  name: "in its commit",
  hold: Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const userId = yield* newTarget("active")
    const released = yield* Deferred.make<void>()
    const locked = yield* Deferred.make<number>()
    const locking = yield* Effect.gen(function*() {
      const [row] = yield* sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid
        FROM user_phone.users WHERE user_id = ${userId} FOR UPDATE`
      yield* Deferred.succeed(locked, row!.pid)
      yield* Deferred.await(released)
    }).pipe(sql.withTransaction, Effect.orDie, Effect.forkScoped)
    const pid = yield* Deferred.await(locked)
    const waiting = (count: number) =>
      sql`SELECT 1 FROM pg_stat_activity WHERE ${pid} = ANY(pg_blocking_pids(pid)) AND query LIKE '%commit_change%'`
        .pipe(
          Effect.repeat({ until: (rows) => rows.length === count, schedule: Schedule.spaced("5 millis") }),
          Effect.timeout("60 seconds"),
          Effect.orDie,
          Effect.asVoid
        )
    return {
      userId,
      entered: waiting(1),
      left: waiting(0),
      release: Effect.andThen(Deferred.succeed(released, undefined), Fiber.join(locking))
    }
  })
}

/** Everything in the database that a call about a user could change, the limits' counters of all users included. */
const stateOf = Effect.fnUntraced(function*(userId: string) {
  const sql = yield* SqlClient.SqlClient
  const [user] = yield* sql`SELECT t::text AS row FROM user_phone.users t WHERE user_id = ${userId}`
  const events = yield* sql`SELECT 1 FROM user_phone.events WHERE user_id = ${userId}`
  const messages = yield* sql`SELECT 1 FROM user_phone.outbox WHERE user_id = ${userId}`
  const answers = yield* sql`SELECT 1 FROM user_phone.answers`
  const counters = yield* sql`SELECT t::text AS row FROM user_phone.counters t ORDER BY counter`
  return { user, events: events.length, messages: messages.length, answers: answers.length, counters }
})

let numbers = 0

/** A number that no other user has, for its counters. */
const nextNumber = (): string => `+4179${String(2_000_000 + numbers++)}`

interface Sent {
  readonly url: string
  readonly token: string
  readonly userId: string
  readonly phone: string
  /** In milliseconds. */
  readonly deadline?: number
}

/** A call: its answer's code, or `undefined` where there was none, and how its client gives it up. */
interface Sending {
  readonly code: Promise<string | undefined>
  readonly cancel: () => void
}

const codeNames: Readonly<Record<string, string>> = { "0": "ok", "1": "canceled", "4": "deadline_exceeded" }

/** By HTTP/1.1, on a connection of its own, whose end is how one cancels. */
const post = (
  { token, url }: Sent,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | string,
  codeOf: (body: Buffer) => string
): Sending => {
  const request = httpRequest(url + setPhonePath, {
    method: "POST",
    headers: { authorization: token, ...headers },
    agent: false
  })
  const code = new Promise<string | undefined>((resolve) => {
    request.on("error", () => resolve(undefined))
    request.on("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => resolve(codeOf(Buffer.concat(chunks))))
      response.on("error", () => resolve(undefined))
    })
  })
  request.end(body)
  return { code, cancel: () => void request.destroy() }
}

const clients: Readonly<Record<string, (sent: Sent) => Effect.Effect<Sending, never, Scope.Scope>>> = {
  "gRPC": (sent) =>
    Effect.gen(function*() {
      const session = yield* sessionTo(sent.url)
      const stream = session.request({
        ...headersOf(sent.token),
        ...(sent.deadline === undefined ? {} : { "grpc-timeout": `${sent.deadline}m` })
      })
      const code = answerOf(stream).then(({ grpcStatus }) => grpcStatus === undefined ? undefined : nameOf(grpcStatus))
      stream.end(setPhoneFrame(sent.userId, { phone: sent.phone }))
      return { code, cancel: () => stream.close(Wire.reason.cancel) }
    }),
  "gRPC on a connection that closes": (sent) =>
    Effect.gen(function*() {
      const wire = yield* Wire.open(sent.url)
      const headers = { ":scheme": "http", ":authority": "localhost", ...headersOf(sent.token) }
      yield* wire.write(
        Wire.frameOf(Wire.type.headers, Wire.flag.endHeaders, 1, Wire.headerBlock(headers)),
        Wire.frameOf(Wire.type.data, Wire.flag.endStream, 1, setPhoneFrame(sent.userId, { phone: sent.phone }))
      )
      return { code: Promise.resolve(undefined), cancel: () => void wire.socket.destroy() }
    }),
  "gRPC's own client": (sent) =>
    Effect.gen(function*() {
      const client = yield* Effect.acquireRelease(
        Effect.sync(() => new Grpc.Client(new URL(sent.url).host, Grpc.credentials.createInsecure())),
        (client) => Effect.sync(() => client.close())
      )
      const { path, requestSerialize, responseDeserialize } = methodOf("zitadel.user.v2.UserService", "SetPhone")
      const metadata = new Grpc.Metadata()
      metadata.set("authorization", sent.token)
      const request = members({ userId: sent.userId, phone: sent.phone })
      const options = sent.deadline === undefined ? {} : { deadline: Date.now() + sent.deadline }
      let cancel = () => {}
      const code = new Promise<string>((resolve) => {
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadata,
          options,
          (error) => resolve(nameOf(String(error?.code ?? 0)))
        )
        cancel = () => call.cancel()
      })
      return { code, cancel: () => cancel() }
    }),
  "gRPC-Web": (sent) =>
    Effect.sync(() =>
      post(
        sent,
        {
          "content-type": "application/grpc-web+proto",
          ...(sent.deadline === undefined ? {} : { "grpc-timeout": `${sent.deadline}m` })
        },
        frame(setPhoneMessage(sent.userId, { phone: sent.phone })),
        (body) => nameOf(trailersOf(framesOf(body)).get("grpc-status")!)
      )
    ),
  "Connect": (sent) =>
    Effect.sync(() =>
      post(
        sent,
        {
          "content-type": "application/json",
          ...(sent.deadline === undefined ? {} : { "connect-timeout-ms": String(sent.deadline) })
        },
        JSON.stringify({ userId: sent.userId, phone: sent.phone }),
        (body) => JSON.parse(body.toString()).code ?? "ok"
      )
    )
}

const nameOf = (code: string): string => codeNames[code] ?? code

const send = Effect.fnUntraced(function*(client: string, userId: string, deadline?: number) {
  const { url } = yield* TestServer.TestServer
  const token = (yield* authorization(writer, userId))!
  return yield* clients[client]!({
    url,
    token,
    userId,
    phone: nextNumber(),
    ...(deadline === undefined ? {} : { deadline })
  })
})

const codeOf = ({ code }: Sending) => Effect.promise(() => code)

const layerServer = TestServer.layerWith({
  access: layerAccess,
  limits: Limits.defaults
})

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("a call in time", (it) => {
  /** Long enough for a call to get to where it is held, on any machine. */
  const deadline = 2000

  for (const { hold, name } of [inPort, inCommit]) {
    for (const client of Object.keys(clients).filter((name) => name !== "gRPC on a connection that closes")) {
      it.effect(`by ${client}: its deadline ends the work ${name}`, () =>
        Effect.gen(function*() {
          const { entered, left, release, userId } = yield* hold
          const before = yield* stateOf(userId)
          const sending = yield* send(client, userId, deadline)
          yield* entered
          assert.strictEqual(yield* codeOf(sending), "deadline_exceeded")
          yield* left
          yield* release
          assert.deepStrictEqual(yield* stateOf(userId), before)
          assert.strictEqual(yield* codeOf(yield* send(client, userId)), "ok")
          const { events, messages } = yield* stateOf(userId)
          assert.deepStrictEqual([events, messages], [2, 1])
        }))
    }

    for (const client of Object.keys(clients)) {
      it.effect(`by ${client}: who goes away ends the work ${name}`, () =>
        Effect.gen(function*() {
          const { entered, left, release, userId } = yield* hold
          const before = yield* stateOf(userId)
          const sending = yield* send(client, userId)
          yield* entered
          sending.cancel()
          yield* left
          yield* release
          assert.deepStrictEqual(yield* stateOf(userId), before)
          assert.include([undefined, "canceled"], yield* codeOf(sending))
          assert.strictEqual(yield* codeOf(yield* send("Connect", userId)), "ok")
        }))
    }
  }

  it.effect("a deadline also ends the wait for the rest of a message, and the stream with it", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const userId = yield* newTarget("active")
      const session = yield* sessionTo(url)
      const headers = { ...headersOf((yield* authorization(writer, userId))!), "grpc-timeout": "300m" }
      const stream = session.request(headers)
      const answer = answerOf(stream)
      stream.write(setPhoneFrame(userId).slice(0, 10))
      assert.deepStrictEqual(yield* Effect.promise(() => answer), { status: 200, grpcStatus: "4", reset: 0 })
    }))

  it.effect("who has no token is not waited for either", () =>
    Effect.gen(function*() {
      const { url } = yield* TestServer.TestServer
      const session = yield* sessionTo(url)
      const stream = session.request(headersOf("Bearer none"))
      const answer = answerOf(stream)
      stream.write(setPhoneFrame("someone").slice(0, 10))
      assert.deepStrictEqual(yield* Effect.promise(() => answer), { status: 200, grpcStatus: "16", reset: 0 })
    }))

  for (const client of Object.keys(clients)) {
    it.effect(`by ${client}: a call that is cancelled at any moment is done whole or not at all`, () =>
      Effect.gen(function*() {
        const calls = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, index) => index),
          Effect.fnUntraced(function*(wait) {
            const userId = yield* newTarget("active")
            const sending = yield* send(client, userId)
            yield* Effect.sleep(wait / 2)
            sending.cancel()
            return { userId, code: yield* codeOf(sending) }
          }),
          { concurrency: 4 }
        )
        // What was not interrupted has ended when the server answers others.
        yield* codeOf(yield* send("Connect", yield* newTarget("active")))
        yield* Effect.sleep(200)
        for (const { code, userId } of calls) {
          const { events, messages } = yield* stateOf(userId)
          assert.include(["0 0", "2 1"], `${events} ${messages}`)
          if (code === "ok") assert.strictEqual(events, 2)
          else assert.include([undefined, "canceled"], code)
        }
      }))
  }

  it.effect("a server that stops answers the calls that are at work, and takes no more", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Layer.buildWithScope(Layer.fresh(TestServer.layerWith({ access: layerAccess })), scope)
      const { url } = Context.get(server, TestServer.TestServer)
      const names = Object.keys(clients).filter((name) => name !== "gRPC on a connection that closes")
      const work = yield* Effect.forEach(
        names,
        Effect.fnUntraced(function*(name) {
          const held = yield* inPort.hold
          const sending = yield* send(name, held.userId)
          yield* held.entered
          return { ...held, sending }
        })
      ).pipe(Effect.provideContext(server))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* refused(url).pipe(Effect.repeat({ until: (refused) => refused, schedule: Schedule.spaced("20 millis") }))
      // Longer than the server waits for requests that may be on their way.
      yield* Effect.sleep(1500)
      assert.isUndefined(closing.pollUnsafe())
      for (const { release } of work) yield* release
      for (const { sending } of work) assert.strictEqual(yield* codeOf(sending), "ok")
      yield* Fiber.join(closing)
    }))
})

/** Whether no new connection is taken. */
const refused = (url: string) =>
  Effect.callback<boolean>((resume) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    })
    socket.once("error", () => resume(Effect.succeed(true)))
  })
