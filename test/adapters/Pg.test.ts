/** The PostgreSQL adapters keep the contracts of their ports. */
import { OutboxContract, UsersContract, UserStoreContract } from "../../src/testing/index.ts"
import { layerStores } from "../fixtures/Postgres.ts"

UsersContract.suite("PostgreSQL", layerStores)
UserStoreContract.suite("PostgreSQL", layerStores)
OutboxContract.suite("PostgreSQL", layerStores)
