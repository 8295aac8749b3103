/** From where the server takes an issuer's keys in the clear, which must be within reach of its own people only. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result } from "effect"
import { JwksUrl } from "../../examples/server/Settings.ts"

const read = (url: string) => Effect.result(JwksUrl.parse(ConfigProvider.fromUnknown({ AUTH_JWKS_URL: url })))

const inside = [
  "localhost",
  "127.0.0.1",
  "127.255.255.255",
  "[::1]",
  "10.0.0.1",
  "10.255.255.255",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.255.255",
  "[fc00::1]",
  "[fdff::1]",
  "jwks",
  "jwks.auth.svc",
  "jwks.auth.svc.cluster.local",
  "jwks.internal"
]

const outside = [
  "issuer.example",
  "10.evil.example",
  "127.0.0.1.evil.example",
  "localhost.evil.example",
  "svc.evil.example",
  "evilsvc.example",
  "jwks.localhost.example",
  "11.0.0.1",
  "128.0.0.1",
  "172.15.255.255",
  "172.32.0.1",
  "192.169.0.1",
  "[::2]",
  "[fbff::1]",
  "[fe00::1]",
  "[2606:4700::1111]"
]

describe("AUTH_JWKS_URL", () => {
  for (const host of inside) {
    it.effect(`may be in the clear from ${host}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* read(`http://${host}:9/keys`), Result.succeed(new URL(`http://${host}:9/keys`)))
      }))
  }

  for (const host of outside) {
    it.effect(`must be https from ${host}`, () =>
      Effect.gen(function*() {
        const refused = yield* read(`http://${host}/keys`)
        assert.include(Result.isFailure(refused) ? refused.failure.message : "", "an https URL, or an http one of this")
        assert.isTrue(Result.isSuccess(yield* read(`https://${host}/keys`)))
      }))
  }

  it.effect("is of no other protocol", () =>
    Effect.gen(function*() {
      assert.isTrue(Result.isFailure(yield* read("ftp://127.0.0.1/keys")))
    }))
})
