/**
 * SetPhone with the code returned, over gRPC and Connect beside JSON: the same server, users and work, sides in turn. The
 * clients are of Node itself and as light as each other, so that it is the server that is compared. `npm run bench:rpc`.
 */
import { PgClient } from "@effect/sql-pg"
import * as Loader from "@grpc/proto-loader"
import { Console, Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as PgUsers from "../src/adapters/PgUsers.ts"
import { UserId, Users } from "../src/core/index.ts"
import { compare } from "./Rounds.ts"

const connections = 64
const calls = 3000
const rounds = 7
/** As a ratio of rates. */
const least = 0.7

interface Target {
  readonly url: string
  readonly token: string
}

/** The standalone server as a process of its own, with users to change. */
const startServer = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "effect-user-phone-bench-"))
      chmodSync(path, 0o711)
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [resolve(import.meta.dirname, "../examples/server/main.ts")], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, PORT: "0", LIMITS: "off", LOG_LEVEL: "Warn", DATA_DIRECTORY: directory }
      })
    ),
    (child) => Effect.promise(() => (child.kill("SIGTERM"), once(child, "exit")))
  )
  let printed = ""
  yield* Effect.promise(async () => {
    for await (const chunk of child.stdout!) if ((printed += chunk).includes("linus  ey")) break
    child.stdout!.resume()
  })
  const { databaseUrl, tokens, url } = JSON.parse(readFileSync(join(directory, "dev.json"), "utf8"))
  yield* Users.Users.pipe(
    Effect.flatMap(({ register }) =>
      Effect.forEach(Array.from({ length: connections }), (_, index) =>
        register({
          userId: UserId.UserId.make(`user-${index}`),
          resourceOwner: UserId.OrganizationId.make("demo"),
          kind: "human",
          state: "active"
        }))
    ),
    Effect.provide(PgUsers.layer.pipe(Layer.provide(PgClient.layer({ url: Redacted.make(databaseUrl) }))))
  )
  return { url, token: tokens.admin } satisfies Target
})

let numbers = 41_790_000_000
const fields = (worker: number) => ({ userId: `user-${worker}`, phone: `+${++numbers}`, returnCode: {} })

/** Fails loudly: an error is no answer. */
const expect = (isRight: boolean, what: string): void => {
  if (!isRight) throw new Error(`not answered with success: ${what}`)
}

type Send = (worker: number) => Promise<void>

const post = (agent: Http.Agent, url: string, headers: Http.OutgoingHttpHeaders, body: string | Buffer) =>
  new Promise<void>((done, failed) => {
    const request = Http.request(url, {
      agent,
      method: "POST",
      headers: { ...headers, "content-length": Buffer.byteLength(body) }
    }, (response) => {
      response.resume()
      response.once("end", () => {
        try {
          expect(response.statusCode === 200, `${url} ${response.statusCode}`)
          done()
        } catch (error) {
          failed(error)
        }
      })
    })
    request.once("error", failed)
    request.end(body)
  })

const frame = (message: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const definitions = Loader.loadSync("zitadel/user/v2/user_service.proto", {
  includeDirs: [resolve(import.meta.dirname, "../proto")]
})
const { path, requestSerialize } = (definitions["zitadel.user.v2.UserService"] as Loader.ServiceDefinition)["SetPhone"]!

const sides = ({ token, url }: Target) => {
  const agent = new Http.Agent({ keepAlive: true, maxSockets: connections })
  const authorization = `Bearer ${token}`
  const json: Send = (worker) => {
    const { userId, ...members } = fields(worker)
    const headers = { authorization, "content-type": "application/json" }
    return post(agent, `${url}/v2/users/${userId}/phone`, headers, JSON.stringify(members))
  }
  const connect: Send = (worker) =>
    post(
      agent,
      `${url}${path}`,
      { authorization, "content-type": "application/proto" },
      requestSerialize(fields(worker))
    )
  // As gRPC's clients do: few connections, many calls on each.
  const sessions = Array.from({ length: 4 }, () => Http2.connect(url))
  const grpc: Send = (worker) =>
    new Promise((done, failed) => {
      const stream = sessions[worker % sessions.length]!.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc+proto",
        te: "trailers",
        authorization
      })
      let status: unknown
      stream.once("trailers", (trailers) => (status = trailers["grpc-status"]))
      stream.once("error", failed)
      stream.once("close", () => {
        try {
          expect(status === "0", `gRPC ${String(status)}`)
          done()
        } catch (error) {
          failed(error)
        }
      })
      stream.resume()
      stream.end(frame(requestSerialize(fields(worker))))
    })
  return { json, connect, grpc, close: () => sessions.forEach((session) => session.close()) }
}

/** The time of a thousand calls, in milliseconds. */
const measure = (send: Send) =>
  Effect.promise(async () => {
    let left = calls
    const start = performance.now()
    await Promise.all(Array.from({ length: connections }, async (_, worker) => {
      while (left-- > 0) await send(worker)
    }))
    return (performance.now() - start) * 1000 / calls
  })

const program = Effect.gen(function*() {
  const { close, connect, grpc, json } = sides(yield* startServer)
  const warmUp = Effect.forEach([json, connect, grpc], measure)
  yield* Effect.replicateEffect(warmUp, 3)
  for (const [name, send] of [["gRPC", grpc], ["Connect in binary", connect]] as const) {
    const ratio = yield* compare({
      first: { name: "JSON", measure: measure(json) },
      second: { name, measure: measure(send) },
      rounds,
      unit: "ms for 1,000 calls"
    })
    yield* Console.log(
      `${1 / ratio >= least ? "kept" : "MISSED"}: ${name} at ${
        (1 / ratio).toFixed(2)
      } of JSON's rate, at least ${least}\n`
    )
    if (1 / ratio < least) process.exitCode = 1
  }
  close()
})

await Effect.runPromise(Effect.scoped(program))
