/**
 * Everything in memory, ready to use: all operations over in-memory users, store and outbox, random keys, English texts
 * and an inbox that a worker delivers to. For tests, examples and trying things out.
 */
import * as Aead from "effect/crypto/Aead"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Layer from "effect/Layer"
import * as Access from "../core/Access.ts"
import * as CodeGenerator from "../core/CodeGenerator.ts"
import type { CodeVault } from "../core/CodeVault.ts"
import * as Operations from "../core/Operations.ts"
import type { Outbox } from "../core/Outbox.ts"
import * as SmsDelivery from "../core/SmsDelivery.ts"
import * as SmsText from "../core/SmsText.ts"
import type { Users } from "../core/Users.ts"
import type { UserStore } from "../core/UserStore.ts"
import * as CryptoCodeVault from "./CryptoCodeVault.ts"
import * as MemoryOutbox from "./MemoryOutbox.ts"
import * as MemorySmsNotifier from "./MemorySmsNotifier.ts"
import * as MemoryTables from "./MemoryTables.ts"
import * as MemoryUsers from "./MemoryUsers.ts"
import * as MemoryUserStore from "./MemoryUserStore.ts"

/**
 * The store, the users and the outbox over one set of tables.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStores: Layer.Layer<UserStore | Users | Outbox> = Layer.mergeAll(
  MemoryUserStore.layer,
  MemoryUsers.layer,
  MemoryOutbox.layer
).pipe(Layer.provide(MemoryTables.layer))

const layerCrypto = Layer.mergeAll(Mac.layerWebCrypto, Aead.layerWebCrypto, Kdf.layerWebCrypto).pipe(
  Layer.provideMerge(SecureRandom.layerWebCrypto)
)

/**
 * Everything that the operations need, without the operations: for building them over a port of your own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPorts = Layer.mergeAll(
  layerStores,
  Access.layer,
  CodeGenerator.layerPreset("digits6"),
  CryptoCodeVault.layerRandomKeys,
  SmsText.layerEnglish,
  MemorySmsNotifier.layer
).pipe(Layer.provideMerge(layerCrypto))

/**
 * All operations in memory, with a worker that delivers to `SmsInbox`, and the default limits.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Operations.Operations | Users | UserStore | Outbox | CodeVault | MemorySmsNotifier.SmsInbox
> = Layer.merge(Layer.orDie(Operations.layer), SmsDelivery.layer()).pipe(Layer.provideMerge(layerPorts))
