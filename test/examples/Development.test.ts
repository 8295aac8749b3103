/**
 * The standalone server in development mode on a database that is not its own: whom it answers, and what it says while
 * the database is away.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { DatabaseUrl, layerDatabase } from "../fixtures/Postgres.ts"
import type { DevJson, ServerProcess } from "../fixtures/ServerProcess.ts"
import * as Servers from "./Servers.ts"

class Server extends Context.Service<Server, ServerProcess & DevJson>()("test/Server") {}

const layerServer = Layer.effect(
  Server,
  Effect.gen(function*() {
    const url = yield* DatabaseUrl
    return yield* Servers.start(yield* Servers.temporaryDirectory, {
      DEVELOPMENT: "1",
      DATABASE_URL: Redacted.value(url)
    })
  })
).pipe(Layer.provideMerge(layerDatabase))

/** Runs statements on the cluster, beside the database. */
const administer = (...statements: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (const statement of statements) yield* sql.unsafe(statement)
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(inject("postgresUrl")), maxConnections: 1 })))

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("A server for this machine only", (it) => {
  const asksFor = (host: string, headers: Readonly<Record<string, string>> = {}) =>
    Effect.gen(function*() {
      const { tokens, url } = yield* Server
      const { port } = new URL(url)
      const paths = ["/healthz", "/openapi.json", "/nowhere"]
      const answers = yield* Effect.forEach(
        paths,
        (path) => Servers.call(url + path, { headers: { host: host.replace("PORT", port), ...headers } })
      )
      const set = yield* Servers.setPhone({ url }, tokens.admin, "ada", "+41", {}, {
        headers: { host: host.replace("PORT", port), ...headers }
      })
      return [...answers, set].map(({ body, status }) => status === 421 ? body : status)
    })

  for (
    const host of ["localhost", "localhost:PORT", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:PORT", "[::1]", "[::1]:80"]
  ) {
    it.effect(`answers for ${host}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* asksFor(host), [200, 200, 404, 400])
      }))
  }

  const misdirected = Array.from({ length: 4 }, () => ({
    code: 7,
    message: "development mode answers on this machine only: use localhost, and no proxy"
  }))

  for (
    const host of [
      "evil.example",
      "evil.example:PORT",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "0.0.0.0"
    ]
  ) {
    it.effect(`turns away ${host}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* asksFor(host), misdirected)
      }))
  }

  for (
    const name of [
      "Forwarded",
      "X-Forwarded-For",
      "X-Forwarded-Host",
      "X-Forwarded-Proto",
      "X-Forwarded-Port",
      "X-Real-IP",
      "Via"
    ]
  ) {
    it.effect(`turns away what has a header ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* asksFor("localhost", { [name]: "1.1 proxy" }), misdirected)
      }))
  }

  it.effect("is unavailable while its database is, and comes back with it", () =>
    Effect.gen(function*() {
      const { tokens, url } = yield* Server
      const databaseUrl = Redacted.value(yield* DatabaseUrl)
      const database = new URL(databaseUrl).pathname.slice(1)
      const probe = (path: string) => Servers.call(url + path)
      const accepted: Array<string> = []
      let index = 0
      const setPhone = Effect.gen(function*() {
        const phone = Servers.number(index++)
        const answer = yield* Servers.setPhone({ url }, tokens.admin, "ada", phone)
        if (answer.status === 200) accepted.push(`ada ${Number(answer.body.details.sequence) - 1} ${phone}`)
        return answer
      })
      const many = (count: number) => Effect.forEach(Array.from({ length: count }), () => setPhone, { concurrency: 32 })
      const without = (gone: boolean) =>
        administer(
          `ALTER DATABASE ${database} ALLOW_CONNECTIONS ${!gone}`,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${gone} AND datname = '${database}'`
        )

      assert.deepInclude(yield* probe("/readyz"), { status: 200, body: { status: "ready" } })
      assert.strictEqual((yield* setPhone).status, 200)

      // It goes while calls are at work.
      const going = Effect.andThen(many(10), without(true))
      const [during] = yield* Effect.all([many(100), going], { concurrency: "unbounded" })
      assert.sameMembers(Array.from(new Set(during.map(({ status }) => status))), [200, 503])
      const after = [...(yield* many(32)), yield* probe("/readyz")]
      assert.deepStrictEqual(after.map(({ status }) => status), after.map(() => 503))
      for (const answer of [...during, ...after]) {
        if (answer.status === 200) continue
        assert.strictEqual(answer.status, 503)
        assert.strictEqual(answer.headers["retry-after"], "1")
        assert.deepStrictEqual(answer.body, {
          code: 14,
          message: "the service is unavailable, try again later",
          details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1s" }]
        })
      }
      assert.deepInclude(yield* probe("/healthz"), { status: 200, body: { status: "ok" } })

      yield* without(false)
      yield* probe("/readyz").pipe(
        Effect.repeat({ schedule: Schedule.spaced("20 millis"), while: ({ status }) => status !== 200 }),
        Effect.timeout("10 seconds")
      )
      const again = yield* many(32)
      assert.deepStrictEqual(again.map(({ status }) => status), again.map(() => 200))
      assert.includeMembers(yield* Servers.changes(databaseUrl), accepted)
    }))
})
