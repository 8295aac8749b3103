/**
 * Development mode: keys made on the first start, users to play with, tokens for them, and bounds that keep all of it on
 * this machine.
 */
import { Clock, Effect, Redacted, Schema } from "effect"
import { UserId, Users } from "effect-user-phone"
import type * as CryptoCodeVault from "effect-user-phone/adapters/CryptoCodeVault"
import { ErrorResponse } from "effect-user-phone/http"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { SignJWT } from "jose"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { join } from "node:path"
import { developmentIssuer } from "./Settings.ts"

const organization = UserId.OrganizationId.make("demo")

/** Tokens are for this audience. */
export const audience = "effect-user-phone"

const people = ["ada", "grace", "linus"] as const

/** The users of the organisation `demo`, and a service account that may change them. */
export const registerDemoUsers = Effect.gen(function*() {
  const users = yield* Users.Users
  const register = (userId: string, kind: "human" | "machine") =>
    users.register({ userId: UserId.UserId.make(userId), resourceOwner: organization, kind, state: "active" }).pipe(
      Effect.catchTag("UserAlreadyExists", () => Effect.void)
    )
  yield* Effect.forEach(people, (name) => register(name, "human"))
  yield* register("admin", "machine")
})

const Secret = Schema.RedactedFromValue(Schema.Uint8ArrayFromBase64, { label: "key" })

const Secrets = Schema.fromJsonString(Schema.Struct({ token: Secret, code: Secret, fingerprint: Secret }))

/** The keys of this data directory, made by whoever comes first and kept between starts. */
export const secrets = Effect.fnUntraced(function*(dataDirectory: string) {
  const file = join(dataDirectory, "keys.json")
  const text = yield* Effect.sync(() => {
    Fs.mkdirSync(dataDirectory, { recursive: true, mode: 0o711 })
    const fresh = () => randomBytes(32).toString("base64")
    const draft = `${file}.${process.pid}`
    Fs.writeFileSync(draft, JSON.stringify({ token: fresh(), code: fresh(), fingerprint: fresh() }), { mode: 0o600 })
    try {
      Fs.linkSync(draft, file)
    } catch (error) {
      if (!Fs.existsSync(file)) throw error
    } finally {
      Fs.unlinkSync(draft)
    }
    return Fs.readFileSync(file, "utf8")
  })
  return yield* Effect.catch(
    Schema.decodeEffect(Secrets)(text),
    () => Effect.die(new Error(`${file} is damaged: restore it, or remove the data directory to begin anew`))
  )
})

/** The vault's keys among the secrets. */
export const vaultKeys = ({ code, fingerprint }: Effect.Success<ReturnType<typeof secrets>>): CryptoCodeVault.Keys => ({
  codeKeys: [{ id: "development", bytes: code }],
  fingerprintKey: fingerprint
})

export type Tokens = Readonly<Record<"admin" | (typeof people)[number], string>>

/** A token of twelve hours for each demo user. */
export const signTokens = Effect.fnUntraced(function*(secret: Redacted.Redacted<Uint8Array>) {
  const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const sign = (subject: string, grants: Readonly<Record<string, ReadonlyArray<string>>>) =>
    Effect.promise(() =>
      new SignJWT({ org: organization, grants })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(subject)
        .setIssuer(developmentIssuer)
        .setAudience(audience)
        .setIssuedAt(now)
        .setExpirationTime(now + 12 * 60 * 60)
        .sign(Redacted.value(secret))
    )
  const tokens: Tokens = {
    admin: yield* sign("admin", { [organization]: ["user.write"] }),
    ada: yield* sign("ada", {}),
    grace: yield* sign("grace", {}),
    linus: yield* sign("linus", {})
  }
  return tokens
})

/** Writes `dev.json`, for scripts: the address, the database and the tokens, readable by this user only. */
export const writeDevJson = (dataDirectory: string, content: {
  readonly url: string
  readonly databaseUrl: string
  readonly tokens: Tokens
}) =>
  Effect.sync(() => {
    const draft = join(dataDirectory, `dev.json.${process.pid}`)
    Fs.rmSync(draft, { force: true })
    Fs.writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
    Fs.renameSync(draft, join(dataDirectory, "dev.json"))
  })

const misdirected = ErrorResponse.statusResponse({
  httpStatus: 421,
  code: 7,
  message: "development mode answers on this machine only: use localhost, and no proxy",
  details: []
})

const isForwarding = (header: string): boolean =>
  header.startsWith("x-forwarded-") || ["forwarded", "x-real-ip", "via"].includes(header)

/** Answers only requests that were meant for this machine: a web page or a proxy elsewhere must not reach it. */
export const layerLocalOnly = HttpRouter.use((router) =>
  router.addGlobalMiddleware((effect) =>
    Effect.flatMap(
      HttpServerRequest.HttpServerRequest,
      ({ headers }) =>
        /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(headers["host"] ?? headers[":authority"] ?? "") &&
          !Object.keys(headers).some(isForwarding)
          ? effect
          : Effect.succeed(misdirected)
    )
  )
)
