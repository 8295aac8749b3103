/**
 * The server's settings, from the environment. Every one that is missing or wrong is named at once, without its value.
 *
 * Development mode holds only while nothing is set that a deployment needs: the first such setting makes all of them
 * required, so that no half-configured server runs on development defaults.
 */
import { Config, Context, Duration, Effect, Layer, type LogLevel, Option, type Redacted, Result, Schema } from "effect"
import { type CodeGenerator, Limits, PhoneNumber } from "effect-user-phone"
import * as CryptoCodeVault from "effect-user-phone/adapters/CryptoCodeVault"
import * as Postgres from "effect-user-phone/adapters/Postgres"
import { BlockList, isIP } from "node:net"
import { resolve } from "node:path"
import * as HttpSettings from "./HttpSettings.ts"
import * as LimitSettings from "./LimitSettings.ts"
import { deploymentSettings, environment, makeReader, WrongSettings } from "./SettingsReader.ts"
import * as SmsSettings from "./SmsSettings.ts"

/** How a deployment differs from development. */
export interface Deployment {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: URL
  readonly keys: CryptoCodeVault.Keys
}

export class Settings extends Context.Service<Settings, {
  readonly http: HttpSettings.HttpSettings
  readonly users: "registered" | "from-token"
  readonly codePreset: keyof typeof CodeGenerator.presets
  readonly phonePolicy: PhoneNumber.PhonePolicy
  readonly limits: Limits.Limits
  /** How long the code before a resent one is accepted. */
  readonly resendGrace: Duration.Duration
  readonly sms: SmsSettings.SmsSettings
  /** The least severe level that is logged. */
  readonly logLevel: LogLevel.LogLevel
  /** Undefined in development mode. */
  readonly deployment: Deployment | undefined
}>()("examples/server/Settings") {}

/** What is enough to reach the database. */
export class DatabaseSettings extends Context.Service<DatabaseSettings, {
  /** Undefined for the embedded one under the data directory. */
  readonly url: Redacted.Redacted | undefined
  /** Where development mode keeps its database and keys. */
  readonly dataDirectory: string
}>()("examples/server/DatabaseSettings") {}

/** An issuer of its own, which no deployment accepts. */
export const developmentIssuer = "urn:effect-user-phone:development"

const authSettings = ["AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS_URL"]

const isProduction = Effect.map(
  Config.option(Config.String("NODE_ENV")).parse(environment).pipe(Effect.orDie),
  Option.contains("production")
)

