/** Tokens: whose they are, which are refused, and an issuer that does not answer. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Redacted, References } from "effect"
import { TestClock } from "effect/testing"
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose"
import { generateKeyPairSync, sign as signText } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as JoseTokenVerifier from "../../src/adapters/JoseTokenVerifier.ts"
import * as MemoryTables from "../../src/adapters/MemoryTables.ts"
import * as MemoryUsers from "../../src/adapters/MemoryUsers.ts"
import { TokenVerifier, UserId, Users } from "../../src/core/index.ts"
import * as StandIn from "../fixtures/StandIn.ts"
import { record } from "../fixtures/Telemetry.ts"

const issuer = "https://issuer.example"
const audience = "phones"
const secret = crypto.getRandomValues(new Uint8Array(32))
const shared = JoseTokenVerifier.layerSecret({ issuer, audience, secret: Redacted.make(secret) })

const verify = (token: string) => TokenVerifier.TokenVerifier.use((verifier) => verifier.verify(Redacted.make(token)))

interface Choices {
  readonly claims?: JWTPayload
  readonly header?: { readonly alg: string; readonly kid?: string }
  readonly key?: Parameters<SignJWT["sign"]>[0]
  readonly secondsLeft?: number
}

/** Signs a token that is good but for the choices; a claim that is undefined is left out. */
const sign = Effect.fnUntraced(function*({ claims, header, key, secondsLeft = 60 }: Choices = {}) {
  const now = Math.floor((yield* DateTime.now).epochMilliseconds / 1000)
  const payload = { sub: "ada", org: "demo", iss: issuer, aud: audience, exp: now + secondsLeft, ...claims }
  return yield* Effect.promise(() =>
    new SignJWT(JSON.parse(JSON.stringify(payload))).setProtectedHeader(header ?? { alg: "HS256" }).sign(key ?? secret)
  )
})

/** A check by a secret of its own, which can be withdrawn by changing its bytes. */
const checker = Effect.gen(function*() {
  const own = new Uint8Array(secret)
  const verifier = yield* Effect.provide(
    TokenVerifier.TokenVerifier,
    JoseTokenVerifier.layerSecret({ issuer, audience, secret: Redacted.make(own) })
  )
  return { own, check: (token: string) => Effect.result(verifier.verify(Redacted.make(token))) }
})

