/**
 * The standalone server by TLS and for web pages of other origins, as its settings say.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Effect, Redacted } from "effect"
import * as Fs from "node:fs"
import * as Https from "node:https"
import { join } from "node:path"
import * as Certificate from "../fixtures/Certificate.ts"
import { methodOf } from "../fixtures/Protobuf.ts"
import * as Servers from "./Servers.ts"

const timeout = { timeout: 60_000 }

/** A certificate and a key in files. */
const files = Effect.fnUntraced(function*(certificate: string, key: string) {
  const directory = yield* Servers.temporaryDirectory
  const settings = { TLS_CERTIFICATE: join(directory, "certificate.pem"), TLS_KEY: join(directory, "key.pem") }
  Fs.writeFileSync(settings.TLS_CERTIFICATE, certificate)
  Fs.writeFileSync(settings.TLS_KEY, key)
  return settings
})

const refusal = Effect.fnUntraced(function*(environment: Readonly<Record<string, string>>) {
  const server = yield* Servers.spawn(yield* Servers.temporaryDirectory, environment)
  assert.strictEqual(yield* Effect.promise(() => server.exited), 1)
  return server.output()
})

describe("The server's listener", () => {
  it.live(
    "speaks TLS with the certificate of its settings, gRPC too, and lets in the origins that they name",
    () =>
      Effect.gen(function*() {
        const { certificate, key } = Certificate.make("localhost", "127.0.0.1")
        const settings = yield* files(certificate, Redacted.value(key))
        const { tokens, url } = yield* Servers.start(yield* Servers.temporaryDirectory, {
          ...settings,
          CORS_ORIGINS: "https://app.example, http://localhost:5173"
        })
        assert.match(url, /^https:/)

        const { allowed, status } = yield* Effect.callback<{ status: number | undefined; allowed: unknown }>(
          (resume) => {
            const headers = { authorization: `Bearer ${tokens.ada}`, origin: "http://localhost:5173" }
            Https.get(`${url}/v2/users/ada/phone`, { ca: certificate, headers, agent: false }, (response) => {
              response.resume()
              const allowed = response.headers["access-control-allow-origin"]
              resume(Effect.succeed({ status: response.statusCode, allowed }))
            })
          }
        )
        assert.deepStrictEqual([status, allowed], [200, "http://localhost:5173"])

        const { path, requestSerialize, responseDeserialize } = methodOf("effectuserphone.v1.PhoneService", "GetPhone")
        const client = new Grpc.Client(new URL(url).host, Grpc.credentials.createSsl(Buffer.from(certificate)))
        const metadata = new Grpc.Metadata()
        metadata.set("authorization", `Bearer ${tokens.ada}`)
        const answer = yield* Effect.callback<any>((resume) => {
          client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            { userId: "ada" },
            metadata,
            (_, answer) => resume(Effect.succeed(answer))
          )
        })
        client.close()
        assert.strictEqual(answer.details.resourceOwner, "demo")

        const inTheClear = yield* Effect.promise(() =>
          fetch(url.replace("https", "http")).then(() => "answered", () => "refused")
        )
        assert.strictEqual(inTheClear, "refused")
      }),
    timeout
  )

  it.live("does not start with half a certificate, or with the key of another", () =>
    Effect.gen(function*() {
      const [one, another] = [Certificate.make("localhost"), Certificate.make("localhost")]
      const { TLS_CERTIFICATE, TLS_KEY } = yield* files(one.certificate, Redacted.value(another.key))
      const begin = "effect-user-phone: these settings need attention:\n"
      assert.strictEqual(
        yield* refusal({ TLS_CERTIFICATE, TLS_KEY }),
        `${begin}  TLS_KEY is wrong: it is not the key of TLS_CERTIFICATE\n`
      )
      assert.strictEqual(
        yield* refusal({ TLS_CERTIFICATE }),
        `${begin}  TLS_KEY is missing: a certificate and its key go together\n`
      )
      assert.strictEqual(
        yield* refusal({ TLS_KEY }),
        `${begin}  TLS_CERTIFICATE is missing: a certificate and its key go together\n`
      )
      assert.strictEqual(
        yield* refusal({ TLS_CERTIFICATE: TLS_KEY, TLS_KEY: TLS_CERTIFICATE }),
        `${begin}  TLS_CERTIFICATE is wrong: the file must hold a certificate in PEM\n` +
          "  TLS_KEY is wrong: the file must hold a private key without a passphrase in PEM\n"
      )
    }), timeout)
})
