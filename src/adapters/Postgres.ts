/**
 * The store, the users and the outbox in PostgreSQL, on tables that are brought up to date first. A host provides its
 * client from `@effect/sql-pg`.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Layer from "effect/Layer"
import type * as Migrator from "effect/sql/Migrator"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Outbox } from "../core/Outbox.ts"
import type { Users } from "../core/Users.ts"
import type { UserStore } from "../core/UserStore.ts"
import * as PgHousekeeping from "./PgHousekeeping.ts"
import * as PgMigrations from "./PgMigrations.ts"
import * as PgOutbox from "./PgOutbox.ts"
import * as PgUsers from "./PgUsers.ts"
import * as PgUserStore from "./PgUserStore.ts"

/**
 * What is wrong with a URL of PostgreSQL, or undefined. The client overlooks some parameters: it would send everything in
 * the clear where TLS was meant, or trust other certificates than was meant.
 *
 * @category settings
 * @since 0.1.0
 */
export const faultOfUrl = (text: string): string | undefined => {
  if (!URL.canParse(text) || !/^postgres(ql)?:\/\/./i.test(text)) return "must be a URL that begins with postgres://"
  const { searchParams } = new URL(text)
  const overlooked = [...searchParams.keys()].find((name) => /^(ssl|tls)/i.test(name) && name !== "sslmode")
  if (overlooked !== undefined) {
    return `has ${overlooked}; write sslmode=require for TLS, and the file of your own authority into NODE_EXTRA_CA_CERTS`
  }
  const given = searchParams.getAll("sslmode")
  return given.length === 0 || given.length === 1 && tlsModes.includes(given[0]!)
    ? undefined
    : `must have sslmode once: ${tlsModes.join(", ")}`
}

const tlsModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

/**
 * Store, users and outbox in PostgreSQL, with the schema made or brought up to date when it is built, and housekeeping
 * for as long as it lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStores: Layer.Layer<
  UserStore | Users | Outbox,
  SqlError | Migrator.MigrationError,
  SqlClient.SqlClient | PgClient.PgClient
> = Layer.mergeAll(PgUserStore.layer, PgUsers.layer, PgOutbox.layer, PgHousekeeping.layer).pipe(
  Layer.provide(PgMigrations.layer)
)
