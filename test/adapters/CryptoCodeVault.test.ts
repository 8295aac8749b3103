/** The vault: bindings, rotation, seals, fingerprints and the settings with its keys. */
import { NodeCrypto } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Redacted } from "effect"
import { Aead, Kdf, Mac, SecureRandom } from "effect/crypto"
import { createDecipheriv, createHmac, hkdfSync } from "node:crypto"
import * as CryptoCodeVault from "../../src/adapters/CryptoCodeVault.ts"
import * as NodeVaultCrypto from "../../src/adapters/NodeVaultCrypto.ts"
import { CodeVault, PhoneNumber, UserId } from "../../src/core/index.ts"
import { CodeVaultContract } from "../../src/testing/index.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"

const bytes = (fill: number) => Redacted.make(new Uint8Array(32).fill(fill))
const vault = (codeKeys: ReadonlyArray<readonly [id: string, fill: number]>, fingerprint = 9) =>
  CryptoCodeVault.make({
    codeKeys: codeKeys.map(([id, fill]) => ({ id, bytes: bytes(fill) })) as never,
    fingerprintKey: bytes(fingerprint)
  })

const number: PhoneNumber.PhoneNumber = Redacted.make(PhoneNumber.E164.make("+41791112233"))
const binding: CodeVault.CodeBinding = { userId: UserId.UserId.make("ada"), number, codeId: "code-1" }
const sealBinding: CodeVault.SealBinding = { messageId: "message-1", userId: binding.userId, codeId: "code-1" }
const body: CodeVault.MessageBody = { kind: "code", recipient: number, language: "de", code: Redacted.make("123456") }

/** Texts, each after its length in four bytes. */
const joined = (...texts: ReadonlyArray<string>) =>
  Buffer.concat(texts.map((text) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(text))
    return Buffer.concat([length, Buffer.from(text)])
  }))
const derived = (fill: number, purpose: string) =>
  Buffer.from(hkdfSync("sha256", Buffer.alloc(32, fill), "effect-user-phone", purpose, 32))

const runtimes = {
  "Node": NodeCrypto.layer,
  "Node without a thread pool": NodeVaultCrypto.layer,
  "Web Crypto": Layer.mergeAll(Mac.layerWebCrypto, Aead.layerWebCrypto, Kdf.layerWebCrypto).pipe(
    Layer.provideMerge(SecureRandom.layerWebCrypto)
  )
}

