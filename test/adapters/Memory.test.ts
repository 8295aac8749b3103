/** The in-memory adapters keep the contracts of their ports. */
import { Effect, Layer } from "effect"
import * as Memory from "../../src/adapters/Memory.ts"
import { UserStore } from "../../src/core/index.ts"
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

// What a store does that cannot count is within the contract, too.
const withoutCounters = Layer.effect(
  UserStore.UserStore,
  Effect.map(UserStore.UserStore, (store) => ({
    ...store,
    counts: false,
    commit: (commit: UserStore.Commit) => store.commit({ ...commit, charges: [] })
  }))
).pipe(Layer.provideMerge(Memory.layerStores))

UserStoreContract.suite("memory, without counters", withoutCounters)
