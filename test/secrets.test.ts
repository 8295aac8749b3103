/**
 * Numbers and codes stand only where they may: a number in two columns, a code in none, neither in anything that a server
 * prints, logs, traces, counts or fails with. Every search first finds what was planted where it looks.
 *
 * The outputs of the whole run are searched by `SecretReporter`.
 */
import { NodeCrypto } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, DateTime, Deferred, Effect, Exit, Layer, Metric, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { SignJWT } from "jose"
import { createHash, randomBytes } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative, resolve } from "node:path"
import { inspect } from "node:util"
import * as CryptoCodeVault from "../src/adapters/CryptoCodeVault.ts"
import * as Memory from "../src/adapters/Memory.ts"
import {
  Access,
  Actor,
  CodeGenerator,
  Errors,
  Limits,
  SetPhone,
  SmsDelivery,
  SmsNotifier,
  SmsText,
  UserId,
  Users,
  UserStore
} from "../src/core/index.ts"
import { errorResponse } from "../src/http/ErrorResponse.ts"
import type { Caller, SetPhoneCase } from "./cases/Case.ts"
import { everyOptionByEveryCaller, furtherCallers, numbers, userIds } from "./cases/SetPhone.ts"
import * as Postgres from "./fixtures/Postgres.ts"
import { plantingTest, plants, searchOutput, sentIn } from "./fixtures/SecretReporter.ts"
import * as Scan from "./fixtures/SecretScan.ts"
import { startServer } from "./fixtures/ServerProcess.ts"
import * as TestServer from "./fixtures/TestServer.ts"

const number = "+41791112233"
const organization = "acme"

/** All that was given to a server or came from it and must not be found. */
class Known {
  readonly numbers = new Set<string>([number])
  readonly codes: Array<{ readonly code: string; readonly userId?: string; readonly number?: string }> = []
  readonly texts = new Set<string>()
  readonly keys: Array<Uint8Array> = []
}

describe("the scan", () => {
  const code = "604217"
  const scan = Scan.make({ numbers: [number], codes: [{ code, userId: "ada", number }] })
  const sha = (text: string) => createHash("sha256").update(text).digest()

  it("finds a number in every spelling", () => {
    const spellings = [
      number,
      "41791112233",
      "0791112233",
      "791112233",
      "+41 (0)79 111-22.33",
      "079/111 22 33",
      "+\u0664\u0661\u0667\u0669\u0661\u0661\u0661\u0662\u0662\u0663\u0663",
      encodeURIComponent(number),
      ...["", "a", "ab"].map((before) => Buffer.from(`${before}${number}c`).toString("base64")),
      Buffer.from(JSON.stringify({ phone: number, "?": "~~~" })).toString("base64url"),
      Buffer.from(number).toString("hex").toUpperCase(),
      `\\x00${Buffer.from(number).toString("hex")}`,
      Buffer.from(Buffer.from(number).toString("base64")).toString("hex"),
      inspect(Uint8Array.from(Buffer.from(number))),
      JSON.stringify(Buffer.from(number)),
      sha(number).toString("hex"),
      sha("41791112233").toString("base64"),
      createHash("md5").update(number).digest("base64url")
    ]
    for (const text of spellings) assert.include([...scan(`x ${text} y`)].join(), `number ${number}`, text)
  })

  it("finds a code in every spelling", () => {
    const spellings = [
      code,
      `code=${code},`,
      `"${code}"`,
      Buffer.from(`the code ${code}`).toString("base64"),
      Buffer.from(code).toString("hex"),
      sha(code).toString("hex").slice(0, 16),
      sha(`${number}${code}`).toString("base64"),
      sha(`ada:${code}`).toString("base64url"),
      createHash("sha1").update(`${code}|${number}`).digest("hex")
    ]
    for (const text of spellings) assert.include([...scan(`x ${text} y`)].join(), `code ${code}`, text)
  })

  it("finds nothing in what is random, masked or a time", () => {
    const random = Array.from({ length: 2000 }, () => {
      const bytes = randomBytes(32)
      return `${bytes.toString("hex")} ${bytes.toString("base64")} ${crypto.randomUUID()}`
    })
    const codes = Array.from({ length: 100 }, (_, index) => ({ code: String(100_000 + index * 7919) }))
    const many = Scan.make({ numbers: [number], codes })
    for (const text of [...random, "+41•••••2233", "2026-11-23T10:20:30.123Z", "2026-11-23 10:20:30.100000+00"]) {
      assert.deepStrictEqual([...many(text)], [])
    }
  })
})

