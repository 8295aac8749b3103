/**
 * The server written by hand, on a database of its own with users to change.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import * as Database from "./Database.ts"
import * as Processes from "./Processes.ts"

/** One server on a new database, with `user-0` and so on. It asks for no token. */
export const start = Effect.fnUntraced(function*(
  server: Redacted.Redacted,
  { database, users }: { readonly database: string; readonly users: number }
) {
  const databaseUrl = yield* Database.create(server, database)
  const { pid, url } = yield* Processes.start("baselines/HandWritten.mjs", {
    DATABASE_URL: Redacted.value(databaseUrl)
  })
  yield* Effect.provide(
    PgClient.PgClient.use((sql) =>
      sql`INSERT INTO users (id, organization) SELECT 'user-' || n, 'bench' FROM generate_series(0, ${users - 1}) n`
    ),
    Layer.fresh(PgClient.layer({ url: databaseUrl, maxConnections: 1 }))
  )
  return { url, pid, token: undefined, databaseUrl }
})
