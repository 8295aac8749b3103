/**
 * A server as a process, on a database of which every row is kept: numbers stand in two columns and codes in none, and
 * neither is in anything that is printed or answered to who did not ask for it.
 */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { SignJWT } from "jose"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { newTarget } from "../fixtures/Calls.ts"
import * as Postgres from "../fixtures/Postgres.ts"
import { searchOutput, sentIn } from "../fixtures/SecretReporter.ts"
import { number, operations, runBroken, runCases, runMalformed, runOperations } from "../fixtures/SecretRuns.ts"
import * as Scan from "../fixtures/SecretScan.ts"
import { startServer } from "../fixtures/ServerProcess.ts"
import * as TestServer from "../fixtures/TestServer.ts"
import * as Wire from "../fixtures/Wire.ts"

/** Where a number may stand. */
const mayHoldNumbers = /^(kept\.)?user_phone\.(users|events)\.phone: number /

/** Guesses are limited, numbers are not: all users have the same. */
const limits = "wait-between-codes=off; codes-per-number=off; codes-per-user=off; wrong-guesses-per-number=off"

/** A server in development mode that logs everything, on the test's database. */
const startDevelopment = Effect.fnUntraced(function*(known: Wire.Known) {
  const directory = mkdtempSync(join(tmpdir(), "secrets-test-"))
  const databaseUrl = Redacted.value(yield* Postgres.DatabaseUrl)
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      startServer(directory, { DEVELOPMENT: "1", DATABASE_URL: databaseUrl, LOG_LEVEL: "All", LIMITS: limits })
    ),
    ({ child, exited }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return exited
      }).pipe(Effect.andThen(Effect.sync(() => rmSync(directory, { recursive: true }))))
  )
  const { tokens, url } = yield* Effect.promise(() => server.listening)
  const { password } = new URL(databaseUrl)
  if (password.length >= 16) known.texts.add(password)
  for (const token of Object.values(tokens)) known.texts.add(token)
  const secrets: Record<string, string> = JSON.parse(readFileSync(join(directory, "keys.json"), "utf8"))
  for (const key of Object.values(secrets)) known.keys.push(Buffer.from(key, "base64"))
  const token: TestServer.TestServer["Service"]["token"] = ({ grants = {}, organization, userId }, options) =>
    Effect.promise(() =>
      new SignJWT({ org: organization, grants })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(userId)
        .setIssuer("urn:effect-user-phone:development")
        .setAudience("effect-user-phone")
        .setExpirationTime(options?.expired === true ? "1 minute ago" : "10 minutes")
        .sign(Buffer.from(secrets["token"]!, "base64"))
    )
  return { ...server, testServer: TestServer.TestServer.of({ url, token }) }
})

/** Waits until the delivery worker has nothing left to do. */
const delivered = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT FROM user_phone.outbox WHERE status = 'queued'`.pipe(
    Effect.delay("20 millis"),
    Effect.repeat({ while: (queued) => queued.length > 0 })
  )
})

/** Cuts the server's connections to the database while requests and the delivery worker wait for it. */
const cutConnections = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* delivered
  const calls = yield* Effect.forEach(Object.entries(operations), ([name, operation]) =>
    Effect.gen(function*() {
      const userId = yield* newTarget("active")
      const { body } = yield* operations.SetPhone(userId, { phone: "+41791114455", returnCode: {} })
      const parameter: any = name === "VerifyPhone" ? body.verificationCode : undefined
      return operation(userId, parameter)
    }))
  const waitingFor = (table: string) =>
    sql<{ readonly pid: number }>`SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
      WHERE d.datname = current_database() AND relation = ${table}::regclass AND NOT granted`
  const [locked, answered] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const cut = sql.withTransaction(Effect.gen(function*() {
    yield* sql`LOCK TABLE user_phone.users, user_phone.outbox IN ACCESS EXCLUSIVE MODE`
    yield* Deferred.succeed(locked, undefined)
    yield* waitingFor("user_phone.outbox").pipe(
      Effect.repeat({ until: (waiting) => waiting.length > 0 })
    )
    // Requests share connections, and who finds none goes on to the next: until all of them are answered.
    let requests = 0
    while (!(yield* Deferred.isDone(answered))) {
      const waiting = yield* waitingFor("user_phone.users")
      requests += waiting.length
      for (const { pid } of waiting) yield* sql`SELECT pg_terminate_backend(${pid})`
    }
    assert.isAbove(requests, 0)
    for (const { pid } of yield* waitingFor("user_phone.outbox")) yield* sql`SELECT pg_terminate_backend(${pid})`
  }))
  const [answers] = yield* Effect.all([
    // Not before the lock is held: a request that came through would never be among those that wait.
    Deferred.await(locked).pipe(
      Effect.andThen(Effect.all(calls, { concurrency: "unbounded" })),
      Effect.ensuring(Deferred.succeed(answered, undefined))
    ),
    cut
  ], { concurrency: "unbounded" })
  assert.deepStrictEqual(answers.map(({ status }) => status), calls.map(() => 503))
})

layer(Postgres.layerStores, { excludeTestServices: true, timeout: "60 seconds" })("a server process", (it) => {
  it.effect("keeps numbers in two columns and codes in none, and prints neither", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const known = new Wire.Known()
      const server = yield* startDevelopment(known)
      const plants = yield* Scan.plantInTables
      assert.isAbove(plants.expected.length, 60)
      assert.sameMembers([...plants.found], plants.expected)
      yield* Scan.keepAllRows

      yield* Effect.gen(function*() {
        yield* Wire.listen(known)
        yield* runCases
        yield* runOperations
        yield* runMalformed(known)
        yield* runBroken
        yield* cutConnections
        const { status } = yield* operations.SetPhone(yield* newTarget("active"), { phone: number })
        assert.strictEqual(status, 200)
      }).pipe(Effect.provideService(TestServer.TestServer, server.testServer))

      yield* delivered
      server.child.kill("SIGTERM")
      yield* Effect.promise(() => server.exited)
      const sent = sentIn(server.output())
      const returned = known.codes.length
      known.codes.push(...sent)
      const scan = Scan.make(known)

      const found = yield* Scan.scanTables(scan)
      assert.deepStrictEqual([...found].filter((find) => !mayHoldNumbers.test(find)), [])
      assert.deepStrictEqual([...searchOutput(scan, server.output())], [])
      assert.deepStrictEqual([...searchOutput(scan, [...known.answers].join("\n"))], [])

      // All of it was worth a search.
      assert.isAbove(returned, 50)
      for (const column of ["users.phone", "events.phone"]) {
        assert.include([...found].join(), `user_phone.${column}: number`)
      }
      // Some messages lost their use before they were claimed; all others were printed.
      const kept = (status: string) =>
        sql`SELECT DISTINCT message_id FROM kept."user_phone.outbox" WHERE status = ${status}`
      const [queued, ofUse, dropped] = yield* Effect.all([kept("queued"), kept("sent"), kept("dropped")])
      assert.strictEqual(ofUse.length, server.output().match(/^SMS to /gm)?.length)
      assert.strictEqual(ofUse.length + dropped.length, queued.length)
      assert.isAtLeast(sent.length, 7)
      for (const line of ["unavailable", "a request met a bug", "the outbox cannot be"]) {
        assert.include(server.output(), line)
      }
    }), 60_000)
})
