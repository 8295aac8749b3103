/**
 * The standalone server in development mode, as `npm start` runs it, with its own PostgreSQL in a fresh data directory.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decodeJwt } from "jose"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import * as Servers from "./Servers.ts"

const timeout = { timeout: 60_000 }

// One data directory, fresh for the first test.
const directory = Fs.mkdtempSync(join(tmpdir(), "server-test-"))
Fs.chmodSync(directory, 0o711)
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

/** What the server offers to paste. */
const curlIn = (output: string) => /^ {2}curl (?:.*\\\n)*.*$/m.exec(output)![0]

const modeOf = (file: string) => Fs.statSync(join(directory, file)).mode & 0o777

const postmaster = () =>
  Number(Fs.readFileSync(join(directory, "postgres/cluster/data/postmaster.pid"), "utf8").split("\n")[0])

/** Whether something listens where the database is. */
const answers = (databaseUrl: string) =>
  Effect.callback<boolean>((resume) => {
    const { hostname, port } = new URL(databaseUrl)
    const socket = Net.connect(Number(port), hostname)
    socket.once("connect", () => resume(Effect.succeed(true)))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

describe("The server in development mode", () => {
  it.live("prints what works as it is printed, and keeps what it is told", () =>
    Effect.gen(function*() {
      const first = yield* Servers.start(directory)

      const { status, stdout } = spawnSync("sh", ["-c", `${curlIn(first.output())} -s -w ' %{http_code}'`], {
        encoding: "utf8",
        env: { ...process.env, PATH: `${process.env["PATH"]}:${yield* Servers.curl}` }
      })
      assert.strictEqual(status, 0)
      const [, json = "", httpStatus] = /^(.*) (\d+)$/s.exec(stdout)!
      assert.strictEqual(httpStatus, "200")
      const { details, verificationCode } = JSON.parse(json)
      assert.deepInclude(details, { sequence: "2", resourceOwner: "demo" })
      assert.match(verificationCode, /^\d{6}$/)

      const devJson = JSON.parse(Fs.readFileSync(join(directory, "dev.json"), "utf8"))
      const { tokens } = devJson
      assert.sameMembers(Object.keys(devJson), ["url", "databaseUrl", "tokens"])
      assert.sameMembers(Object.keys(tokens), ["admin", "ada", "grace", "linus"])
      assert.strictEqual(devJson.url, first.url)
      assert.match(devJson.databaseUrl, /^postgres:\/\/postgres:[^@]{20,}@127\.0\.0\.1:\d+\/user_phone$/)
      const listed = Array.from(first.output().matchAll(/^ {2}(\w+) +(ey\S+)$/gm), ([, name, token]) => [name, token])
      assert.deepStrictEqual(Object.fromEntries(listed), tokens)
      for (const token of Object.values<string>(tokens)) {
        const { exp = 0, iat = 0 } = decodeJwt(token)
        assert.strictEqual(exp - iat, 12 * 60 * 60)
      }
      assert.strictEqual(modeOf("dev.json"), 0o600)
      assert.strictEqual(modeOf("keys.json"), 0o600)
      const keys = Fs.readFileSync(join(directory, "keys.json"), "utf8")

      const sent = yield* Servers.setPhone(first, tokens.ada, "ada", "+41 79 765 43 21", { sendCode: {} })
      assert.strictEqual(sent.status, 200)
      assert.hasAllKeys(sent.body, ["details"])
      const [, recipient] = yield* Servers.printed(first, /^SMS to (\S+): \d{6} is your .*$/m)
      assert.strictEqual(recipient, "+41797654321")

      yield* Servers.end(first, "SIGINT")
      const second = yield* Servers.start(directory)
      assert.strictEqual(Fs.readFileSync(join(directory, "keys.json"), "utf8"), keys)
      const same = yield* Servers.setPhone(second, tokens.ada, "ada", "+41797654321", { sendCode: {} })
      assert.strictEqual(same.status, 400)
      assert.strictEqual(same.body.message, "Phone not changed (COMMAND-Uch5e)")
      const other = yield* Servers.setPhone(second, tokens.admin, "ada", "+41791234567")
      // After it: changed, code.added and code.sent of ada's own call.
      assert.strictEqual(other.body.details.sequence, "7")
    }), timeout)

  it.live(
    "keeps every answered change over a kill -9, and lets the users be listed",
    () =>
      Effect.gen(function*() {
        const first = yield* Servers.start(directory)
        const pid = postmaster()
        const { accepted, refused } = yield* Servers.hammer({
          server: first,
          userIds: ["ada", "grace", "linus"],
          connections: 6,
          at: 100,
          perform: () => first.child.kill("SIGKILL")
        })
        assert.isNull(yield* Effect.promise(() => first.exited))
        assert.deepStrictEqual(refused, [])
        assert.isTrue(yield* answers(first.databaseUrl))

        const second = yield* Servers.start(directory)
        assert.strictEqual(postmaster(), pid)
        assert.includeMembers(yield* Servers.changes(second.databaseUrl), accepted)
        const listed = yield* Servers.users({ DATA_DIRECTORY: directory }, "list")
        assert.match(
          listed.output,
          /^ada\tdemo\thuman\tactive\t-\tphone not verified\nadmin\tdemo\tmachine\tactive\t-\tno phone\ngrace\t.*\nlinus\t.*\n$/
        )
        assert.strictEqual(listed.code, 0)
        const { status } = yield* Servers.setPhone(second, second.tokens.admin, "grace", "+41791234567")
        assert.strictEqual(status, 200)

        yield* Servers.end(second, "SIGTERM")
        assert.isFalse(yield* answers(first.databaseUrl))
      }),
    timeout
  )
})
