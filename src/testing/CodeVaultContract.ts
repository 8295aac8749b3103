/**
 * The contract of the `CodeVault` port as a test suite, for a vault of a host's own, such as one over a key management
 * service.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { type CodeBinding, CodeVault, type MessageBody, type SealBinding } from "../core/CodeVault.ts"
import { assertSame } from "./internal/Same.ts"
import { newUserId, numberOf } from "./internal/Samples.ts"

const uuid = (): string => globalThis.crypto.randomUUID()
const code = Redacted.make("271828")
const recipient = numberOf(7)

/**
 * Declares the tests of the contract for one vault.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (name: string, adapter: Layer.Layer<CodeVault, unknown>): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`CodeVault (${name})`, (it) => {
    it.effect("matches a code with its digest, and nothing else with it", () =>
      Effect.gen(function*() {
        const vault = yield* CodeVault
        const binding: CodeBinding = { userId: newUserId(), number: recipient, codeId: uuid() }
        const made = yield* vault.digest(code, binding)
        assert.isTrue(yield* vault.matches(code, made, binding))
        for (const wrong of ["271829", "27182", "2718281", ""]) {
          assert.isFalse(yield* vault.matches(Redacted.make(wrong), made, binding), wrong)
        }
        const others: ReadonlyArray<CodeBinding> = [
          { ...binding, userId: newUserId() },
          { ...binding, number: numberOf(8) },
          { ...binding, codeId: uuid() }
        ]
        for (const other of others) assert.isFalse(yield* vault.matches(code, made, other))
        const another = yield* vault.digest(code, others[0]!)
        assert.isFalse(yield* vault.matches(code, { ...made, digest: another.digest }, binding))
        for (const digest of ["", "no digest", made.digest.slice(1)]) {
          assert.isFalse(yield* vault.matches(code, { ...made, digest }, binding))
        }
        assert.notInclude(made.digest, Redacted.value(code))
      }))

    it.effect("says of a key that it does not hold that it is unknown", () =>
      Effect.gen(function*() {
        const vault = yield* CodeVault
        const codeId = uuid()
        const userId = newUserId()
        const keyId = `unknown-${uuid()}`.slice(0, 40)
        const binding = { userId, number: recipient, codeId }
        const made = { ...(yield* vault.digest(code, binding)), keyId }
        assertSame(plain(yield* Effect.flip(vault.matches(code, made, binding))), { _tag: "UnknownKey", keyId })
        const sealing: SealBinding = { messageId: uuid(), userId, codeId }
        const box = { ...(yield* vault.seal({ kind: "code", recipient, code }, sealing)), keyId }
        assertSame(plain(yield* Effect.flip(vault.open(box, sealing))), { _tag: "UnknownKey", keyId })
      }))

    const bodies: Readonly<Record<string, MessageBody>> = {
      "with a code": { kind: "code", recipient, language: "de-CH", code },
      "whose code a provider makes": { kind: "code", recipient },
      "that is a notice": { kind: "notice", recipient, language: "fr", change: "replaced" }
    }
    for (const [what, body] of Object.entries(bodies)) {
      it.effect(`opens a message ${what} as it was sealed, where it belongs and as long as nothing was changed`, () =>
        Effect.gen(function*() {
          const vault = yield* CodeVault
          const binding: SealBinding = {
            messageId: uuid(),
            userId: newUserId(),
            codeId: body.kind === "code" ? uuid() : undefined
          }
          const box = yield* vault.seal(body, binding)
          const opened = yield* vault.open(box, binding)
          assertSame({ ...opened, language: opened.language }, { ...body, language: body.language })

          const text = new TextDecoder("latin1").decode(box.sealed)
          for (const secret of [Redacted.value(code), Redacted.value<string>(recipient).slice(1)]) {
            assert.notInclude(text, secret)
          }
          const again = yield* vault.seal(body, binding)
          assert.notDeepEqual(again.sealed, box.sealed)

          const refused = (changed: typeof box, at: SealBinding) =>
            Effect.map(Effect.flip(vault.open(changed, at)), ({ _tag }) => assert.strictEqual(_tag, "SealBroken"))
          for (let index = 0; index < box.sealed.length; index += 7) {
            const sealed = Uint8Array.from(box.sealed)
            sealed[index]! ^= 1
            yield* refused({ ...box, sealed }, binding)
          }
          yield* refused({ ...box, sealed: box.sealed.slice(0, -1) }, binding)
          yield* refused({ ...box, sealed: new Uint8Array() }, binding)
          yield* refused(box, { ...binding, messageId: uuid() })
          yield* refused(box, { ...binding, userId: newUserId() })
          yield* refused(box, { ...binding, codeId: uuid() })
        }))
    }

    it.effect("has one fingerprint for the same parts, and others for whatever differs", () =>
      Effect.gen(function*() {
        const { fingerprint } = yield* CodeVault
        const prints = [
          yield* fingerprint("number", ["+41791234567"]),
          yield* fingerprint("number", ["+41791234568"]),
          yield* fingerprint("idempotency-scope", ["+41791234567"]),
          yield* fingerprint("idempotent-request", ["+41791234567"]),
          yield* fingerprint("receipt", ["+41791234567"]),
          yield* fingerprint("receipt", ["ab", "c"]),
          yield* fingerprint("receipt", ["a", "bc"]),
          yield* fingerprint("receipt", ["abc"]),
          yield* fingerprint("receipt", ["abc", ""]),
          yield* fingerprint("receipt", [])
        ]
        assert.strictEqual(new Set(prints).size, prints.length)
        assert.strictEqual(yield* fingerprint("number", ["+41791234567"]), prints[0])
        for (const print of prints) assert.notInclude(print, "79123456")
      }))
  })

const plain = (error: { readonly _tag: string; readonly keyId?: string }) => ({ _tag: error._tag, keyId: error.keyId })
