/**
 * The server's PostgreSQL: the one that the settings name, or in development an embedded one under the data directory.
 */
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, type Redacted } from "effect"
import * as Postgres from "effect-user-phone/adapters/Postgres"
import { join } from "node:path"
import * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import { DatabaseSettings } from "./Settings.ts"

/** Where the database is, password included. */
export class DatabaseUrl extends Context.Service<DatabaseUrl, Redacted.Redacted>()("examples/server/DatabaseUrl") {}

const layerUrl = Layer.effect(
  DatabaseUrl,
  Effect.gen(function*() {
    const { dataDirectory, url } = yield* DatabaseSettings
    if (url !== undefined) return url
    return (yield* EmbeddedPostgres.start({ directory: join(dataDirectory, "postgres") })).url
  })
)

const layerClient = Layer.unwrap(
  Effect.map(DatabaseUrl, (url) => PgClient.layer({ url, applicationName: "effect-user-phone", maxConnections: 10 }))
)

/** The migrated database and the stores in it. */
export const layer = Postgres.layerStores.pipe(
  Layer.provideMerge(layerClient),
  Layer.provideMerge(layerUrl)
)
