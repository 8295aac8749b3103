/** The in-memory adapters keep the contracts of their ports. */
import * as Memory from "../../src/adapters/Memory.ts"
import {
  CountersContract,
  OutboxContract,
  ReceiptsContract,
  UsersContract,
  UserStoreContract
} from "../../src/testing/index.ts"

UsersContract.suite("memory", Memory.layerStores)
UserStoreContract.suite("memory", Memory.layerStores)
CountersContract.suite("memory", Memory.layerStores)
OutboxContract.suite("memory", Memory.layerStores)
ReceiptsContract.suite("memory", Memory.layerStores)
