/**
 * A real PostgreSQL that needs no installation, for development and tests. It is a process of its own, on loopback
 * only, and keeps its data in one directory. All processes that call `start` on that directory share one PostgreSQL,
 * also one that a killed process left behind; the last of them to leave stops it.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted, Schedule, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Programs from "./PostgresPrograms.ts"
import { attempt, type EmbeddedPostgresError, failure } from "./PostgresPrograms.ts"

export { EmbeddedPostgresError } from "./PostgresPrograms.ts"

const database = "user_phone"
const ended = "it ended at once"

/**
 * Starts PostgreSQL on `directory`, or joins the one that runs there, until the scope closes.
 *
 * `settings` are PostgreSQL's own (`-c name=value`); they have no effect on one that runs already.
 */
export const start: (options: {
  readonly directory: string
  readonly settings?: Record<string, string>
}) => Effect.Effect<{ readonly url: Redacted.Redacted }, EmbeddedPostgresError, Scope.Scope> = Effect.fn(
  "EmbeddedPostgres.start"
)(function*(options) {
  const cluster = yield* attempt(() => makeCluster(options.directory))
  yield* Effect.acquireRelease(
    exclusively(cluster, locked(cluster.users, "BEGIN; SELECT 1 FROM sqlite_schema")),
    (user) =>
      Effect.catch(
        exclusively(cluster, leave(cluster, user)),
        ({ problem }) => Effect.logWarning(`The embedded PostgreSQL was not stopped: ${problem}`)
      ),
    { interruptible: true }
  )
  return { url: yield* exclusively(cluster, run(cluster, options.settings ?? {})) }
})

const makeCluster = (path: string) => {
  // 0711 because as root PostgreSQL's own user has to pass through.
  Fs.mkdirSync(path, { recursive: true, mode: 0o711 })
  const directory = Fs.realpathSync(path)
  return {
    directory,
    folder: join(directory, "cluster"),
    data: join(directory, "cluster/data"),
    pidFile: join(directory, "cluster/data/postmaster.pid"),
    password: join(directory, "cluster/password"),
    log: join(directory, "postgres.log"),
    transition: join(directory, "transition.lock"),
    users: join(directory, "users.lock"),
    copyNote: join(directory, "programs")
  }
}

type Cluster = ReturnType<typeof makeCluster>

/** Initialises the cluster if there is none, starts PostgreSQL unless it runs, and waits until it answers. */
const run = Effect.fnUntraced(function*(cluster: Cluster, settings: Record<string, string>) {
  const isNew = !Fs.existsSync(cluster.data)
  const account = yield* attempt(() => isNew ? Programs.newAccount() : Programs.accountOf(cluster.folder))
  const programs = yield* Effect.cached(Programs.locate(account, cluster.copyNote))
  if (isNew) yield* initialize(cluster, yield* programs, account)
  return yield* Effect.gen(function*() {
    if (postmaster(cluster) === undefined) yield* launch(cluster, yield* programs, account, settings)
    return yield* connect(cluster)
  }).pipe(
    // The port was taken meanwhile, or what ran was about to end.
    Effect.retry({ times: 3, schedule: Schedule.spaced("200 millis"), while: ({ problem }) => problem === ended })
  )
})

/** initdb into a new folder that gets its name when it is complete, so that half a cluster is never taken for one. */
const initialize = Effect.fnUntraced(function*(cluster: Cluster, programs: string, account: Programs.Account) {
  // What an interrupted initdb has left. One that lost its parent may still write there, and come to nothing.
  yield* Effect.ignore(attempt(() => {
    for (const name of Fs.readdirSync(cluster.directory)) {
      if (name.startsWith("new-")) Fs.rmSync(join(cluster.directory, name), { recursive: true })
    }
  }))
  const { data, fresh } = yield* attempt(() => {
    const fresh = Fs.mkdtempSync(join(cluster.directory, "new-"))
    const data = join(fresh, "data")
    const password = join(fresh, "password")
    Fs.mkdirSync(data, { mode: 0o700 })
    Fs.writeFileSync(password, randomBytes(24).toString("base64url"), { mode: 0o600, flush: true })
    for (const path of [fresh, data, password]) Programs.give(path, account)
    return { data, fresh }
  })
  const args = "--username=postgres --pwfile=../password --auth=scram-sha-256 --encoding=UTF8 " +
    "--locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
  yield* Programs.initdb(programs, data, account, cluster.log, args.split(" "))
  yield* attempt(() => Fs.renameSync(fresh, cluster.folder))
})

/** Starts the postmaster. Ends when it has noted its pid, and not before, for without it it could not be stopped. */
const launch = Effect.fnUntraced(function*(
  cluster: Cluster,
  programs: string,
  account: Programs.Account,
  settings: Record<string, string>
) {
  const port = yield* freePort
  const all = {
    ...settings,
    cluster_name: clusterName(cluster),
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: ""
  }
  // Nothing runs here. If another process has got the pid that is noted, PostgreSQL would take it for a postmaster.
  yield* attempt(() => Fs.rmSync(cluster.pidFile, { force: true }))
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const pid = yield* Programs.postmaster(programs, cluster.data, account, cluster.log, args)
  yield* Effect.sync(() => isPostmaster(cluster, pid) && postmaster(cluster) === undefined).pipe(
    Effect.repeat({ schedule: Schedule.spaced("10 millis"), while: (unnoted) => unnoted })
  )
}, Effect.uninterruptible)