describe("JoseTokenVerifier with a secret", () => {
  it.effect("gives the actor of a token, with the permissions that mean something", () =>
    Effect.gen(function*() {
      const actor = yield* verify(
        yield* sign({
          claims: {
            grants: {
              demo: ["user.write", "user.fly"],
              "__proto__x": ["user.read"],
              "": ["user.write"],
              constructor: ["user.write"]
            }
          }
        })
      )
      assert.strictEqual(actor.userId, "ada")
      assert.strictEqual(actor.organization, "demo")
      assert.deepStrictEqual([...actor.grants].map(([id, held]) => [id, [...held]]), [
        ["demo", ["user.write"]],
        ["__proto__x", ["user.read"]],
        ["constructor", ["user.write"]]
      ])
      assert.strictEqual((yield* verify(yield* sign())).grants.size, 0)
    }).pipe(Effect.provide(shared)))

  it.effect("finds organisation and grants in the claims that it is told", () =>
    Effect.gen(function*() {
      const verifier = JoseTokenVerifier.layerSecret({
        issuer,
        audience,
        secret: Redacted.make(secret),
        organizationClaim: "urn:zitadel:iam:user:resourceowner:id",
        grantsClaim: "https://example.com/grants"
      })
      const claims = {
        "urn:zitadel:iam:user:resourceowner:id": "acme",
        "https://example.com/grants": { acme: ["user.write"] },
        grants: { demo: ["user.write"] }
      }
      const token = yield* sign({ claims })
      const actor = yield* Effect.provide(verify(token), verifier)
      assert.deepStrictEqual([actor.organization, [...actor.grants.keys()]], ["acme", ["acme"]])
      const without = yield* sign({ claims: { "https://example.com/grants": {} } })
      assert.strictEqual((yield* Effect.flip(Effect.provide(verify(without), verifier)))._tag, "Unauthenticated")
    }))

  it.effect("takes a token until two seconds after it expires, by Effect's clock", () =>
    Effect.gen(function*() {
      yield* verify(yield* sign({ secondsLeft: -1 }))
      assert.strictEqual((yield* Effect.flip(verify(yield* sign({ secondsLeft: -2 }))))._tag, "Unauthenticated")
    }).pipe(Effect.provide(shared)))

  it.effect("takes a good token for good for a minute, unless it expires before", () =>
    Effect.gen(function*() {
      const { check, own } = yield* checker
      const [good, short] = [yield* sign({ secondsLeft: 600 }), yield* sign({ secondsLeft: 20 })]
      const long = yield* sign({ secondsLeft: 600, claims: { extra: "x".repeat(5000) } })
      for (const token of [good, short, long]) assert.strictEqual((yield* check(token))._tag, "Success")

      // The key is withdrawn.
      own.fill(0)
      assert.strictEqual((yield* check(good))._tag, "Success")
      assert.strictEqual((yield* check(`${good.slice(0, -5)}AAAAA`))._tag, "Failure")
      assert.strictEqual((yield* check(long))._tag, "Failure")
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual((yield* check(short))._tag, "Success")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* check(short))._tag, "Failure")
      yield* TestClock.adjust("39 seconds")
      assert.strictEqual((yield* check(good))._tag, "Success")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* check(good))._tag, "Failure")
    }))

  it.effect("remembers 4096 tokens, and forgets them all for the one that is too many", () =>
    Effect.gen(function*() {
      const { check, own } = yield* checker
      const whileWithdrawn = (token: string) =>
        Effect.gen(function*() {
          own.fill(0)
          const { _tag } = yield* check(token)
          own.set(secret)
          return _tag
        })
      const tokens = yield* Effect.forEach(
        Array.from({ length: 4097 }, (_, jti) => jti),
        (jti) => sign({ claims: { jti: String(jti) } })
      )
      const [first, last] = [tokens[0]!, tokens.pop()!]
      for (const token of tokens) assert.strictEqual((yield* check(token))._tag, "Success")
      assert.strictEqual(yield* whileWithdrawn(first), "Success")
      assert.strictEqual((yield* check(last))._tag, "Success")
      assert.strictEqual(yield* whileWithdrawn(first), "Failure")
      assert.strictEqual(yield* whileWithdrawn(last), "Success")
    }))

  const refused: ReadonlyArray<readonly [string, Choices]> = [
    ["another issuer", { claims: { iss: "https://other.example" } }],
    ["no issuer", { claims: { iss: undefined as never } }],
    ["another audience", { claims: { aud: "other" } }],
    ["no expiry", { claims: { exp: undefined as never } }],
    ["a time before which it is not good", { claims: { nbf: 60 } }],
    ["no subject", { claims: { sub: undefined as never } }],
    ["an empty subject", { claims: { sub: "" } }],
    ["a subject of 201 code points", { claims: { sub: "x".repeat(201) } }],
    ["a subject with U+0000", { claims: { sub: "a\u0000" } }],
    ["a subject that is no string", { claims: { sub: 5 as never } }],
    ["no organisation", { claims: { org: undefined } }],
    ["grants of another shape", { claims: { grants: ["user.write"] } }],
    ["another secret", { key: new Uint8Array(32) }],
    ["another algorithm", { header: { alg: "HS512" }, key: crypto.getRandomValues(new Uint8Array(64)) }]
  ]
  it.effect("tells whoever looks at all of the log which claim a token is refused for, and nothing of the token", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      for (const choices of [{ claims: { aud: "secret" } }, { claims: { org: "" } }, { key: new Uint8Array(32) }]) {
        yield* Effect.flip(verify(yield* sign(choices)))
      }
      assert.deepStrictEqual(logs, [
        ["Debug", "a token is refused", "ERR_JWT_CLAIM_VALIDATION_FAILED", "aud"],
        ["Debug", "a token is refused", "claims of another shape", "sub, org or grants"],
        ["Debug", "a token is refused", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", ""]
      ])
    }).pipe(Effect.provide([shared, layer, Layer.succeed(References.MinimumLogLevel, "Debug")]))
  })

  for (const [name, choices] of refused) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(verify(yield* sign(choices)))
        assert.strictEqual(error._tag === "Unauthenticated" && error.reason, "TokenInvalid")
      }).pipe(Effect.provide(shared)))
  }

  for (
    const text of ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.", `${"a".repeat(5000)}.b.c`, "\u0000"]
  ) {
    it.effect(`refuses what is no token: ${JSON.stringify(text).slice(0, 20)}`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(verify(text)))._tag, "Unauthenticated")
      }).pipe(Effect.provide(shared)))
  }
})