for (const [name, layer] of Object.entries(runtimes)) {
  CodeVaultContract.suite(name, CryptoCodeVault.layerRandomKeys.pipe(Layer.provide(layer)))

  describe(`CryptoCodeVault over ${name}`, () => {
    it.effect("digests as documented, so that another implementation can check it", () =>
      Effect.gen(function*() {
        const { digest } = yield* vault([["k1", 1]])
        const made = yield* digest(Redacted.make("123456"), binding)
        const expected = createHmac("sha256", derived(1, "digest"))
          .update(joined("code", "k1", "ada", "+41791112233", "code-1", "123456"))
          .digest("base64url")
        assert.deepStrictEqual(made, { keyId: "k1", digest: expected })
      }).pipe(Effect.provide(layer)))

    it.effect("matches the code and nothing else", () =>
      Effect.gen(function*() {
        const { digest, matches } = yield* vault([["k1", 1]])
        const code = Redacted.make("123456")
        const made = yield* digest(code, binding)
        assert.isTrue(yield* matches(code, made, binding))
        for (const guess of ["123457", "12345", "1234567", "", "123456 "]) {
          assert.isFalse(yield* matches(Redacted.make(guess), made, binding))
        }
        const others: ReadonlyArray<CodeVault.CodeBinding> = [
          { ...binding, userId: UserId.UserId.make("ad") },
          { ...binding, codeId: "code-2" },
          { ...binding, number: Redacted.make(PhoneNumber.E164.make("+41791112234")) },
          // The same characters over all, parted elsewhere.
          { ...binding, userId: UserId.UserId.make("ada+"), number: Redacted.make("41791112233" as never) }
        ]
        for (const other of others) assert.isFalse(yield* matches(code, made, other))
        for (const digestText of ["", "%", made.digest.slice(1), `${made.digest}A`]) {
          assert.isFalse(yield* matches(code, { ...made, digest: digestText }, binding))
        }
      }).pipe(Effect.provide(layer)))

    it.effect("goes on through a rotation: second everywhere, first everywhere, the old one gone", () =>
      Effect.gen(function*() {
        const code = Redacted.make("123456")
        const before = yield* vault([["old", 1]])
        const added = yield* vault([["old", 1], ["new", 2]])
        const switched = yield* vault([["new", 2], ["old", 1]])
        const after = yield* vault([["new", 2]])
        const steps = [before, added, switched, after]
        for (const [index, maker] of steps.entries()) {
          const made = yield* maker.digest(code, binding)
          const box = yield* maker.seal(body, sealBinding)
          for (const neighbour of [steps[index - 1], maker, steps[index + 1]]) {
            if (neighbour === undefined) continue
            assert.isTrue(yield* neighbour.matches(code, made, binding))
            assertSame(yield* neighbour.open(box, sealBinding), body)
          }
        }
        const made = yield* before.digest(code, binding)
        assertSame(
          yield* Effect.flip(after.matches(code, made, binding)),
          new CodeVault.UnknownKey({ keyId: "old" })
        )
        const box = yield* before.seal(body, sealBinding)
        assert.strictEqual((yield* Effect.flip(after.open(box, sealBinding)))._tag, "UnknownKey")
        const impostor = yield* vault([["old", 7]])
        assert.isFalse(yield* impostor.matches(code, made, binding))
        assert.strictEqual((yield* Effect.flip(impostor.open(box, sealBinding)))._tag, "SealBroken")
      }).pipe(Effect.provide(layer)))

    it.effect("seals with AES-256-GCM, a new nonce each time, bound to the message's row", () =>
      Effect.gen(function*() {
        const { open, seal } = yield* vault([["k1", 1]])
        const [one, two] = [yield* seal(body, sealBinding), yield* seal(body, sealBinding)]
        assert.notDeepEqual(one.sealed.subarray(0, 12), two.sealed.subarray(0, 12))
        assertSame(yield* open(one, sealBinding), body)
        assertSame(yield* open(yield* seal({ ...body, language: undefined }, sealBinding), sealBinding), {
          kind: body.kind,
          recipient: body.recipient,
          code: body.code
        })

        const notice: CodeVault.MessageBody = { kind: "notice", recipient: number, language: "fr", change: "removed" }
        const noticeBinding = { ...sealBinding, codeId: undefined }
        assertSame(yield* open(yield* seal(notice, noticeBinding), noticeBinding), notice)

        const decipher = createDecipheriv("aes-256-gcm", derived(1, "seal"), one.sealed.subarray(0, 12))
        decipher.setAAD(joined("message", "message-1", "ada", "code-1", "k1"))
        decipher.setAuthTag(one.sealed.subarray(-16))
        const plain = Buffer.concat([decipher.update(one.sealed.subarray(12, -16)), decipher.final()])
        assert.deepStrictEqual(JSON.parse(plain.toString()), {
          kind: "code",
          recipient: "+41791112233",
          language: "de",
          code: "123456"
        })

        const others: ReadonlyArray<CodeVault.SealBinding> = [
          { ...sealBinding, messageId: "message-2" },
          { ...sealBinding, codeId: "code-2" },
          { ...sealBinding, userId: UserId.UserId.make("grace") }
        ]
        for (const other of others) assert.strictEqual((yield* Effect.flip(open(one, other)))._tag, "SealBroken")
        for (let index = 0; index < one.sealed.length; index++) {
          const sealed = one.sealed.slice()
          sealed[index]! ^= 1
          assert.strictEqual((yield* Effect.flip(open({ ...one, sealed }, sealBinding)))._tag, "SealBroken")
        }
      }).pipe(Effect.provide(layer)))

    it.effect("gives fingerprints that hang on purpose, parts and key, and on no code key", () =>
      Effect.gen(function*() {
        const { fingerprint } = yield* vault([["k1", 1]])
        const rotated = yield* vault([["k2", 2]])
        const rekeyed = yield* vault([["k1", 1]], 8)
        const text = yield* fingerprint("number", ["+41791112233"])
        assert.strictEqual(text, yield* rotated.fingerprint("number", ["+41791112233"]))
        const all = [
          text,
          yield* rekeyed.fingerprint("number", ["+41791112233"]),
          yield* fingerprint("idempotent-request", ["+41791112233"]),
          yield* fingerprint("number", ["+4179111", "2233"]),
          yield* fingerprint("number", ["+4179", "1112233"]),
          yield* fingerprint("number", ["+41791112234"])
        ]
        assert.strictEqual(new Set(all).size, all.length)
      }).pipe(Effect.provide(layer)))
  })
}

