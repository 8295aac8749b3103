/** The PostgreSQL adapters keep the contracts of their ports. */
import {
  CountersContract,
  OutboxContract,
  ReceiptsContract,
  UsersContract,
  UserStoreContract
} from "../../src/testing/index.ts"
import { layerStores } from "../fixtures/Postgres.ts"

UsersContract.suite("PostgreSQL", layerStores)
UserStoreContract.suite("PostgreSQL", layerStores)
CountersContract.suite("PostgreSQL", layerStores)
OutboxContract.suite("PostgreSQL", layerStores)
ReceiptsContract.suite("PostgreSQL", layerStores)
