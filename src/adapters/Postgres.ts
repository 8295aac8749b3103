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
