/**
 * What a vault and a code generator need of `effect/crypto`, on `node:crypto` and without a thread pool, which for inputs as
 * small as theirs costs more than it saves. Whatever is made over this layer can be read over any other.
 *
 * Most is won by keys that `node:crypto` knows, which it takes several times faster than their bytes, and by random bytes
 * that are not drawn a few at a time.
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

/** Keys as `node:crypto` knows them, for as long as there are the bytes that they were made of. */
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
      // The tag is wrong, so nothing of this may be looked at.
      return undefined
    } finally {
      plain.fill(0)
    }
  }
}

/** Random bytes are drawn so many at once, and each is given out once. */
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
 * To be provided instead of the same services of `NodeCrypto.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Mac.Mac | Aead.Aead | Kdf.Kdf | SecureRandom.SecureRandom> = Layer.mergeAll(
  Mac.layerWebCryptoWith({ hmac }),
  Aead.layerWebCryptoWith({ implementations: { aes256Gcm } }),
  Kdf.layerWebCrypto
).pipe(Layer.provideMerge(Layer.sync(SecureRandom.SecureRandom, () => SecureRandom.make(makeDraw()))))
