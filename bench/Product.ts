/**
 * The standalone server as it is deployed: tokens of an issuer checked, everything validated, limits on.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as PgUsers from "../src/adapters/PgUsers.ts"
import { UserId, Users } from "../src/core/index.ts"
import * as Database from "./Database.ts"
import * as Processes from "./Processes.ts"

const issuer = "https://issuer.example"
const audience = "bench"
const organization = UserId.OrganizationId.make("bench")

/** The issuer's keys by HTTP, and a token of a service account that may change everyone. */
const makeIssuer = Effect.gen(function*() {
  const { privateKey, publicKey } = yield* Effect.promise(() => generateKeyPair("ES256"))
  const jwks = JSON.stringify({
    keys: [{ ...(yield* Effect.promise(() => exportJWK(publicKey))), kid: "a", alg: "ES256" }]
  })
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => createServer((_, response) => response.end(jwks)).listen(0, "127.0.0.1")),
    (server) => Effect.sync(() => server.close().closeAllConnections())
  )
  yield* Effect.promise(() => once(server, "listening"))
  const token = yield* Effect.promise(() =>
    new SignJWT({ org: "bench", grants: { bench: ["user.write"] } })
      .setProtectedHeader({ alg: "ES256", kid: "a" })
      .setIssuer(issuer).setAudience(audience).setSubject("service").setExpirationTime("2h")
      .sign(privateKey)
  )
  return { jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, token }
})

/** The settings of servers that share a database, its users and the tokens. */
export const makeSettings = Effect.fnUntraced(function*(databaseUrl: Redacted.Redacted) {
  const { jwksUrl, token } = yield* makeIssuer
  return {
    token,
    environment: {
      PORT: "0",
      DATABASE_URL: Redacted.value(databaseUrl),
      AUTH_ISSUER: issuer,
      AUTH_AUDIENCE: audience,
      AUTH_JWKS_URL: jwksUrl,
      CODE_KEYS: `a:${randomBytes(32).toString("base64")}`,
      FINGERPRINT_KEY: randomBytes(32).toString("base64"),
      SMS_PROVIDER: "console",
      LOG_LEVEL: "Warn"
    }
  }
})

/** `user-0` and so on, without a phone. */
export const registerUsers = (databaseUrl: Redacted.Redacted, users: number) =>
  Users.Users.pipe(
    Effect.flatMap(({ register }) =>
      Effect.forEach(Array.from({ length: users }), (_, index) =>
        register({
          userId: UserId.UserId.make(`user-${index}`),
          resourceOwner: organization,
          kind: "human",
          state: "active"
        }), { concurrency: 10, discard: true })
    ),
    Effect.provide(PgUsers.layer.pipe(Layer.provide(PgClient.layer({ url: databaseUrl }))))
  )

/** One server on a new database of this name, with so many users, and more or other settings. */
export const start = Effect.fnUntraced(function*(
  server: Redacted.Redacted,
  { database, environment, users }: {
    readonly database: string
    readonly users: number
    readonly environment?: Readonly<Record<string, string>> | undefined
  }
) {
  const databaseUrl = yield* Database.create(server, database)
  const settings = yield* makeSettings(databaseUrl)
  const { pid, url } = yield* Processes.start("../examples/server/main.ts", { ...settings.environment, ...environment })
  yield* registerUsers(databaseUrl, users)
  return { url, pid, token: settings.token, databaseUrl }
})
