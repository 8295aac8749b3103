/**
 * The settings of the listener: where, with which certificate, for which web pages.
 */
import { Config, Effect, Redacted, Result, Schema } from "effect"
import { Cors } from "effect-user-phone/http"
import type { Certificate } from "effect-user-phone/http/NodeServer"
import { createPrivateKey, X509Certificate } from "node:crypto"
import * as Fs from "node:fs"
import type { Reader } from "./SettingsReader.ts"

export interface HttpSettings {
  readonly host: string
  readonly port: number
  /** Undefined for a listener in the clear. */
  readonly tls: Certificate | undefined
  /** The web pages that may call. */
  readonly origins: ReadonlyArray<string>
}

export const read = Effect.fnUntraced(function*(reader: Reader, development: boolean) {
  const { optional, problems } = reader
  const host = (yield* optional("HOST", Config.String("HOST"))) ?? "127.0.0.1"
  if (development && !["127.0.0.1", "localhost", "::1"].includes(host)) {
    problems.push("HOST must be a loopback address in development mode, which accepts tokens that anyone can read")
  }
  const port = (yield* optional("PORT", PortOrAny)) ?? 8080
  const tls = yield* readTls(reader)
  const settings: HttpSettings = { host, port, tls, origins: yield* readOrigins(reader) }
  return settings
})

const readOrigins = Effect.fnUntraced(function*({ optional, problems }: Reader) {
  const text = yield* optional("CORS_ORIGINS", Config.String("CORS_ORIGINS"))
  const origins = text === undefined ? [] : text.split(",").map((origin) => origin.trim())
  const results = yield* Effect.forEach(origins, (origin) => Effect.result(Cors.check(origin)))
  results.forEach((result, index) => {
    if (Result.isSuccess(result)) return
    problems.push(
      `CORS_ORIGINS is wrong: entry ${index + 1} must be an origin as browsers write it, such as https://app.example`
    )
  })
  return origins
})

/** Both files or none, and each the other's. */
const readTls = Effect.fnUntraced(function*({ optional, problems }: Reader) {
  const certificate = yield* optional("TLS_CERTIFICATE", Config.String("TLS_CERTIFICATE"))
  const key = yield* optional("TLS_KEY", Config.String("TLS_KEY"))
  if (certificate === undefined && key === undefined) return undefined
  if (certificate === undefined || key === undefined) {
    problems.push(
      `${key === undefined ? "TLS_KEY" : "TLS_CERTIFICATE"} is missing: a certificate and its key go together`
    )
    return undefined
  }
  const parsed = parsePem("TLS_CERTIFICATE", certificate, "certificate", (pem) => new X509Certificate(pem))
  const parsedKey = parsePem("TLS_KEY", key, "private key without a passphrase", createPrivateKey)
  for (const { problem } of [parsed, parsedKey]) if (problem !== undefined) problems.push(problem)
  if (parsed.value === undefined || parsedKey.value === undefined) return undefined
  if (!parsed.value.checkPrivateKey(parsedKey.value)) {
    problems.push("TLS_KEY is wrong: it is not the key of TLS_CERTIFICATE")
    return undefined
  }
  return { certificate: parsed.pem, key: Redacted.make(parsedKey.pem, { label: "TLS_KEY" }) }
})

/** What a PEM file holds, or what is wrong with it. */
const parsePem = <A>(name: string, file: string, what: string, parse: (pem: string) => A) => {
  let pem: string
  try {
    pem = Fs.readFileSync(file, "utf8")
  } catch {
    return { problem: `${name} is wrong: the file cannot be read` } as const
  }
  try {
    return { pem, value: parse(pem) } as const
  } catch {
    return { problem: `${name} is wrong: the file must hold a ${what} in PEM` } as const
  }
}

/** 0 takes any free port. */
const PortOrAny = Config.schema(
  Schema.NumberFromString.check(
    Schema.makeFilter((port) => (Number.isInteger(port) && port >= 0 && port <= 65_535) || "a port from 0 to 65535")
  ),
  "PORT"
)