const read = Effect.gen(function*() {
  const reader = makeReader()
  const { optional, problems, required } = reader
  const production = yield* isProduction
  const declared = (yield* optional("DEVELOPMENT", Config.Literal("1", "DEVELOPMENT"))) === "1"
  if (declared && production) problems.push("DEVELOPMENT must not be set where NODE_ENV is production")
  const development = !production && deploymentSettings.every((name) => declared && name === "DATABASE_URL")

  const http = yield* HttpSettings.read(reader, development)
  const region = yield* optional("PHONE_DEFAULT_REGION", Config.String("PHONE_DEFAULT_REGION"))
  if (region !== undefined && !PhoneNumber.isRegion(region)) {
    problems.push(`PHONE_DEFAULT_REGION is wrong: ${regionRule}`)
  }
  const countries = (yield* optional("PHONE_COUNTRIES", Config.String("PHONE_COUNTRIES"))) ?? "all"
  const regions = countries.split(",").map((country) => country.trim())
  if (countries !== "all" && !regions.every(PhoneNumber.isRegion)) {
    problems.push(`PHONE_COUNTRIES is wrong: all, or a comma-separated list; ${regionRule}`)
  } else if (countries !== "all" && region !== undefined && PhoneNumber.isRegion(region) && !regions.includes(region)) {
    problems.push("PHONE_DEFAULT_REGION is wrong: it must be one of PHONE_COUNTRIES, as all other numbers are refused")
  }
  const accept = yield* optional("PHONE_ACCEPT", Config.Literals(["mobile", "valid", "parsable"], "PHONE_ACCEPT"))

  const limitsText = yield* optional("LIMITS", Config.String("LIMITS"))
  const limits = limitsText === undefined ? Result.succeed(Limits.defaults) : LimitSettings.parse(limitsText)
  if (Result.isFailure(limits)) problems.push(...limits.failure.map((fault) => `LIMITS is wrong: ${fault}`))
  const graceText = yield* optional("RESEND_GRACE", Config.String("RESEND_GRACE"))
  const grace = graceText === undefined ? Duration.seconds(60) : LimitSettings.durationOf(graceText)
  if (grace === undefined) problems.push("RESEND_GRACE is wrong: a duration such as 60s, or 0s for none")

  const common = {
    http,
    users: (yield* optional("USERS", Config.Literals(["registered", "from-token"], "USERS"))) ?? "registered",
    codePreset: (yield* optional("CODE_PRESET", Config.Literals(["digits6", "zitadel"], "CODE_PRESET"))) ?? "digits6",
    phonePolicy: {
      defaultRegion: region !== undefined && PhoneNumber.isRegion(region) ? region : undefined,
      accept: accept ?? "mobile",
      regions: countries === "all" ? "all" : regions.filter(PhoneNumber.isRegion)
    },
    limits: Result.getOrElse(limits, () => Limits.defaults),
    resendGrace: grace ?? Duration.zero,
    logLevel: (yield* optional("LOG_LEVEL", Config.LogLevel("LOG_LEVEL"))) ?? "Info"
  } as const

  if (development) {
    yield* optional("DATABASE_URL", PostgresUrl)
    const sms = yield* SmsSettings.read(reader, { codePreset: common.codePreset, development, production })
    if (problems.length > 0 || sms === undefined) return yield* new WrongSettings({ problems })
    return Settings.of({ ...common, sms, deployment: undefined })
  }

  yield* required("DATABASE_URL", PostgresUrl)
  const issuer = yield* required("AUTH_ISSUER", Config.NonEmptyString("AUTH_ISSUER"))
  const audience = yield* required("AUTH_AUDIENCE", Config.NonEmptyString("AUTH_AUDIENCE"))
  const jwksUrl = yield* required("AUTH_JWKS_URL", JwksUrl)
  const codeKeys = yield* required("CODE_KEYS", CryptoCodeVault.keysConfig.codeKeys)
  const fingerprintKey = yield* required("FINGERPRINT_KEY", CryptoCodeVault.keysConfig.fingerprintKey)
  const sms = yield* SmsSettings.read(reader, { codePreset: common.codePreset, development, production })
  for (const name of deploymentSettings) {
    if (name.startsWith("AUTH_") && !authSettings.includes(name)) {
      problems.push(`${name} is no setting; there are ${authSettings.join(", ")}`)
    }
  }
  if (issuer === developmentIssuer) problems.push("AUTH_ISSUER is wrong: it is the issuer of development mode")

  if (
    problems.length > 0 || issuer === undefined || audience === undefined ||
    jwksUrl === undefined || codeKeys === undefined || fingerprintKey === undefined || sms === undefined
  ) {
    return yield* new WrongSettings({
      problems: [
        ...problems,
        deploymentSettings.length === 0
          ? "(there is no development mode where NODE_ENV is production)"
          : `(development mode is off because of ${deploymentSettings.join(", ")})`
      ]
    })
  }
  const keys = { codeKeys, fingerprintKey }
  return Settings.of({
    ...common,
    sms,
    deployment: { issuer, audience, jwksUrl, keys }
  })
})

/** Where the issuer's keys are. Whoever can change what is read there decides who everybody is. */
export const JwksUrl = Config.schema(
  Schema.URLFromString.check(
    Schema.makeFilter(({ hostname, protocol }) =>
      protocol === "https:" || (protocol === "http:" && isInside(hostname)) ||
      "an https URL, or an http one of this machine or of a name within the cluster"
    )
  ),
  "AUTH_JWKS_URL"
)

/** Loopback, a private address, or a name that no public DNS has. */
const isInside = (hostname: string): boolean => {
  const address = hostname.replace(/^\[(.*)\]$/, "$1")
  const version = isIP(address)
  if (version !== 0) return privateAddresses.check(address, version === 4 ? "ipv4" : "ipv6")
  return !hostname.includes(".") || /\.(local|internal|svc)$/.test(hostname)
}

const privateAddresses = new BlockList()
privateAddresses.addSubnet("127.0.0.0", 8)
privateAddresses.addSubnet("10.0.0.0", 8)
privateAddresses.addSubnet("172.16.0.0", 12)
privateAddresses.addSubnet("192.168.0.0", 16)
privateAddresses.addAddress("::1", "ipv6")
privateAddresses.addSubnet("fc00::", 7, "ipv6")

const PostgresUrl = Config.schema(
  Schema.RedactedFromValue(
    Schema.String.check(
      Schema.makeFilter((text) => {
        return Postgres.faultOfUrl(text) ?? true
      })
    )
  ),
  "DATABASE_URL"
)

const regionRule = "regions are ISO 3166-1 alpha-2 in capitals, such as CH"

const readDatabase = Effect.gen(function*() {
  const { optional, problems } = makeReader()
  const url = yield* optional("DATABASE_URL", PostgresUrl)
  const dataDirectory = resolve((yield* optional("DATA_DIRECTORY", Config.String("DATA_DIRECTORY"))) ?? ".data")
  if (url === undefined && ((yield* isProduction) || deploymentSettings.length > 0)) {
    problems.push("DATABASE_URL is missing")
  }
  if (problems.length > 0) return yield* new WrongSettings({ problems })
  return DatabaseSettings.of({ url, dataDirectory })
})

export const layer: Layer.Layer<Settings, WrongSettings> = Layer.effect(Settings, read)

export const layerDatabase: Layer.Layer<DatabaseSettings, WrongSettings> = Layer.effect(DatabaseSettings, readDatabase)