const call = Effect.fnUntraced(function*(path: string, init: RequestInit) {
  const { url } = yield* TestServer.TestServer
  const response = yield* Effect.promise(() => fetch(`${url}${path}`, { method: "POST", ...init }))
  return { status: response.status, body: yield* Effect.promise(() => response.text()) }
})

const bearer = Effect.fnUntraced(function*(known: Known, caller: Caller, userId: string) {
  const { token } = yield* TestServer.TestServer
  if (caller.token === "none") return {}
  if (caller.token === "malformed") return { authorization: "Basic YTpi" }
  const writes = caller.token === "valid" ? caller.writes : undefined
  const text = yield* token({
    userId: caller.token !== "valid" || caller.is === "target" ? userId : "someone",
    organization,
    ...(writes && { grants: { [writes === "another organisation" ? "elsewhere" : organization]: ["user.write"] } })
  }, { expired: caller.token === "expired" })
  known.texts.add(text)
  return { authorization: `Bearer ${caller.token === "bad" ? text.slice(0, -6) : text}` }
})

const writer: Caller = { token: "valid", is: "other", writes: "target's organisation" }

const newUser = Effect.fnUntraced(function*({ target, userId }: Partial<SetPhoneCase> = {}) {
  const users = yield* Users.Users
  const id = Option.getOrElse(UserId.UserId.makeOption(userId ?? ""), () => UserId.UserId.make(crypto.randomUUID()))
  if (target === "unknown") return id
  yield* users.register({
    userId: id,
    resourceOwner: UserId.OrganizationId.make(organization),
    kind: target === "machine" ? "machine" : "human",
    state: target === "initial" ? "initial" : "active"
  }).pipe(Effect.orDie)
  if (target === "removed") yield* Effect.orDie(users.remove(id))
  return id
})

/** Sets a phone by HTTP, and remembers what must not be found: the number as it is given, and a code that is returned. */
const setPhone = Effect.fnUntraced(function*(
  known: Known,
  userId: string,
  body: { readonly phone?: unknown },
  { caller = writer, key }: { readonly caller?: Caller; readonly key?: string } = {}
) {
  const phone = typeof body.phone === "string" ? body.phone : ""
  const digits = phone.normalize("NFKC").replace(/\D/g, "")
  if (digits.length >= 9 && digits.length <= 15) known.numbers.add(phone)
  const answer = yield* call(`/v2/users/${encodeURIComponent(userId)}/phone`, {
    body: JSON.stringify(body),
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : { "idempotency-key": key }),
      ...yield* bearer(known, caller, userId)
    }
  })
  const code: unknown = JSON.parse(answer.body).verificationCode
  if (typeof code === "string") known.codes.push({ code, userId, number: phone })
  return answer.status
})

/** Every case, each of them repeated, and then again with another number, under an idempotency key with the number. */
const runCases = Effect.fnUntraced(function*(known: Known) {
  const cases = [...everyOptionByEveryCaller, ...furtherCallers, ...numbers, ...userIds]
  yield* Effect.forEach(cases, (testCase) =>
    Effect.gen(function*() {
      const { before, caller, outcome, request, userId } = testCase
      const id = yield* newUser(testCase)
      if (before !== undefined) yield* setPhone(known, id, { phone: before, isVerified: true } as object)
      const options = { caller, key: `set-${number}-for-${encodeURIComponent(id).slice(0, 40)}` }
      const status = yield* setPhone(known, userId ?? id, request, options)
      assert.strictEqual(status === 200, !("failure" in outcome), testCase.name)
      assert.strictEqual(yield* setPhone(known, userId ?? id, request, options), status)
      yield* setPhone(known, userId ?? id, { ...request, phone: "+14155552671" }, options)
    }), { concurrency: 8, discard: true })
})

