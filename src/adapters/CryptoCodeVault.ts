/**
 * The code vault over `effect/crypto`: HMAC-SHA-256 for digests and fingerprints, AES-256-GCM for seals, HKDF to derive
 * a key for each purpose. It runs wherever those services do, Node and browsers alike.
 *
 * Code keys rotate without downtime: add the new key second everywhere, put it first everywhere, then remove the old
 * one after the lifetime of a code, or of a notice if that is longer (an hour by default), since waiting messages are
 * sealed with it too. The fingerprint key is never rotated.
 */
import * as Config from "effect/Config"
import * as Aead from "effect/crypto/Aead"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type CodeBinding, CodeVault, type SealBinding, SealBroken, UnknownKey } from "../core/CodeVault.ts"
import { secret } from "../core/internal/Secret.ts"
import { PhoneNumber } from "../core/PhoneNumber.ts"
import { all } from "./internal/AdapterSettings.ts"

/**
 * The keys of a vault, at least 32 random bytes each.
 *
 * @category options
 * @since 0.1.0
 */
export interface Keys {
  /** The first makes new digests and seals; the others only check and open. Ids are public and must differ. */
  readonly codeKeys: readonly [CodeKey, ...Array<CodeKey>]
  readonly fingerprintKey: Redacted.Redacted<Uint8Array>
}

/**
 * A key for digests and seals, with the id under which they name it.
 *
 * @category options
 * @since 0.1.0
 */
export interface CodeKey {
  readonly id: string
  readonly bytes: Redacted.Redacted<Uint8Array>
}

/**
 * The keys are too weak, or cannot be told apart.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeysRefused extends Schema.TaggedError<KeysRefused>()("KeysRefused", { rule: Schema.String }) {
  override get message() {
    return `keys refused: ${this.rule}`
  }
}

/**
 * The vault over these keys; fails with `KeysRefused` if they are weak or cannot be told apart.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (keys: Keys) => {
  const rule = faultOf(keys)
  return rule === undefined ? assemble(keys) : Effect.fail(new KeysRefused({ rule }))
}

const faultOf = ({ codeKeys, fingerprintKey }: Keys): string | undefined => {
  const ids = codeKeys.map(({ id }) => id)
  if (ids.length === 0) return "there must be a code key"
  if (!ids.every((id) => keyId.test(id))) return "the id of a code key must be 1 to 64 letters, digits, - or _"
  if (new Set(ids).size < ids.length) return "the ids of the code keys must differ"
  return [...codeKeys.map(({ bytes }) => bytes), fingerprintKey].every((key) => Redacted.value(key).length >= keyLength)
    ? undefined
    : `each key must be at least ${keyLength} bytes`
}

const keyId = /^[A-Za-z0-9_-]{1,64}$/

const assemble = Effect.fnUntraced(function*(keys: Keys) {
  const mac = yield* Mac.Mac
  const aead = yield* Aead.Aead
  const kdf = yield* Kdf.Kdf
  const random = yield* SecureRandom.SecureRandom

  const derive = (bytes: Redacted.Redacted<Uint8Array>, purpose: string) =>
    kdf.derive(Kdf.hkdfSha256, Redacted.value(bytes), { salt, info: utf8(purpose), length: 32 })

  const ring = new Map<string, { readonly digest: Mac.Key; readonly seal: Aead.Key }>()
  for (const { bytes, id } of keys.codeKeys) {
    ring.set(id, {
      digest: yield* Mac.key(Mac.hmacSha256, yield* derive(bytes, "digest")),
      seal: yield* Aead.key(Aead.aes256Gcm, yield* derive(bytes, "seal"))
    })
  }
  const keyOf = (keyId: string) => {
    const key = ring.get(keyId)
    return key === undefined ? Effect.fail(new UnknownKey({ keyId })) : Effect.succeed(key)
  }
  const currentId = keys.codeKeys[0].id
  const current = yield* Effect.orDie(keyOf(currentId))
  const fingerprints = yield* Mac.key(Mac.hmacSha256, yield* derive(keys.fingerprintKey, "fingerprint"))

  const digested = (code: Redacted.Redacted, keyId: string, { codeId, number, userId }: CodeBinding) =>
    parts("code", keyId, userId, Redacted.value(number), codeId, Redacted.value(code))
  const sealedFor = (keyId: string, { codeId, messageId, userId }: SealBinding) =>
    parts("message", messageId, userId, codeId ?? "", keyId)

  return CodeVault.of({
    digest: (code, binding) =>
      mac.sign(current.digest, digested(code, currentId, binding)).pipe(
        Effect.map((tag) => ({ keyId: currentId, digest: Base64Url.encode(tag) })),
        Effect.orDie
      ),
    matches: Effect.fnUntraced(function*(guess, made, binding) {
      const key = yield* keyOf(made.keyId)
      const tag = Result.getOrElse(Base64Url.decode(made.digest), () => new Uint8Array())
      return yield* Effect.orDie(mac.verify(key.digest, tag, digested(guess, made.keyId, binding)))
    }),
    seal: Effect.fnUntraced(function*(body, binding) {
      const nonce = yield* random.randomBytes(nonceLength)
      const plain = utf8(yield* encodeBody(body))
      const box = yield* aead.encrypt(current.seal, plain, { nonce, aad: sealedFor(currentId, binding) })
      const sealed = new Uint8Array(nonceLength + box.length)
      sealed.set(nonce)
      sealed.set(box, nonceLength)
      return { keyId: currentId, sealed }
    }, Effect.orDie),
    open: Effect.fnUntraced(function*({ keyId, sealed }, binding) {
      const key = yield* keyOf(keyId)
      return yield* aead.decrypt(key.seal, sealed.subarray(nonceLength), {
        nonce: sealed.subarray(0, nonceLength),
        aad: sealedFor(keyId, binding)
      }).pipe(
        Effect.flatMap((plain) => decodeBody(new TextDecoder().decode(plain))),
        Effect.mapError(() => new SealBroken())
      )
    }),
    fingerprint: (purpose, texts) =>
      mac.sign(fingerprints, parts(purpose, ...texts)).pipe(Effect.map(Base64Url.encode), Effect.orDie)
  })
}, Effect.orDie)

/**
 * With these keys.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  keys: Keys
): Layer.Layer<CodeVault, KeysRefused, Mac.Mac | Aead.Aead | Kdf.Kdf | SecureRandom.SecureRandom> =>
  Layer.effect(CodeVault, make(keys))

/**
 * With fresh random keys that die with the process: for tests and examples.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRandomKeys: Layer.Layer<
  CodeVault,
  never,
  Mac.Mac | Aead.Aead | Kdf.Kdf | SecureRandom.SecureRandom
> = Layer.effect(
  CodeVault,
  Effect.gen(function*() {
    const random = yield* SecureRandom.SecureRandom
    const fresh = Effect.map(random.randomBytes(keyLength), (bytes) => Redacted.make(bytes, { label: "key" }))
    return yield* assemble({ codeKeys: [{ id: "random", bytes: yield* fresh }], fingerprintKey: yield* fresh })
  })
)

const keyLength = 32

const parseKey = (text: string): Redacted.Redacted<Uint8Array> | undefined => {
  const bytes = Result.getOrUndefined(Base64.decode(text.trim()))
  return bytes === undefined || bytes.length < keyLength ? undefined : Redacted.make(bytes, { label: "key" })
}

const parseCodeKeys = (text: string): Keys["codeKeys"] | undefined => {
  const keys: Array<CodeKey> = []
  for (const entry of text.split(",")) {
    const [, id = "", base64 = ""] = /^\s*([^:]*):(.*)$/s.exec(entry) ?? []
    const bytes = parseKey(base64)
    if (!keyId.test(id) || bytes === undefined || keys.some((key) => key.id === id)) return undefined
    keys.push({ id, bytes })
  }
  const [first, ...rest] = keys
  return first && [first, ...rest]
}

const rules = {
  codeKeys: `must be a comma-separated list of id:base64 with different ids and at least ${keyLength} bytes each`,
  fingerprintKey: `must be at least ${keyLength} bytes in base64`
}

/**
 * Reads keys as they are written in settings, or says which of the two texts is wrong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keysOf = (
  texts: { readonly codeKeys: string; readonly fingerprintKey: string }
): Result.Result<Keys, { readonly name: keyof Keys; readonly rule: string }> => {
  const codeKeys = parseCodeKeys(texts.codeKeys)
  if (codeKeys === undefined) return Result.fail({ name: "codeKeys", rule: rules.codeKeys })
  const fingerprintKey = parseKey(texts.fingerprintKey)
  return fingerprintKey === undefined
    ? Result.fail({ name: "fingerprintKey", rule: rules.fingerprintKey })
    : Result.succeed({ codeKeys, fingerprintKey })
}

const setting = <A>(name: string, parse: (text: string) => A | undefined, expected: string): Config.Config<A> =>
  Config.schema(
    Schema.String.check(Schema.makeFilter((text) => parse(text) !== undefined || expected)),
    name
  ).pipe(Config.map((text) => parse(text)!))

/**
 * The settings `CODE_KEYS`, a comma-separated list of `id:base64` with the current key first, and `FINGERPRINT_KEY` in
 * base64: at least 32 bytes each.
 *
 * @category config
 * @since 0.1.0
 */
