/**
 * Servers as processes that end with the test, and calls to them.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { spawn as spawnProcess } from "node:child_process"
import * as Fs from "node:fs"
import * as Http from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as PgUsers from "../../src/adapters/PgUsers.ts"
import * as PgUserStore from "../../src/adapters/PgUserStore.ts"
import { OrganizationId, UserId } from "../../src/core/UserId.ts"
import { Users } from "../../src/core/Users.ts"
import type { UserStore } from "../../src/core/UserStore.ts"
import { type DevJson, type ServerProcess, startServer } from "../fixtures/ServerProcess.ts"

const root = resolve(import.meta.dirname, "../..")

/** Spares Node the compiling of the same modules again and again. */
const compiled = { NODE_COMPILE_CACHE: join(root, "node_modules/.cache/node") }

type Environment = Readonly<Record<string, string>>

/** A directory for a server's data, removed in the end. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => {
    const directory = Fs.mkdtempSync(join(tmpdir(), "server-test-"))
    // The embedded PostgreSQL may run as another user, who has to pass through.
    Fs.chmodSync(directory, 0o711)
    return directory
  }),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

/** A folder with what does a `curl` like the printed one, for machines without it. */
export const curl = Effect.map(temporaryDirectory, (folder) => {
  const program = `#!/usr/bin/env node
    const { parseArgs } = require("node:util")
    const option = (short) => ({ type: "string", short, multiple: true })
    const { positionals: [url], values } = parseArgs({
      allowPositionals: true,
      options: { X: option("X"), H: option("H"), d: option("d"), w: option("w"), s: { type: "boolean", short: "s" } }
    })
    const headers = Object.fromEntries(values.H.map((header) => header.split(": ")))
    fetch(url, { method: values.X[0], headers, body: values.d[0] }).then(async (response) =>
      process.stdout.write(await response.text() + (values.w?.[0] ?? "").replace("%{http_code}", response.status)))`
  Fs.writeFileSync(join(folder, "curl"), program, { mode: 0o755 })
  return folder
})

/** Ends a server with a signal; the exit code, or null when the signal killed it. */
export const end = (server: ServerProcess, signal: NodeJS.Signals) =>
  Effect.promise(() => {
    server.child.kill(signal)
    return server.exited
  })

/** A server that may still fail to start; the standalone one unless another script is given. */
export const spawn = (directory: string, environment: Environment = {}, script?: string) =>
  Effect.acquireRelease(
    Effect.sync(() => startServer(directory, { ...compiled, ...environment }, script)),
    (server) =>
      end(server, "SIGTERM").pipe(
        Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => end(server, "SIGKILL") })
      )
  )

/** A server that listens. */
export const start = Effect.fnUntraced(function*(
  directory: string,
  environment: Environment = {},
  script?: string
) {
  const server = yield* spawn(directory, environment, script)
  return { ...server, ...(yield* Effect.promise(() => server.listening)) }
})

/** Waits until the server has printed what matches. */
export const printed = (server: ServerProcess, pattern: RegExp) =>
  Effect.callback<RegExpExecArray>((resume) => {
    const look = () => {
      const match = pattern.exec(server.output())
      if (match !== null) resume(Effect.succeed(match))
    }
    const streams = [server.child.stdout!, server.child.stderr!]
    for (const stream of streams) stream.on("data", look)
    look()
    return Effect.sync(() => streams.forEach((stream) => stream.off("data", look)))
  })

export interface Request {
  readonly method?: string
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Instead of a JSON body. */
  readonly form?: string
  readonly agent?: Http.Agent
}

export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: any
}

/** What became of a call that got no complete answer. */
export interface Unanswered {
  readonly code: string
  /** Whether an answer had begun. */
  readonly torn: boolean
}