/** Requests that no operation is reached by. */
const runMalformed = Effect.fnUntraced(function*(known: Known) {
  const authorization = yield* bearer(known, writer, "someone")
  const json = { "content-type": "application/json", ...authorization }
  const path = "/v2/users/someone/phone"
  const requests: ReadonlyArray<readonly [number, string, RequestInit]> = [
    [400, path, { headers: json, body: `{"phone": "${number}"` }],
    [400, path, { headers: json, body: JSON.stringify({ phone: Number(number) }) }],
    [400, path, { headers: json, body: JSON.stringify({ phone: { e164: number } }) }],
    [400, path, { headers: json, body: JSON.stringify(number) }],
    [400, path, { headers: json, body: JSON.stringify({ phone: number, returnCode: number }) }],
    [413, path, { headers: json, body: JSON.stringify({ phone: number.repeat(10_000) }) }],
    [415, path, { headers: { ...authorization, "content-type": "text/plain" }, body: number }],
    [400, "/v2/users/%E0%A4%A/phone", { headers: json, body: JSON.stringify({ phone: number }) }],
    [404, "/v2/users/someone/telephone", { headers: json, body: JSON.stringify({ phone: number }) }],
    [405, path, { method: "PUT", headers: json, body: JSON.stringify({ phone: number }) }]
  ]
  for (const [status, path, request] of requests) {
    const answer = yield* call(path, request)
    assert.strictEqual(answer.status, status, `${path} ${String(request.body).slice(0, 80)}`)
    assert.notInclude(answer.body, number)
  }
})

/** What goes wrong behind the server: PostgreSQL refuses a row and quotes it, and a row does not decode. */
const runBroken = Effect.fnUntraced(function*(known: Known) {
  const sql = yield* SqlClient.SqlClient
  const refused = "+41791114455"
  yield* sql`ALTER TABLE user_phone.users ADD CONSTRAINT refused CHECK (phone NOT LIKE '%4455')`
  assert.strictEqual(yield* setPhone(known, yield* newUser(), { phone: refused }), 503)
  yield* sql`ALTER TABLE user_phone.users DROP CONSTRAINT refused`

  const userId = yield* newUser()
  yield* sql`UPDATE user_phone.users SET phone = ${"079 111 22 33"} WHERE user_id = ${userId}`
  assert.strictEqual(yield* setPhone(known, userId, { phone: number }), 500)
})

/** Where a number may stand. */
const mayHoldNumbers = /^(kept\.)?user_phone\.(users|events)\.phone: number /