describe("the vault's settings", () => {
  const base64 = (length: number) => Buffer.alloc(length, 3).toString("base64")
  const read = (settings: Record<string, string>) =>
    Config.all(CryptoCodeVault.keysConfig).parse(ConfigProvider.fromUnknown(settings))

  it.effect("are a list of id:base64 with the current key first, and one key", () =>
    Effect.gen(function*() {
      const keys = yield* read({ CODE_KEYS: `b:${base64(32)}, a:${base64(48)}\n`, FINGERPRINT_KEY: `${base64(32)}\n` })
      assert.deepStrictEqual(keys.codeKeys.map(({ id }) => id), ["b", "a"])
      assert.strictEqual(Redacted.value(keys.codeKeys[1]!.bytes).length, 48)
      assert.strictEqual(Redacted.value(keys.fingerprintKey).length, 32)
    }))

  const wrong: ReadonlyArray<readonly [string, string, string]> = [
    ["a short code key", `a:${base64(31)}`, base64(32)],
    ["a short fingerprint key", `a:${base64(32)}`, base64(31)],
    ["a key without an id", base64(32), base64(32)],
    ["an empty id", `:${base64(32)}`, base64(32)],
    ["an id twice", `a:${base64(32)},a:${base64(33)}`, base64(32)],
    ["no base64", "a:!!!!", base64(32)],
    ["an empty entry", `a:${base64(32)},`, base64(32)],
    ["nothing", "", ""]
  ]
  for (const [name, CODE_KEYS, FINGERPRINT_KEY] of wrong) {
    it.effect(`refuse ${name}, without showing it`, () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(read({ CODE_KEYS, FINGERPRINT_KEY }))
        assert.match(message, /CODE_KEYS|FINGERPRINT_KEY/)
        assert.notInclude(message, base64(31).slice(0, 12))
      }))
  }
})

describe("keys that are given in code", () => {
  const key = (id: string, length = 32) => ({ id, bytes: Redacted.make(new Uint8Array(length)) })
  const good = Redacted.make(new Uint8Array(32))
  const refused: ReadonlyArray<readonly [string, ReadonlyArray<CryptoCodeVault.CodeKey>, typeof good, RegExp]> = [
    ["none", [], good, /there must be a code key/],
    ["a short code key", [key("a"), key("b", 31)], good, /at least 32 bytes/],
    ["a short fingerprint key", [key("a")], Redacted.make(new Uint8Array(31)), /at least 32 bytes/],
    ["an id twice", [key("a"), key("a")], good, /must differ/],
    ["an id that is no word", [key("a b")], good, /letters, digits/]
  ]
  for (const [name, codeKeys, fingerprintKey, rule] of refused) {
    it.effect(`are refused: ${name}`, () =>
      Effect.gen(function*() {
        const layer = CryptoCodeVault.layer({ codeKeys: codeKeys as never, fingerprintKey })
        const error = yield* Effect.flip(Layer.build(layer))
        assert.instanceOf(error, CryptoCodeVault.KeysRefused)
        assert.match(error.message, rule)
      }).pipe(Effect.scoped, Effect.provide(NodeCrypto.layer)))
  }
})
