/** The in-memory adapters keep the contracts of their ports. */
import { Effect, Layer } from "effect"
import * as Memory from "../../src/adapters/Memory.ts"
import * as MemoryOutbox from "../../src/adapters/MemoryOutbox.ts"
import * as MemoryTables from "../../src/adapters/MemoryTables.ts"
import * as MemoryUsers from "../../src/adapters/MemoryUsers.ts"
import * as MemoryUserStore from "../../src/adapters/MemoryUserStore.ts"
import { UserStore } from "../../src/core/index.ts"
import {
  CountersContract,
  OutboxContract,
  ReceiptsContract,
  UsersContract,
  UserStoreContract
} from "../../src/testing/index.ts"

/** The stores, with the tables to look behind them. */
const layerWithTables = Layer.mergeAll(MemoryUserStore.layer, MemoryUsers.layer, MemoryOutbox.layer).pipe(
  Layer.provideMerge(MemoryTables.layer)
)

UsersContract.suite("memory", Memory.layerStores)
UserStoreContract.suite("memory", Memory.layerStores)
CountersContract.suite("memory", Memory.layerStores)
OutboxContract.suite("memory", layerWithTables, {
  sealedOf: (messageId) => Effect.map(MemoryTables.MemoryTables, ({ outbox }) => outbox.get(messageId)?.message.sealed)
})
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