/** A server in development mode that logs everything, on the test's database. */
const startDevelopment = Effect.fnUntraced(function*(known: Known) {
  const directory = mkdtempSync(join(tmpdir(), "secrets-test-"))
  const databaseUrl = Redacted.value(yield* Postgres.DatabaseUrl)
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => startServer(directory, { DEVELOPMENT: "1", DATABASE_URL: databaseUrl, LOG_LEVEL: "All" })),
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
const cutConnections = Effect.fnUntraced(function*(known: Known) {
  const sql = yield* SqlClient.SqlClient
  yield* delivered
  const ids = yield* Effect.forEach(Array.from({ length: 4 }), () => newUser())
  const waitingFor = (table: string) =>
    sql<{ readonly pid: number }>`SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
      WHERE d.datname = current_database() AND relation = ${table}::regclass AND NOT granted`
  const locked = yield* Deferred.make<void>()
  const cut = sql.withTransaction(Effect.gen(function*() {
    yield* sql`LOCK TABLE user_phone.users, user_phone.outbox IN ACCESS EXCLUSIVE MODE`
    yield* Deferred.succeed(locked, undefined)
    const requests = yield* waitingFor("user_phone.users").pipe(
      Effect.repeat({ until: (waiting) => waiting.length === ids.length })
    )
    const worker = yield* waitingFor("user_phone.outbox").pipe(
      Effect.repeat({ until: (waiting) => waiting.length > 0 })
    )
    for (const { pid } of [...requests, ...worker]) yield* sql`SELECT pg_terminate_backend(${pid})`
  }))
  const [statuses] = yield* Effect.all([
    // Not before the lock is held: a request that came through would never be among those that wait.
    Effect.andThen(
      Deferred.await(locked),
      Effect.forEach(ids, (id) => setPhone(known, id, { phone: number }), { concurrency: "unbounded" })
    ),
    cut
  ], { concurrency: "unbounded" })
  assert.deepStrictEqual(statuses, ids.map(() => 503))
})

layer(Postgres.layerStores, { excludeTestServices: true, timeout: "60 seconds" })("a server process", (it) => {
  it.effect("keeps numbers in two columns and codes in none, and prints neither", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const known = new Known()
      const server = yield* startDevelopment(known)
      const plants = yield* Scan.plantInTables
      assert.isAbove(plants.expected.length, 60)
      assert.sameMembers([...plants.found], plants.expected)
      yield* Scan.keepAllRows

      yield* Effect.gen(function*() {
        yield* runCases(known)
        yield* runMalformed(known)
        yield* runBroken(known)
        yield* cutConnections(known)
        assert.strictEqual(yield* setPhone(known, yield* newUser(), { phone: number }), 200)
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

      // All of it was worth a search.
      assert.isAbove(returned, 50)
      for (const column of ["users.phone", "events.phone"]) {
        assert.include([...found].join(), `user_phone.${column}: number`)
      }
      const sealed = yield* sql`SELECT DISTINCT message_id FROM kept."user_phone.outbox" WHERE sealed IS NOT NULL`
      assert.strictEqual(sealed.length, server.output().match(/^SMS to /gm)?.length)
      assert.isAtLeast(sent.length, 7)
      for (const line of ["unavailable", "a request met a bug", "the outbox cannot be"]) {
        assert.include(server.output(), line)
      }
    }), 60_000)
})

describe("what is printed", () => {
  it.live(plantingTest, () =>
    Effect.gen(function*() {
      const lines = [`SMS to ${Scan.planted.number}: ${Scan.planted.code} is your verification code.`, ...plants]
      const directory = mkdtempSync(join(tmpdir(), "secrets-test-"))
      const script = join(directory, "print.js")
      writeFileSync(script, `for (const line of ${JSON.stringify(lines)}) console.log(line)`)
      const { exited } = startServer(directory, {}, relative(resolve(import.meta.dirname, ".."), script))
      assert.strictEqual(yield* Effect.promise(() => exited), 0)
      rmSync(directory, { recursive: true })

      const [first, second, ...others] = plants
      console.log(first)
      console.error(second)
      yield* Effect.logWarning(...others)
    }))
})

describe("spans, logs, metrics and errors", () => {
  const key = Buffer.alloc(32, "planted")
  const secrets: ReadonlyArray<string> = [Scan.planted.number, Scan.planted.code, "planted-token", key.toString("hex")]
  const ways: Readonly<
    Record<"spans" | "logs" | "metrics" | "errors", ReadonlyArray<(secret: string) => Effect.Effect<unknown, unknown>>>
  > = {
    spans: [
      (secret) => Effect.withSpan(Effect.void, `span ${secret}`),
      (secret) => Effect.withSpan(Effect.void, "span", { attributes: { secret } }),
      (secret) => Effect.withSpan(Effect.log(secret), "span"),
      (secret) => Effect.exit(Effect.withSpan(Effect.fail(new Error("outer", { cause: new Error(secret) })), "span"))
    ],
    logs: [
      (secret) => Effect.logTrace(secret),
      (secret) => Effect.annotateLogs(Effect.logDebug("log"), { secret }),
      (secret) => Effect.logError("log", Cause.fail(new Error("outer", { cause: new Error(secret) }))),
      (secret) => Effect.log({ nested: { bytes: Buffer.from(secret) } })
    ],
    metrics: [
      (secret) => Metric.update(Metric.counter("planted", { attributes: { secret } }), 1),
      (secret) => Metric.update(Metric.frequency("planted"), secret)
    ],
    errors: [
      (secret) => Effect.fail({ nested: [{ secret }] }),
      (secret) => Effect.die(new Error("outer", { cause: new Error(secret) })),
      (secret) => Effect.succeed({ secret })
    ]
  }

  for (const sink of ["spans", "logs", "metrics", "errors"] as const) {
    it.effect(`are found in ${sink} when they are planted there`, () =>
      Effect.gen(function*() {
        const scan = Scan.make({
          numbers: [Scan.planted.number],
          codes: [{ code: Scan.planted.code }],
          texts: ["planted-token"],
          keys: [key]
        })
        for (const plant of ways[sink]) {
          const { keep, layer, sinks } = Scan.recorder()
          const recorded = yield* Effect.forEach(secrets, (secret) => keep(plant(secret))).pipe(
            Effect.andThen(sinks),
            Effect.provide(layer)
          )
          assert.strictEqual(scan(recorded[sink]).size, secrets.length, String(plant))
        }
      }))
  }
})

const assertNoneIn = (sinks: Readonly<Record<string, string>>, known: Known) => {
  const scan = Scan.make(known)
  for (const [sink, text] of Object.entries(sinks)) assert.deepStrictEqual([...scan(text)], [], sink)
}

const { layer: layerRecorder, sinks } = Scan.recorder()

layer(TestServer.layer.pipe(Layer.provideMerge(layerRecorder)), { excludeTestServices: true, timeout: "60 seconds" })(
  "a server in process",
  (it) => {
    it.effect("traces, logs and counts no number, code or token", () =>
      Effect.gen(function*() {
        const known = new Known()
        yield* runCases(known)
        yield* runMalformed(known)
        yield* runBroken(known)
        const recorded = yield* sinks
        assertNoneIn(recorded, known)
        for (const span of ["'http.route'", "'SetPhone.setPhone'", "'PgUserStore.commit'", "'db.query.text'"]) {
          assert.include(recorded.spans, span)
        }
        assert.include(recorded.logs, "a request met a bug")
      }))
  }
)

describe("SetPhone in memory", () => {
  const key = { id: "one", bytes: Redacted.make(Uint8Array.from(randomBytes(32))) }
  const fingerprintKey = Redacted.make(Uint8Array.from(randomBytes(32)))
  /** What a driver says of a row, and a provider of a message. */
  const quoting = new Error("driver", { cause: new Error(`Failing row contains (ada, ${number}, t)`) })

  const failingStore = Layer.effect(
    UserStore.UserStore,
    Effect.map(UserStore.UserStore, (store) =>
      UserStore.UserStore.of({
        ...store,
        commit: (commit) => {
          if (commit.before.userId === "limited") {
            return Effect.map(DateTime.now, (until) => ({ _tag: "LimitReached", reason: "TEST_LIMIT", until }))
          }
          if (commit.before.userId === "broken") {
            // @ts-expect-error an error is no description, and does not get past here in JavaScript either
            return Effect.fail(new Errors.Unavailable({ cause: quoting }))
          }
          return commit.before.userId === "raced" ? Effect.succeed({ _tag: "LostRace" }) : store.commit(commit)
        }
      }))
  )
  const inbox: Array<SmsNotifier.Sms> = []
  const failingNotifier = Layer.succeed(SmsNotifier.SmsNotifier, {
    send: (sms) => {
      inbox.push(sms)
      const reasons = [
        new SmsNotifier.Transient({ cause: quoting }),
        new SmsNotifier.Throttled({}),
        new SmsNotifier.Permanent({ code: "21211" }),
        new SmsNotifier.OptedOut()
      ]
      if (inbox.length > reasons.length + 1) return Effect.die(quoting)
      const reason = reasons[inbox.length - 1]
      return reason === undefined ? Effect.succeed("receipt") : Effect.fail(new SmsNotifier.SmsNotSent({ reason }))
    }
  })
  const layerMemory = SetPhone.layer.pipe(
    Layer.provide(failingStore),
    Layer.provideMerge(Layer.mergeAll(
      Memory.layerStores,
      Access.layer,
      CodeGenerator.layerPreset("digits6"),
      CryptoCodeVault.layer({ codeKeys: [key], fingerprintKey }),
      SmsText.layerEnglish,
      failingNotifier,
      Layer.succeed(Limits.Limits, Limits.off)
    )),
    Layer.provideMerge(NodeCrypto.layer)
  )

  it.live("shows no number, code or key in spans, logs, metrics, answers and errors", () =>
    Effect.gen(function*() {
      const { keep, layer, sinks } = Scan.recorder()
      const known = new Known()
      known.keys.push(Redacted.value(key.bytes), Redacted.value(fingerprintKey))
      const tags = new Set<string>()
      const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
      const recorded = yield* Effect.gen(function*() {
        const { setPhone } = yield* SetPhone.SetPhone
        const call = Effect.fnUntraced(function*(
          userId: string,
          request: Partial<SetPhone.SetPhoneRequest> = {},
          actor = admin
        ) {
          const exit = yield* keep(
            setPhone({ userId, phone: Redacted.make(number), verification: { _tag: "ReturnCode" }, ...request }).pipe(
              Effect.tapError((error) => keep(errorResponse(error))),
              Effect.provideService(Actor.Actor, actor)
            )
          )
          if (Exit.isFailure(exit)) tags.add((Cause.squash(exit.cause) as { readonly _tag?: string })._tag ?? "defect")
          else if (exit.value.verificationCode !== undefined) {
            known.codes.push({ code: Redacted.value(exit.value.verificationCode), userId, number })
          }
        })
        for (const target of ["active", "initial"] as const) yield* newUser({ target, userId: target })
        for (const userId of ["limited", "broken", "raced", "1", "2", "3", "4", "5", "6"]) yield* newUser({ userId })
        const idempotencyKey = `set-${number}`
        yield* call("active", { idempotencyKey })
        yield* call("active", { idempotencyKey })
        yield* call("active", { idempotencyKey, phone: Redacted.make("+14155552671") })
        yield* call("active")
        for (const userId of ["initial", "limited", "broken", "raced", "unknown", "", "x".repeat(201)]) {
          yield* call(userId)
        }
        yield* call("active", {}, Actor.make({ userId: "nobody", organization }))
        for (const written of [`${number}x`, "+41443643533", `${number}${" ".repeat(200)}`, "079 111 22 33"]) {
          yield* call("active", { phone: Redacted.make(written) })
        }
        yield* call("active", { idempotencyKey: `set ${number}` })
        yield* call("active", { phone: Redacted.make("+14155552671"), verification: { _tag: "AlreadyVerified" } })
        for (const userId of ["1", "2", "3", "4", "5", "6"]) yield* call(userId, { verification: { _tag: "SendCode" } })
        const { deliverDue } = yield* SmsDelivery.make()
        yield* keep(deliverDue)
        return yield* sinks
      }).pipe(Effect.provide(layerMemory), Effect.provide(layer))

      assert.strictEqual(inbox.length, 6)
      for (const { text } of inbox) known.codes.push({ code: Redacted.value(text).slice(0, 6), number })
      assert.deepStrictEqual([...tags].toSorted(), [
        "IdempotencyKeyReused",
        "InvalidArgument",
        "InvalidPhoneNumber",
        "NotFound",
        "PermissionDenied",
        "PhoneNotChanged",
        "TooManyRequests",
        "Unavailable",
        "UserNotInitialized",
        "defect"
      ])
      assertNoneIn(recorded, known)
    }))
})