/** An issuer's key server whose answer can be changed. */
const keyServer = Effect.gen(function*() {
  const { privateKey, publicKey } = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
  const jwk = yield* Effect.promise(() => exportJWK(publicKey))
  const state = { status: 200, body: JSON.stringify({ keys: [{ ...jwk, kid: "k1", alg: "ES256" }] }), asked: 0 }
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const listening = createServer((_, response) => {
        state.asked++
        response.writeHead(state.status, { "content-type": "application/json" }).end(state.body)
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) => Effect.promise(() => new Promise((done) => listening.close(done)))
  )
  const jwksUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`)
  const verifier = yield* Effect.provide(
    TokenVerifier.TokenVerifier,
    JoseTokenVerifier.layerJwks({ issuer, audience, jwksUrl })
  )
  const token = (choices: Choices = {}) => sign({ header: { alg: "ES256", kid: "k1" }, key: privateKey, ...choices })
  const check = (text: string) => verifier.verify(Redacted.make(text))
  return { state, token, check, publicKey: JSON.stringify(jwk) }
})

describe("JoseTokenVerifier with published keys", () => {
  it.live("takes tokens signed by a published key, and fetches the keys once", () =>
    Effect.gen(function*() {
      const { check, state, token } = yield* keyServer
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* check(yield* token())).userId, "ada")
      assert.strictEqual(state.asked, 1)
    }))

  it.live("refuses unknown keys, other signers, and a public key used as a secret", () =>
    Effect.gen(function*() {
      const { check, publicKey, token } = yield* keyServer
      const { privateKey: stranger } = yield* Effect.promise(() => generateKeyPair("ES256"))
      const choices: ReadonlyArray<Choices> = [
        { header: { alg: "ES256", kid: "k2" } },
        { key: stranger },
        { header: { alg: "HS256", kid: "k1" }, key: new TextEncoder().encode(publicKey) },
        { header: { alg: "HS256" }, key: secret }
      ]
      for (const choice of choices) {
        assert.strictEqual((yield* Effect.flip(check(yield* token(choice))))._tag, "Unauthenticated")
      }
    }))

  it.live("says of an RSA key of fewer than 2048 bits that it is too weak, not that it cannot be fetched", () =>
    Effect.gen(function*() {
      const { check, state } = yield* keyServer
      const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
      state.body = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1", alg: "RS256" }] })
      const part = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64url")
      const exp = Math.floor((yield* DateTime.now).epochMilliseconds / 1000) + 60
      const claims = { sub: "ada", org: "demo", iss: issuer, aud: audience, exp }
      const signed = `${part({ alg: "RS256", kid: "k1" })}.${part(claims)}`
      const signature = signText("sha256", Buffer.from(signed), privateKey).toString("base64url")
      const error = yield* Effect.flip(check(`${signed}.${signature}`))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.cause, "the token issuer's keys are too weak")
    }))

  for (
    const [name, status, body] of [["an error", 500, ""], ["no JSON", 200, "<html>"], ["no keys", 200, "{}"]] as const
  ) {
    it.live(`is unavailable, not refusing, while the key server answers with ${name}, and recovers`, () =>
      Effect.gen(function*() {
        const { check, state, token } = yield* keyServer
        const good = state.body
        Object.assign(state, { status, body })
        const { layer, logs } = record()
        const checking = Effect.flip(check(yield* token())).pipe(
          Effect.provide([layer, Layer.succeed(References.MinimumLogLevel, "Debug")])
        )
        assert.strictEqual((yield* checking)._tag, "Unavailable")
        assert.deepStrictEqual(logs, [])
        Object.assign(state, { status: 200, body: good })
        assert.strictEqual((yield* check(yield* token())).userId, "ada")
      }))
  }

  it.live("is unavailable when the key server takes longer than five seconds", () =>
    Effect.gen(function*() {
      const silent = yield* StandIn.make(() => "hang")
      const { privateKey } = yield* Effect.promise(() => generateKeyPair("ES256"))
      const token = yield* sign({ header: { alg: "ES256", kid: "k1" }, key: privateKey })
      const [took, error] = yield* Effect.timed(
        Effect.flip(verify(token)).pipe(
          Effect.provide(JoseTokenVerifier.layerJwks({ issuer, audience, jwksUrl: new URL(silent.url) }))
        )
      )
      assert.strictEqual(error._tag, "Unavailable")
      assert.isBelow(Duration.toSeconds(took), 10)
    }))

  it.live("is unavailable while nothing listens there", () =>
    Effect.gen(function*() {
      const jwksUrl = new URL("http://127.0.0.1:1/keys")
      const error = yield* Effect.flip(
        verify(
          yield* sign({
            header: { alg: "ES256", kid: "k1" },
            key: (yield* Effect.promise(() => generateKeyPair("ES256"))).privateKey
          })
        ).pipe(
          Effect.provide(JoseTokenVerifier.layerJwks({ issuer, audience, jwksUrl }))
        )
      )
      assert.strictEqual(error._tag, "Unavailable")
    }))
})

describe("users from tokens", () => {
  const layer = TokenVerifier.layerRegisteringUsers.pipe(
    Layer.provide(shared),
    Layer.provideMerge(MemoryUsers.layer),
    Layer.provide(MemoryTables.layer)
  )
  const listed = Users.Users.use((users) => users.list({ limit: 10 }))

  it.effect("are registered at the first use of a token, once", () =>
    Effect.gen(function*() {
      yield* verify(yield* sign())
      yield* verify(yield* sign())
      const [ada, ...more] = yield* listed
      assert.deepStrictEqual(more, [])
      assert.deepInclude(ada as object, {
        userId: "ada",
        resourceOwner: "demo",
        kind: "human",
        state: "active",
        sequence: 0n
      })
    }).pipe(Effect.provide(layer)))

  it.effect("are not registered by a token that is refused", () =>
    Effect.gen(function*() {
      yield* Effect.flip(verify(yield* sign({ key: new Uint8Array(32) })))
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(Effect.provide(layer)))

  it.effect("stay as they are, and stay removed", () =>
    Effect.gen(function*() {
      const users = yield* Users.Users
      const userId = UserId.UserId.make("ada")
      yield* users.register({
        userId,
        resourceOwner: UserId.OrganizationId.make("other"),
        kind: "human",
        state: "initial"
      })
      yield* verify(yield* sign())
      assert.deepInclude((yield* listed)[0] as object, { resourceOwner: "other", state: "initial" })
      yield* users.remove(userId)
      yield* verify(yield* sign())
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(Effect.provide(layer)))
})

it.effect("a secret of fewer than 32 bytes is refused", () =>
  Effect.gen(function*() {
    for (const length of [0, 31]) {
      const short = JoseTokenVerifier.layerSecret({ issuer, audience, secret: Redacted.make(new Uint8Array(length)) })
      const error = yield* Effect.flip(Layer.build(short))
      assert.instanceOf(error, JoseTokenVerifier.WeakSecret)
      assert.match(error.message, /at least 32 bytes/)
    }
    yield* Layer.build(
      JoseTokenVerifier.layerSecret({ issuer, audience, secret: Redacted.make(new Uint8Array(32)) })
    )
  }).pipe(Effect.scoped))