/** A call that is answered in full, or fails; on a connection of its own unless an agent is given. */
export const call = (url: string, { agent, body, form, headers = {}, method = "GET", token }: Request = {}) =>
  Effect.callback<Answer, Unanswered>((resume) => {
    const text = form ?? (body === undefined ? "" : JSON.stringify(body))
    const request = Http.request(url, {
      method,
      agent: agent ?? false,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...headers
      }
    })
    let torn = false
    const failed = (error: NodeJS.ErrnoException) => resume(Effect.fail({ code: error.code ?? error.message, torn }))
    request.on("error", failed)
    request.on("response", (response) => {
      torn = true
      const chunks: Array<Buffer> = []
      response.on("data", (chunk) => chunks.push(chunk))
      response.on("error", failed)
      response.on("end", () => {
        const answer = Buffer.concat(chunks).toString()
        resume(Effect.succeed({
          status: response.statusCode!,
          headers: response.headers,
          body: answer === "" ? undefined : JSON.parse(answer)
        }))
      })
    })
    request.end(text)
  })

/** Sets a phone; `verification` is one of the request's options. */
export const setPhone = (
  server: { readonly url: string },
  token: string | undefined,
  userId: string,
  phone: string,
  verification: object = { returnCode: {} },
  request: Request = {}
) =>
  call(`${server.url}/v2/users/${userId}/phone`, {
    method: "POST",
    token,
    body: { phone, ...verification },
    ...request
  })

/** Another valid mobile number for each index below a million. */
export const number = (index: number) => `+4179${2_000_000 + index}`

/**
 * Sets phones of the users over and over, on that many kept-alive connections, until `perform` has been called at the
 * answer with the given number and no call gets through any more.
 */
export const hammer = Effect.fnUntraced(function*(options: {
  readonly server: DevJson
  readonly userIds: ReadonlyArray<string>
  readonly connections: number
  readonly at: number
  readonly perform: () => void
}) {
  const { at, connections, perform, server, userIds } = options
  const agent = new Http.Agent({ keepAlive: true, maxSockets: connections })
  /** `user sequence number` of each answer 200. */
  const accepted: Array<string> = []
  const refused: Array<Answer> = []
  let next = 0
  const worker = Effect.gen(function*() {
    const index = next++
    const userId = userIds[index % userIds.length]!
    const phone = number(index)
    const answer = yield* setPhone(server, server.tokens.admin, userId, phone, { returnCode: {} }, { agent })
    if (answer.status !== 200) return refused.push(answer)
    // The answer tells the sequence of code.added, which comes after phone.changed.
    if (accepted.push(`${userId} ${Number(answer.body.details.sequence) - 1} ${phone}`) === at) perform()
  })
  const unanswered = yield* Effect.forEach(
    Array.from({ length: connections }),
    () => Effect.flip(Effect.forever(worker)),
    { concurrency: "unbounded" }
  )
  return { accepted, refused, unanswered }
})

/** The changes of numbers in the log, as `user sequence number`. */
export const changes = Effect.fnUntraced(function*(databaseUrl: string) {
  const rows = yield* onDatabase(
    databaseUrl,
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) =>
        sql<{ readonly line: string }>`SELECT user_id || ' ' || sequence || ' ' || phone AS line FROM user_phone.events
        WHERE type = 'user.human.phone.changed'`
    )
  )
  return rows.map(({ line }) => line)
})

/** Runs an effect on a server's database. */
export const onDatabase = <A, E>(
  url: string,
  effect: Effect.Effect<A, E, SqlClient.SqlClient | Users | UserStore>
) =>
  Effect.provide(
    effect,
    Layer.merge(PgUsers.layer, PgUserStore.layer).pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 2 }))
    )
  )

/** Registers active users of one organisation. */
export const register = Effect.fnUntraced(function*(userIds: ReadonlyArray<string>, organization = "demo") {
  const users = yield* Users
  yield* Effect.forEach(userIds, (userId) =>
    users.register({
      userId: UserId.make(userId),
      resourceOwner: OrganizationId.make(organization),
      kind: "human",
      state: "active"
    }), { discard: true })
})

/** `npm run users -- …`; both streams and the exit code. */
export const users = (environment: Environment, ...args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawnProcess(process.execPath, [join(root, "examples/server/users.ts"), ...args], {
      cwd: root,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...compiled, ...environment }
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
  })
