/**
 * An embedded PostgreSQL for one run of a benchmark, as durable as in production, and databases on it.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Effect, Layer, Redacted } from "effect"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as EmbeddedPostgres from "../examples/server/EmbeddedPostgres.ts"

/** Starts PostgreSQL in a directory of its own, and answers its address. */
export const start = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "effect-user-phone-bench-"))
      // PostgreSQL may run as another user, who has to pass through.
      chmodSync(path, 0o711)
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const { url } = yield* EmbeddedPostgres.start({ directory: join(directory, "postgres"), settings: {} })
  const settings = yield* Effect.provide(
    PgClient.PgClient.use((sql) =>
      sql`SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit`
    ),
    PgClient.layer({ url, maxConnections: 1 })
  )
  yield* Console.log("PostgreSQL", JSON.stringify(settings[0]))
  return url
})

/** The address of a new database. */
export const create = Effect.fnUntraced(function*(server: Redacted.Redacted, name: string) {
  yield* Effect.provide(
    PgClient.PgClient.use((sql) => sql.unsafe(`CREATE DATABASE ${name}`)),
    PgClient.layer({ url: server, maxConnections: 1 })
  )
  const url = new URL(Redacted.value(server))
  url.pathname = `/${name}`
  return Redacted.make(url.href)
})

/** A client of a database. */
export const layerClient = (url: Redacted.Redacted) => Layer.fresh(PgClient.layer({ url, maxConnections: 10 }))
