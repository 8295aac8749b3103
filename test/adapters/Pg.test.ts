/** The PostgreSQL adapters keep the contracts of their ports. */
import { Effect, String } from "effect"
import { SqlClient } from "effect/sql"
import {
  CountersContract,
  OutboxContract,
  ReceiptsContract,
  UsersContract,
  UserStoreContract
} from "../../src/testing/index.ts"
import { layerStores, layerStoresWith } from "../fixtures/Postgres.ts"

/** What a host's own tables may have their names changed by. */
const transforms = { transformQueryNames: String.camelToSnake, transformResultNames: String.snakeToCamel }

const sealedOf = Effect.fnUntraced(function*(messageId: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly sealed: Uint8Array | null }>`SELECT sealed FROM user_phone.outbox
    WHERE message_id = ${messageId}::uuid`
  return row?.sealed ?? undefined
})

UsersContract.suite("PostgreSQL", layerStores)
UserStoreContract.suite("PostgreSQL", layerStores)
CountersContract.suite("PostgreSQL", layerStores)
OutboxContract.suite("PostgreSQL", layerStores, { sealedOf })
ReceiptsContract.suite("PostgreSQL", layerStores)

UsersContract.suite("PostgreSQL by a client that transforms names", layerStoresWith(transforms))
UserStoreContract.suite("PostgreSQL by a client that transforms names", layerStoresWith(transforms))
OutboxContract.suite("PostgreSQL by a client that transforms names", layerStoresWith(transforms), { sealedOf })