const freePort = Effect.callback<number, EmbeddedPostgresError>((resume) => {
  const server = createServer()
  server.once("error", (error) => resume(Effect.fail(failure(error.message))))
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** The address of the database, once it answers. */
const connect = Effect.fnUntraced(function*(cluster: Cluster) {
  // Not before PostgreSQL says that it listens: until then the port may be somebody else's.
  const running = yield* Effect.sync(() => postmaster(cluster)).pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (noted) => noted?.isReady === false })
  )
  if (running === undefined) return yield* failure(ended, cluster.log)
  const password = yield* attempt(() => Fs.readFileSync(cluster.password, "utf8"))
  const urlOf = (name: string) => Redacted.make(`postgres://postgres:${password}@127.0.0.1:${running.port}/${name}`)
  yield* Effect.gen(function*() {
    const sql = yield* PgClient.makeClient({ url: urlOf("postgres") })
    const found = yield* sql`SELECT 1 FROM pg_database WHERE datname = ${database}`
    if (found.length === 0) yield* sql`CREATE DATABASE ${sql(database)}`
  }).pipe(
    Effect.scoped,
    Effect.provide(Reactivity.layer),
    Effect.retry({
      schedule: Schedule.spaced("200 millis"),
      while: ({ reason }) => reason._tag !== "AuthenticationError" && isPostmaster(cluster, running.pid)
    }),
    Effect.mapError(({ reason }) => failure(`it answers with ${reason._tag}`, cluster.log))
  )
  return urlOf(database)
}, (self, cluster) =>
  Effect.timeoutOrElse(self, {
    duration: "60 seconds",
    orElse: () => Effect.fail(failure("it has not answered for 60 seconds", cluster.log))
  }))

/** Gives up the use of the directory, and stops PostgreSQL if nobody else uses it. */
const leave = Effect.fnUntraced(function*(cluster: Cluster, user: DatabaseSync) {
  user.close()
  const alone = yield* tryLock(cluster.users, "BEGIN EXCLUSIVE").pipe(
    Effect.map((held) => held.close()),
    Effect.isSuccess
  )
  if (alone) yield* stop(cluster)
})

const stop = Effect.fnUntraced(function*(cluster: Cluster) {
  const running = postmaster(cluster)
  // Fast shutdown; if it hangs, immediate shutdown (the next start recovers).
  for (const [signal, patience] of [["SIGINT", 20], ["SIGQUIT", 10], ["SIGKILL", 5]] as const) {
    if (running === undefined || !isPostmaster(cluster, running.pid)) break
    yield* Effect.ignore(attempt(() => process.kill(running.pid, signal)))
    yield* Effect.sync(() => isPostmaster(cluster, running.pid)).pipe(
      Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: (alive) => alive }),
      Effect.timeoutOption(`${patience} seconds`)
    )
  }
  yield* Programs.removeCopy(cluster.copyNote)
})

/** The postmaster that runs on the cluster, whoever started it. */
const postmaster = (cluster: Cluster) => {
  const [pid, , , port, , , , status = ""] = textOf(cluster.pidFile).split("\n")
  if (pid === undefined || port === undefined || !isPostmaster(cluster, Number(pid))) return undefined
  return { pid: Number(pid), port: Number(port), isReady: status.startsWith("ready") }
}

/** Tells a live postmaster of this cluster from one that has ended, a zombie, and another process that got its pid. */
const isPostmaster = (cluster: Cluster, pid: number): boolean => {
  const command = process.platform === "linux"
    ? textOf(`/proc/${pid}/cmdline`)
    : spawnSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" }).stdout
  return command.includes(`cluster_name=${clusterName(cluster)}`)
}

// The inode stays the same when the directory is moved, and differs in a copy of it.
const clusterName = ({ data }: Cluster) =>
  `${database}_${(Fs.statSync(data, { throwIfNoEntry: false })?.ino ?? 0).toString(16).padStart(16, "0")}`

const textOf = (file: string): string => {
  try {
    return Fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** One start or stop at a time, among all processes. */
const exclusively = <A, E, R>(cluster: Cluster, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.andThen(
    Effect.acquireRelease(locked(cluster.transition, "BEGIN EXCLUSIVE"), (held) => Effect.sync(() => held.close()), {
      interruptible: true
    }),
    effect
  ))

const busy = failure("other processes have been starting or stopping it for two minutes")

const locked = (file: string, begin: string) =>
  Effect.suspend(() => tryLock(file, begin)).pipe(
    Effect.retry({ times: 2400, schedule: Schedule.spaced("50 millis"), while: (error) => error === busy })
  )

/**
 * Node has no file locks, but SQLite has: while a transaction is open on a file it is locked, shared or exclusively,
 * and however the process ends, the operating system lifts the lock. Nothing is ever written to the file.
 */
const tryLock = (file: string, begin: string): Effect.Effect<DatabaseSync, EmbeddedPostgresError> =>
  Effect.flatMap(attempt(() => new DatabaseSync(file)), (held) =>
    Effect.try({
      try: () => {
        held.exec(`PRAGMA journal_mode = MEMORY; ${begin}`)
        return held
      },
      catch: (cause) => {
        held.close()
        return (cause as { errcode?: number }).errcode === 5 ? busy : failure(`${file}: ${(cause as Error).message}`)
      }
    }))
