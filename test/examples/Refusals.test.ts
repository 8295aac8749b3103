/**
 * A server that cannot start says why, in words for a person, and nothing else: no stack, nothing secret.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { createSecureContext, TLSSocket } from "node:tls"
import { developmentIssuer } from "../../examples/server/Settings.ts"
import * as Certificate from "../fixtures/Certificate.ts"
import { DatabaseUrl, layerDatabase } from "../fixtures/Postgres.ts"
import * as Servers from "./Servers.ts"

const secret = "hunter2"

const missing = (...names: ReadonlyArray<string>) => names.map((name) => `  ${name} is missing`)

const deployment = ["AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL", "CODE_KEYS", "FINGERPRINT_KEY", "SMS_PROVIDER"]

const settings = "these settings need attention:"

/** Settings of a deployment with nothing wrong about them. */
const good = {
  AUTH_ISSUER: "issuer",
  AUTH_AUDIENCE: "audience",
  AUTH_JWKS_URL: "https://issuer.example/keys",
  CODE_KEYS: `a:${Buffer.alloc(32).toString("base64")}`,
  FINGERPRINT_KEY: Buffer.alloc(32).toString("base64")
}

layer(layerDatabase, { excludeTestServices: true, timeout: "60 seconds" })("A server that cannot start", (it) => {
  /** `lines` is everything that it may print, for the environment with the URL of a database that it may use. */
  const refuses = (
    what: string,
    environment: (databaseUrl: string) => Readonly<Record<string, string>>,
    lines: ReadonlyArray<string>
  ) =>
    it.effect(`because of ${what}`, () =>
      Effect.gen(function*() {
        const directory = yield* Servers.temporaryDirectory
        const server = yield* Servers.spawn(directory, environment(Redacted.value(yield* DatabaseUrl)))
        const code = yield* Effect.promise(() => server.exited)
        assert.strictEqual(server.output(), `effect-user-phone: ${lines.join("\n")}\n`)
        assert.notInclude(server.output(), secret)
        assert.strictEqual(code, 1)
      }))

  /** A server of this machine that does this with its connections, and its address. */
  const listening = (connected: (socket: Socket) => void) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer((socket) => connected(socket.on("error", () => {})))
        await once(server.listen(0, "127.0.0.1"), "listening")
        return server
      }),
      (server) => Effect.sync(() => server.close())
    ).pipe(Effect.map((server) => server.address() as AddressInfo))

  it.effect("because of a port that is taken", () =>
    Effect.gen(function*() {
      const directory = yield* Servers.temporaryDirectory
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => createServer().listen(0, "127.0.0.1")),
        (other) => Effect.sync(() => other.close())
      )
      yield* Effect.promise(() => once(other, "listening"))
      const { port } = other.address() as AddressInfo
      const server = yield* Servers.spawn(directory, {
        PORT: String(port),
        DEVELOPMENT: "1",
        DATABASE_URL: Redacted.value(yield* DatabaseUrl)
      })
      const code = yield* Effect.promise(() => server.exited)
      assert.strictEqual(
        server.output(),
        `effect-user-phone: port ${port} on 127.0.0.1 is in use: stop what runs there, or set PORT to another\n`
      )
      assert.strictEqual(code, 1)
    }))

  it.effect("because of a port that is taken, 8080 where an empty PORT names none", () =>
    Effect.gen(function*() {
      // Unless somebody has it already, which comes to the same.
      yield* Effect.acquireRelease(
        Effect.callback<Server>((resume) => {
          const other = createServer()
          const taken = () => resume(Effect.succeed(other))
          other.once("error", taken).listen(8080, "127.0.0.1", taken)
        }),
        (other) => Effect.sync(() => other.close())
      )
      const server = yield* Servers.spawn(yield* Servers.temporaryDirectory, {
        PORT: "",
        DEVELOPMENT: "1",
        DATABASE_URL: Redacted.value(yield* DatabaseUrl)
      })
      const code = yield* Effect.promise(() => server.exited)
      assert.strictEqual(
        server.output(),
        "effect-user-phone: port 8080 on 127.0.0.1 is in use: stop what runs there, or set PORT to another\n"
      )
      assert.strictEqual(code, 1)
    }))

  refuses(
    "a database that is not there",
    (databaseUrl) => ({ DEVELOPMENT: "1", DATABASE_URL: `${databaseUrl}_not_there` }),
    ["there is no database of that name: check DATABASE_URL, or create it"]
  )

  refuses(
    "a database that does not answer",
    () => ({ DEVELOPMENT: "1", DATABASE_URL: `postgres://postgres:${secret}@127.0.0.1:1/postgres` }),
    ["the database cannot be reached: check DATABASE_URL, and that PostgreSQL runs there"]
  )

  refuses(
    "a database that does not speak TLS",
    (databaseUrl) => ({ DEVELOPMENT: "1", DATABASE_URL: `${databaseUrl}?sslmode=require` }),
    ["the database does not speak TLS, which sslmode in DATABASE_URL asks for"]
  )

  for (
    const [what, host, explanation] of [
      [
        "is not trusted",
        "127.0.0.1",
        "is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT): name the file of its authority in NODE_EXTRA_CA_CERTS"
      ],
      [
        "is for another name",
        "192.0.2.1",
        "is for another name: write the host in DATABASE_URL as the certificate has it"
      ]
    ] as const
  ) {
    it.effect(`because of a database whose certificate ${what}`, () =>
      Effect.gen(function*() {
        const directory = yield* Servers.temporaryDirectory
        const { certificate, key } = Certificate.make(host)
        const authority = join(directory, "authority.pem")
        writeFileSync(authority, certificate)
        const secureContext = createSecureContext({ cert: certificate, key: Redacted.value(key) })
        const database = yield* listening((socket) =>
          socket.once("data", () => {
            // The answer to a request for TLS: yes.
            socket.write("S")
            new TLSSocket(socket, { isServer: true, secureContext }).on("error", () => {})
          })
        )
        const server = yield* Servers.spawn(directory, {
          DEVELOPMENT: "1",
          DATABASE_URL: `postgres://postgres:${secret}@127.0.0.1:${database.port}/postgres?sslmode=verify-full`,
          ...(what === "is for another name" && { NODE_EXTRA_CA_CERTS: authority })
        })
        const code = yield* Effect.promise(() => server.exited)
        assert.strictEqual(server.output(), `effect-user-phone: the database's certificate ${explanation}\n`)
        assert.strictEqual(code, 1)
      }))
  }

  for (
    const [query, rule] of [
      ["sslmode=no-verify", "must have sslmode once: disable, allow, prefer, require, verify-ca, verify-full"],
      [
        "sslmode=verify-full&sslrootcert=ca.pem",
        "has sslrootcert; write sslmode=require for TLS, and the file of your own authority into NODE_EXTRA_CA_CERTS"
      ]
    ] as const
  ) {
    refuses(
      `a database URL with ${query}`,
      (databaseUrl) => ({ DEVELOPMENT: "1", DATABASE_URL: `${databaseUrl}?${query}` }),
      [settings, `  DATABASE_URL is wrong: ${rule}`]
    )
  }

  refuses(
    "a wrong password",
    (databaseUrl) => {
      const url = new URL(databaseUrl)
      url.password = secret
      return { DEVELOPMENT: "1", DATABASE_URL: url.href }
    },
    ["the database refuses this user or password: check DATABASE_URL"]
  )

  refuses(
    "settings that are wrong, all of them at once",
    () => ({
      DATABASE_URL: `mysql://root:${secret}@127.0.0.1/x`,
      AUTH_ISSUER: "",
      AUTH_AUDIENC: secret,
      AUTH_JWKS_URL: secret,
      CODE_KEYS: `a:${secret}`,
      FINGERPRINT_KEY: secret,
      SMS_PROVIDER: secret,
      PUBLIC_URL: `http://${secret}.example`,
      SMS_HOST: `${secret}/`,
      SMS_LANGUAGE: `${secret}_`,
      SMS_LEASE: "10s",
      SMS_TIMEOUT: secret,
      PHONE_NOTICES: secret,
      CODE_PROVIDER: secret,
      TEST_NUMBERS: `+15555550100=${secret} until 2027-01-31`,
      HOST: "0.0.0.0",
      PORT: "99999",
      TLS_CERTIFICATE: "package.json",
      TLS_KEY: secret,
      CORS_ORIGINS: `https://app.example, ${secret}, *`,
      PHONE_DEFAULT_REGION: secret,
      PHONE_COUNTRIES: `CH,${secret}`,
      PHONE_ACCEPT: secret,
      LIMITS: `codes-per-user=${secret}`,
      RESEND_GRACE: secret,
      CODE_PRESET: secret,
      USERS: secret
    }),
    [
      settings,
      "  PORT is wrong: a port from 0 to 65535",
      "  TLS_CERTIFICATE is wrong: the file must hold a certificate in PEM",
      "  TLS_KEY is wrong: the file cannot be read",
      "  CORS_ORIGINS is wrong: entry 2 must be an origin as browsers write it, such as https://app.example",
      "  CORS_ORIGINS is wrong: entry 3 must be an origin as browsers write it, such as https://app.example",
      "  PHONE_DEFAULT_REGION is wrong: regions are ISO 3166-1 alpha-2 in capitals, such as CH",
      "  PHONE_COUNTRIES is wrong: all, or a comma-separated list; regions are ISO 3166-1 alpha-2 in capitals, such as CH",
      "  PHONE_ACCEPT is wrong: Expected \"mobile\" | \"valid\" | \"parsable\"",
      "  LIMITS is wrong: codes-per-user must be off, or windows with commas, such as 5/10m,20/24h",
      "  RESEND_GRACE is wrong: a duration such as 60s, or 0s for none",
      "  USERS is wrong: Expected \"registered\" | \"from-token\"",
      "  CODE_PRESET is wrong: Expected \"digits6\" | \"zitadel\"",
      "  DATABASE_URL is wrong: must be a URL that begins with postgres://",
      "  AUTH_ISSUER is empty",
      ...missing("AUTH_AUDIENCE"),
      "  AUTH_JWKS_URL is wrong: Expected a valid URL string",
      "  CODE_KEYS is wrong: must be a comma-separated list of id:base64 with different ids and at least 32 bytes each",
      "  FINGERPRINT_KEY is wrong: must be at least 32 bytes in base64",
      "  PUBLIC_URL is wrong: must be the https URL at which providers reach this server, without a query",
      "  SMS_PROVIDER is wrong: Expected \"console\" | \"twilio\" | \"vonage\" | \"sns\" | \"webhook\"",
      "  SMS_HOST is wrong: it has a path; write the domain name alone, such as example.com",
      "  SMS_LANGUAGE is wrong: it is not a language tag; write one of BCP 47, such as de or pt-BR",
      "  PHONE_NOTICES is wrong: Expected \"on\" | \"off\"",
      "  TEST_NUMBERS is wrong: entry 1 must have a code of the length and the characters of other codes",
      "  CODE_PROVIDER is wrong: Expected \"own\" | \"twilio-verify\"",
      "  SMS_TIMEOUT is wrong: a duration such as 10s",
      "  AUTH_AUDIENC is no setting; there are AUTH_ISSUER, AUTH_AUDIENCE, AUTH_JWKS_URL",
      "  (development mode is off because of DATABASE_URL, AUTH_ISSUER, AUTH_AUDIENC, AUTH_JWKS_URL, CODE_KEYS, " +
      "FINGERPRINT_KEY, SMS_PROVIDER)"
    ]
  )

  refuses(
    "settings of providers that are missing or wrong, leases too short for them, and test numbers in production",
    (databaseUrl) => ({
      NODE_ENV: "production",
      DATABASE_URL: databaseUrl,
      ...good,
      SMS_PROVIDER: "twilio, webhook, vonage, sns",
      TWILIO_ACCOUNT_SID: secret,
      TWILIO_BASE_URL: "ftp://twilio.example",
      TWILIO_VERIFY_LIFETIME: "1 minute",
      SMS_WEBHOOK_URL: "http://hooks.example/",
      SMS_WEBHOOK_SECRET: secret,
      VONAGE_API_KEY: secret,
      AWS_REGION: secret,
      CODE_PROVIDER: "twilio-verify",
      TEST_NUMBERS: "+15555550100=424242 until 2027-01-31",
      SMS_LEASE: "80s"
    }),
    [
      settings,
      "  TWILIO_ACCOUNT_SID is wrong: Expected AC and 32 hexadecimal digits",
      "  TWILIO_FROM is missing: set it or TWILIO_MESSAGING_SERVICE_SID",
      "  TWILIO_BASE_URL is wrong: must be an http or https URL",
      "  SMS_WEBHOOK_URL must be an https URL: number and code are in what is posted there",
      "  SMS_WEBHOOK_SECRET must be whsec_ and at least 24 bytes in base64, several of them with commas",
      "  VONAGE_API_SECRET is missing",
      "  VONAGE_FROM is missing",
      "  AWS_REGION is wrong: Expected a region, such as eu-central-1",
      "  TEST_NUMBERS must not be set where NODE_ENV is production, unless TEST_NUMBERS_IN_PRODUCTION=1 allows it",
      "  TWILIO_VERIFY_SERVICE_SID is missing",
      "  TWILIO_VERIFY_LIFETIME must be at least 2 minutes",
      "  SMS_LEASE is wrong: it must be longer than 80s, twice what one message may take at all providers together",
      "  (development mode is off because of DATABASE_URL, AUTH_ISSUER, AUTH_AUDIENCE, AUTH_JWKS_URL, CODE_KEYS, " +
      "FINGERPRINT_KEY, SMS_PROVIDER)"
    ]
  )

  refuses(
    "settings that would send what they should protect in the clear",
    (databaseUrl) => ({
      DATABASE_URL: `${databaseUrl}?ssl=true`,
      ...good,
      AUTH_JWKS_URL: "http://issuer.example/keys",
      // What Kubernetes tells of a service named auth is no setting, misspelt or not.
      AUTH_SERVICE_HOST: "10.0.0.1",
      AUTH_PORT_80_TCP: "tcp://10.0.0.1:80",
      CODE_KEYS: `${good.CODE_KEYS}\n`,
      SMS_PROVIDER: "console"
    }),
    [
      settings,
      "  DATABASE_URL is wrong: has ssl; write sslmode=require for TLS, and the file of your own authority into " +
      "NODE_EXTRA_CA_CERTS",
      "  AUTH_JWKS_URL is wrong: an https URL, or an http one of this machine or of a name within the cluster",
      "  (development mode is off because of DATABASE_URL, AUTH_ISSUER, AUTH_AUDIENCE, AUTH_JWKS_URL, CODE_KEYS, " +
      "FINGERPRINT_KEY, SMS_PROVIDER)"
    ]
  )

  refuses(
    "settings that are wrong only beside what else there is",
    (databaseUrl) => ({
      DATABASE_URL: databaseUrl,
      ...good,
      SMS_PROVIDER: "console, console",
      PUBLIC_URL: `https://phone.example/?key=${secret}`,
      SMS_LANGUAGE: "sw",
      // No second line says that it is too short.
      SMS_LEASE: "a minute",
      PHONE_COUNTRIES: "DE,AT",
      PHONE_DEFAULT_REGION: "CH"
    }),
    [
      settings,
      "  PHONE_DEFAULT_REGION is wrong: it must be one of PHONE_COUNTRIES, as all other numbers are refused",
      "  PUBLIC_URL is wrong: must be the https URL at which providers reach this server, without a query",
      "  SMS_PROVIDER is wrong: must name each provider once",
      "  SMS_LANGUAGE is wrong: there are no texts in this language; choose one of the languages in docs/sms-texts.md",
      "  SMS_LEASE is wrong: a duration such as 60s",
      "  (development mode is off because of DATABASE_URL, AUTH_ISSUER, AUTH_AUDIENCE, AUTH_JWKS_URL, CODE_KEYS, " +
      "FINGERPRINT_KEY, SMS_PROVIDER)"
    ]
  )

  refuses(
    "the keys of a deployment beside development mode",
    (databaseUrl) => ({
      DEVELOPMENT: "1",
      DATABASE_URL: databaseUrl,
      CODE_KEYS: `a:${Buffer.alloc(32).toString("base64")}`
    }),
    [
      settings,
      ...missing(...deployment.filter((name) => name !== "CODE_KEYS")),
      "  (development mode is off because of DATABASE_URL, CODE_KEYS)"
    ]
  )

  refuses(
    "the issuer of development mode, be it beside that mode",
    (databaseUrl) => ({ DEVELOPMENT: "1", DATABASE_URL: databaseUrl, AUTH_ISSUER: developmentIssuer }),
    [
      settings,
      ...missing(...deployment.filter((name) => name !== "AUTH_ISSUER")),
      "  AUTH_ISSUER is wrong: it is the issuer of development mode",
      "  (development mode is off because of DATABASE_URL, AUTH_ISSUER)"
    ]
  )

  refuses(
    "development mode in production",
    (databaseUrl) => ({ DEVELOPMENT: "1", NODE_ENV: "production", DATABASE_URL: databaseUrl }),
    [
      settings,
      "  DEVELOPMENT must not be set where NODE_ENV is production",
      ...missing(...deployment),
      "  (development mode is off because of DATABASE_URL)"
    ]
  )

  refuses(
    "a lease in which a slow test number cannot be answered",
    () => ({ TEST_NUMBERS: "+15555550100=424242 until 2099-01-31 slow", SMS_LEASE: "40s" }),
    [
      settings,
      "  SMS_LEASE is wrong: it must be longer than 40s, twice what one message may take at all providers together"
    ]
  )

  refuses("development mode on an address that others reach", () => ({ HOST: "0.0.0.0" }), [
    settings,
    "  HOST must be a loopback address in development mode, which accepts tokens that anyone can read"
  ])
})
