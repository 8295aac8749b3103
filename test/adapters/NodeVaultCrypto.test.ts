/** The crypto of a vault on Node: the same results as Web Crypto's, random bytes that do not come twice, and tags that are checked. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Aead, CryptoError, Mac, SecureRandom } from "effect/crypto"
import * as NodeVaultCrypto from "../../src/adapters/NodeVaultCrypto.ts"

const layerWebCrypto = Layer.mergeAll(Mac.layerWebCrypto, Aead.layerWebCrypto).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)
const onNode = Effect.provide(NodeVaultCrypto.layer, { local: true })
const onWebCrypto = Effect.provide(layerWebCrypto, { local: true })
const bytes = (length: number, fill: number) => new Uint8Array(length).fill(fill)

describe("NodeVaultCrypto", () => {
  it.effect("signs as Web Crypto does, with every hash and key", () =>
    Effect.gen(function*() {
      for (const algorithm of [Mac.hmacSha1, Mac.hmacSha256, Mac.hmacSha384, Mac.hmacSha512]) {
        for (const fill of [1, 2]) {
          const sign = Effect.gen(function*() {
            const key = yield* Mac.key(algorithm, bytes(32, fill))
            const mac = yield* Mac.Mac
            return [yield* mac.sign(key, bytes(100, 3)), yield* mac.sign(key, bytes(0, 3))]
          })
          assert.deepStrictEqual(yield* onNode(sign), yield* onWebCrypto(sign))
        }
      }
    }))

  it.effect("seals as Web Crypto does, and opens what that has sealed", () =>
    Effect.gen(function*() {
      const key = yield* Aead.key(Aead.aes256Gcm, bytes(32, 1))
      for (const aad of [bytes(40, 2), undefined]) {
        for (const length of [0, 1, 16, 200]) {
          const options = { nonce: bytes(12, 4), ...(aad && { aad }) }
          const seal = Aead.Aead.use((aead) => aead.encrypt(key, bytes(length, 5), options))
          const sealed = yield* onWebCrypto(seal)
          assert.deepStrictEqual(yield* onNode(seal), sealed)
          assert.deepStrictEqual(
            yield* onNode(Aead.Aead.use((aead) => aead.decrypt(key, sealed, options))),
            bytes(length, 5)
          )
        }
      }
    }))

  it.effect("opens nothing that was changed, in any byte", () =>
    Effect.gen(function*() {
      const aead = yield* Aead.Aead
      const key = yield* Aead.key(Aead.aes256Gcm, bytes(32, 1))
      const options = { nonce: bytes(12, 4), aad: bytes(4, 2) }
      const sealed = yield* aead.encrypt(key, bytes(20, 5), options)
      for (const at of sealed.keys()) {
        const changed = sealed.map((byte, index) => index === at ? byte ^ 1 : byte)
        const error = yield* Effect.flip(aead.decrypt(key, changed, options))
        assert.instanceOf(error.reason, CryptoError.DecryptionFailed)
      }
      for (const other of [{ ...options, aad: bytes(4, 3) }, { ...options, nonce: bytes(12, 5) }]) {
        const error = yield* Effect.flip(aead.decrypt(key, sealed, other))
        assert.instanceOf(error.reason, CryptoError.DecryptionFailed)
      }
    }).pipe(onNode))

  it.effect("gives out random bytes of any number, each once", () =>
    Effect.gen(function*() {
      const random = yield* SecureRandom.SecureRandom
      const seen = new Set<string>()
      let drawn = 0
      for (
        const size of [
          16,
          4095,
          4096,
          4097,
          10_000,
          ...Array.from({ length: 3000 }, (_, index) => 8 + index % 40)
        ]
      ) {
        const piece = yield* random.randomBytes(size)
        assert.strictEqual(piece.length, size)
        seen.add(Buffer.from(piece.subarray(0, 8)).toString("hex"))
        drawn++
      }
      assert.strictEqual(seen.size, drawn)
      assert.strictEqual((yield* random.randomBytes(0)).length, 0)
    }).pipe(onNode))
})
