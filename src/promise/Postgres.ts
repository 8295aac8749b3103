/**
 * The operations over PostgreSQL, with a worker that delivers, from plain settings. On Node; it needs `@effect/sql-pg`.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Digest from "effect/crypto/Digest"
import type * as Mac from "effect/crypto/Mac"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type * as Migrator from "effect/sql/Migrator"
import type { SqlError } from "effect/sql/SqlError"
import * as CryptoCodeVault from "../adapters/CryptoCodeVault.ts"
import * as NodeVaultCrypto from "../adapters/NodeVaultCrypto.ts"
import * as Postgres from "../adapters/Postgres.ts"
import * as Access from "../core/Access.ts"
import * as CodeGenerator from "../core/CodeGenerator.ts"
import * as Limits from "../core/Limits.ts"
import * as Operations from "../core/Operations.ts"
import type { Outbox } from "../core/Outbox.ts"
import { isRegion, PhonePolicy } from "../core/PhoneNumber.ts"
import * as SmsDelivery from "../core/SmsDelivery.ts"
import type { SmsNotifier } from "../core/SmsNotifier.ts"
import * as SmsText from "../core/SmsText.ts"
import type { Users } from "../core/Users.ts"
import type { UserStore } from "../core/UserStore.ts"
import { limitsOf, refuseOption } from "./internal/Input.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface PostgresOptions<E = never> {
  /** `postgres://user:password@host/database`, with `?sslmode=require` or `verify-full` for TLS. */
  readonly databaseUrl: string
  /** At least 2, since the worker keeps one; 10 by default. */
  readonly maxConnections?: number | undefined
  /** Comma-separated `id:base64`, at least 32 bytes each, the current first. */
  readonly codeKeys: string
  /** At least 32 bytes in base64. It never changes. */
  readonly fingerprintKey: string
  /** Who sends: `SmsSender.layer` over a function, or one of the adapters, which is given what it needs. */
  readonly sms: Layer.Layer<SmsNotifier, E, HttpClient.HttpClient | Mac.Mac | Digest.Digest>
  /** What is sent; in English by default, or such as `IcuSmsText.layer()`. */
  readonly texts?: Layer.Layer<SmsText.SmsText, E> | undefined
  /** `digits6` by default, `zitadel` for six of A to Z and 0 to 9, an hour long. */
  readonly codes?: keyof typeof CodeGenerator.presets | undefined
  /** What differs from the default limits, or `off` for none at all. */
  readonly limits?: Partial<Limits.Limits> | "off" | undefined
  /** Which numbers are taken: countries, line types, and the region of numbers without a country code. */
  readonly phones?: PhonePolicy | undefined
  /** Whether this process delivers; some process has to. True by default. */
  readonly delivers?: boolean | undefined
}

/**
 * A layer for `make`. Tables are made and kept up to date in the schema `user_phone` when it is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never>({
  codeKeys,
  codes = "digits6",
  databaseUrl,
  delivers = true,
  fingerprintKey,
  limits = {},
  maxConnections = 10,
  phones = {},
  sms,
  texts = SmsText.layerEnglish
}: PostgresOptions<E>): Layer.Layer<
  Operations.Operations | Users | UserStore | Outbox,
  E | SqlError | Migrator.MigrationError | Config.ConfigError | Limits.LimitsRefused
> => {
  check({ codes, maxConnections, phones })
  return Operations.layer.pipe(
    Layer.merge(delivers ? SmsDelivery.layer() : Layer.empty),
    Layer.provideMerge(Postgres.layerStores),
    Layer.provide(
      Layer.mergeAll(
        Access.layer,
        CodeGenerator.layerPreset(codes),
        CryptoCodeVault.layerConfig.pipe(
          Layer.provide(ConfigProvider.layer(
            ConfigProvider.fromUnknown({ CODE_KEYS: codeKeys, FINGERPRINT_KEY: fingerprintKey })
          ))
        ),
        sms.pipe(Layer.provide(Layer.merge(FetchHttpClient.layer, Digest.layerWebCrypto))),
        texts,
        Layer.succeed(Limits.Limits, limitsOf(limits)),
        Layer.succeed(PhonePolicy, phones),
        PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections })
      ).pipe(Layer.provideMerge(NodeVaultCrypto.layer))
    ),
    // Nobody listens to spans.
    Layer.provideMerge(Layer.succeed(References.TracerEnabled, false))
  )
}

/** What is of another type, in JavaScript, would hang, refuse everybody, or be something else than it seems. */
const check = ({ codes, maxConnections, phones: { accept = "mobile", defaultRegion, regions = "all" } }: {
  readonly codes: string
  readonly maxConnections: number
  readonly phones: PhonePolicy
}): void => {
  if (!(Number.isInteger(maxConnections) && maxConnections >= 2)) {
    refuseOption("maxConnections", "must be a whole number from 2")
  }
  if (!Object.hasOwn(CodeGenerator.presets, codes)) refuseOption("codes", "must be digits6 or zitadel")
  if (!["mobile", "valid", "parsable"].includes(accept)) {
    refuseOption("phones.accept", "must be mobile, valid or parsable")
  }
  const named: ReadonlyArray<string> = [
    ...(regions === "all" ? [] : regions),
    ...(defaultRegion ? [defaultRegion] : [])
  ]
  if (!named.every(isRegion)) {
    refuseOption("phones", "has a region that there is not: they are ISO 3166-1 alpha-2 in capitals, such as CH")
  }
  if (regions.length === 0) refuseOption("phones.regions", "must have a region, or be \"all\"")
}
