/** The server of `docs/embedding.md` runs as it is printed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { freePort } from "./fixtures/FreePort.ts"
import { DatabaseUrl, layerDatabase } from "./fixtures/Postgres.ts"
import * as StandIn from "./fixtures/StandIn.ts"

const root = resolve(import.meta.dirname, "..")
const example = join(root, "examples/05-in-your-server.ts")

const withoutEffect = join(root, "examples/06-without-effect.ts")
const serverWithoutEffect = join(root, "examples/07-server-without-effect.ts")

const key = (fill: number) => Buffer.alloc(32, fill).toString("base64")

describe("docs/embedding.md", () => {
  it("prints examples/05-in-your-server.ts", () => {
    const [, printed] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs/embedding.md"), "utf8"))!
    assert.strictEqual(printed, readFileSync(example, "utf8"))
  })

  it("prints the examples without Effect, and the first of them runs", () => {
    const page = readFileSync(join(root, "docs/embedding.md"), "utf8")
    for (const path of [withoutEffect, serverWithoutEffect]) {
      assert.include(page, `\`\`\`ts\n${readFileSync(path, "utf8")}\`\`\``)
    }
    const output = execFileSync(process.execPath, [withoutEffect], { encoding: "utf8" })
    assert.match(output, /^Set for demo's ada; the code is \d{6}$/m)
    assert.match(output, /status: 400/)
    assert.match(output, /isVerified: true/)
  })

  it.live(
    "has a server without Effect that sends, verifies, says what is wrong, and stops",
    () =>
      Effect.gen(function*() {
        const acme = yield* StandIn.make(() => StandIn.json(202, {}))
        const port = yield* freePort
        const child = yield* Effect.acquireRelease(
          Effect.map(DatabaseUrl, (url) =>
            spawn(process.execPath, [serverWithoutEffect], {
              stdio: ["ignore", "ignore", "inherit"],
              env: {
                PATH: process.env["PATH"] ?? "",
                PORT: String(port),
                DATABASE_URL: Redacted.value(url),
                ACME_URL: acme.url,
                CODE_KEYS: `a:${key(1)}`,
                FINGERPRINT_KEY: key(2)
              }
            })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const ended = once(child, "exit")
        const send = (method: string, path: string, body?: object | null) =>
          Effect.tryPromise(async () => {
            const response = await fetch(`http://127.0.0.1:${port}${path}`, {
              method,
              headers: { "x-user": "ada" },
              ...(body !== undefined && { body: JSON.stringify(body) })
            })
            return { status: response.status, body: await response.json() as any }
          })
        const often = { schedule: Schedule.spaced("50 millis") }
        const unknown = yield* Effect.retry(send("GET", "/me/phone"), {
          ...often,
          while: () => child.exitCode === null
        })
        assert.deepStrictEqual([unknown.status, unknown.body.code], [404, 5])
        assert.strictEqual((yield* send("POST", "/sign-up")).status, 201)
        for (const body of [null, [], { phone: "+33612345678" }]) {
          assert.strictEqual((yield* send("PUT", "/me/phone", body)).status, 400)
        }
        assert.strictEqual((yield* send("PUT", "/me/phone", { phone: "+41 79 123 45 67" })).status, 200)
        yield* Effect.repeat(Effect.void, { ...often, until: () => acme.received.length > 0 })
        const { text, to } = JSON.parse(acme.received[0]!.body)
        assert.strictEqual(to, "+41791234567")
        const wrong = yield* send("POST", "/me/phone/verify", { code: "no code" })
        assert.deepStrictEqual([wrong.status, wrong.body.code], [400, 3])
        assert.strictEqual((yield* send("POST", "/me/phone/verify", { code: /\d{6}/.exec(text)![0] })).status, 200)
        assert.deepStrictEqual((yield* send("GET", "/me/phone")).body.phone, {
          phone: "+41791234567",
          isVerified: true
        })
        child.kill("SIGTERM")
        assert.deepStrictEqual(yield* Effect.promise(() => ended), [0, null])
      }).pipe(Effect.scoped, Effect.provide(layerDatabase)),
    60_000
  )

  it.live(
    "has a server that registers who signs up, takes their number, sends the code, and stops",
    () =>
      Effect.gen(function*() {
        const { privateKey, publicKey } = yield* Effect.promise(() => generateKeyPair("ES256"))
        const jwk = { ...(yield* Effect.promise(() => exportJWK(publicKey))), kid: "a", alg: "ES256" }
        const issuer = yield* StandIn.make(() => StandIn.json(200, { keys: [jwk] }))
        const token = yield* Effect.promise(() =>
          new SignJWT({ org: "customers" }).setProtectedHeader({ alg: "ES256", kid: "a" }).setSubject("ada")
            .setIssuer("https://issuer.example").setAudience("phones").setExpirationTime("1h").sign(privateKey)
        )
        const port = yield* freePort
        let output = ""
        const child = yield* Effect.acquireRelease(
          Effect.map(DatabaseUrl, (url) =>
            spawn(process.execPath, [example], {
              env: {
                PATH: process.env["PATH"] ?? "",
                PORT: String(port),
                DATABASE_URL: Redacted.value(url),
                AUTH_ISSUER: "https://issuer.example",
                AUTH_AUDIENCE: "phones",
                AUTH_JWKS_URL: issuer.url,
                CODE_KEYS: `a:${key(1)}`,
                FINGERPRINT_KEY: key(2)
              }
            })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output += chunk.toString())
        const ended = once(child, "exit")

        const send = (method: string, path: string, body?: object) =>
          Effect.tryPromise(async () => {
            const response = await fetch(`http://127.0.0.1:${port}${path}`, {
              method,
              headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
              ...(body && { body: JSON.stringify(body) })
            })
            return { status: response.status, text: await response.text() }
          })
        const often = { schedule: Schedule.spaced("50 millis") }
        yield* Effect.retry(send("GET", "/readyz"), { ...often, while: () => child.exitCode === null })

        assert.strictEqual((yield* send("POST", "/v2/users/ada/phone", { phone: "+41791234567" })).status, 404)
        assert.strictEqual((yield* send("POST", "/sign-up/ada")).status, 201)
        assert.strictEqual((yield* send("POST", "/sign-up/ada")).status, 409)
        assert.strictEqual((yield* send("POST", "/v2/users/ada/phone", { phone: "+33612345678" })).status, 400)
        assert.strictEqual((yield* send("POST", "/v2/users/ada/phone", { phone: "+41791234567" })).status, 200)
        const code = yield* Effect.repeat(
          Effect.sync(() => /SMS to \+41791234567: (\d{6})/.exec(output)?.[1]),
          { ...often, until: (code) => code !== undefined }
        )
        const verified = yield* send("POST", "/v2/users/ada/phone/verify", { verificationCode: code! })
        assert.strictEqual(verified.status, 200, verified.text)
        child.kill("SIGTERM")
        yield* Effect.promise(() => ended)
      }).pipe(Effect.scoped, Effect.provide(layerDatabase)),
    60_000
  )
})