export const keysConfig = {
  codeKeys: setting("CODE_KEYS", parseCodeKeys, rules.codeKeys),
  fingerprintKey: setting("FINGERPRINT_KEY", parseKey, rules.fingerprintKey)
}

/**
 * With the keys of `keysConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<
  CodeVault,
  Config.ConfigError,
  Mac.Mac | Aead.Aead | Kdf.Kdf | SecureRandom.SecureRandom
> = Layer.effect(CodeVault, Effect.flatMap(all(keysConfig), assemble))

const nonceLength = Aead.aes256Gcm.nonceLength

const encoder = new TextEncoder()

const utf8 = (text: string): Uint8Array => encoder.encode(text)

const salt = utf8("effect-user-phone")

/** Joins texts so that no two lists of texts give the same bytes: each text follows its length in four bytes. */
const parts = (...texts: ReadonlyArray<string>): Uint8Array => {
  // A code unit takes three bytes at most.
  const joined = new Uint8Array(texts.reduce((length, text) => length + 4 + 3 * text.length, 0))
  const view = new DataView(joined.buffer)
  let at = 0
  for (const text of texts) {
    const { written } = encoder.encodeInto(text, joined.subarray(at + 4))
    view.setUint32(at, written)
    at += 4 + written
  }
  return joined.subarray(0, at)
}

const address = { recipient: PhoneNumber, language: Schema.optional(Schema.String) }

const Body = Schema.fromJsonString(Schema.Union([
  Schema.Struct({
    kind: Schema.tag("code"),
    ...address,
    code: Schema.optional(secret(Schema.String))
  }),
  Schema.Struct({ kind: Schema.tag("notice"), ...address, change: Schema.Literals(["replaced", "removed"]) })
]))

const encodeBody = Schema.encodeEffect(Body)
const decodeBody = Schema.decodeEffect(Body)
