/** The PostgreSQL adapters keep the contracts of their ports. */
import { String } from "effect"
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

UsersContract.suite("PostgreSQL", layerStores)
UserStoreContract.suite("PostgreSQL", layerStores)
CountersContract.suite("PostgreSQL", layerStores)
OutboxContract.suite("PostgreSQL", layerStores)
ReceiptsContract.suite("PostgreSQL", layerStores)

UsersContract.suite("PostgreSQL by a client that transforms names", layerStoresWith(transforms))
UserStoreContract.suite("PostgreSQL by a client that transforms names", layerStoresWith(transforms))
OutboxContract.suite("PostgreSQL by a client that transforms names", layerStoresWith(transforms))
