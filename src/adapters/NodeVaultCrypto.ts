/**
 * What a vault and a code generator need of `effect/crypto`, on `node:crypto` and without a thread pool, which costs
 * more than it saves for inputs this small. Whatever is made with this layer can be read with any other.
 *
 * Most of the gain comes from key objects, which `node:crypto` takes several times faster than their bytes, and from
 * random bytes that are drawn many at a time.
 */
import * as Aead from "effect/crypto/Aead"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Layer from "effect/Layer"
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync
} from "node:crypto"

/** Key objects of `node:crypto`, for as long as the bytes exist that they were made from. */
const keys = new WeakMap<Uint8Array, KeyObject>()

const keyOf = (bytes: Uint8Array): KeyObject => {
  let key = keys.get(bytes)
  if (key === undefined) {
    key = createSecretKey(bytes)
    keys.set(bytes, key)
  }
  return key
}

const hmac = (hash: string, key: Uint8Array, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac(hash.replace("-", ""), keyOf(key)).update(data).digest())

const tagLength = 16

const aes256Gcm: Aead.Implementation = {
  encrypt: (key, nonce, plain, aad) => {
    const cipher = createCipheriv("aes-256-gcm", keyOf(key), nonce).setAAD(aad)
    const sealed = new Uint8Array(plain.length + tagLength)
    sealed.set(cipher.update(plain))
    cipher.final()
    sealed.set(cipher.getAuthTag(), plain.length)
    return sealed
  },
  decrypt: (key, nonce, sealed, aad) => {
    const end = sealed.length - tagLength
    const decipher = createDecipheriv("aes-256-gcm", keyOf(key), nonce, { authTagLength: tagLength }).setAAD(aad)
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(0, end))
    try {
      decipher.final()
      return new Uint8Array(plain)
    } catch {
      // The tag is wrong, so nothing of the plain text may be used.
      return undefined
    } finally {
      plain.fill(0)
    }
  }
}

/** How many random bytes are drawn at once. Each byte is given out once. */
const poolSize = 4096

const makeDraw = (): (size: number) => Uint8Array => {
  const pool = new Uint8Array(poolSize)
  let at = poolSize
  return (size) => {
    if (size > poolSize) return randomFillSync(new Uint8Array(size))
    if (at + size > poolSize) {
      randomFillSync(pool)
      at = 0
    }
    const drawn = pool.slice(at, at + size)
    pool.fill(0, at, at + size)
    at += size
    return drawn
  }
}

/**
 * Provide it instead of the same services of `NodeCrypto.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Mac.Mac | Aead.Aead | Kdf.Kdf | SecureRandom.SecureRandom> = Layer.mergeAll(
  Mac.layerWebCryptoWith({ hmac }),
  Aead.layerWebCryptoWith({ implementations: { aes256Gcm } }),
  Kdf.layerWebCrypto
).pipe(Layer.provideMerge(Layer.sync(SecureRandom.SecureRandom, () => SecureRandom.make(makeDraw()))))
