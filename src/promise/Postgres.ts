/**
 * The operations over PostgreSQL, with a worker that delivers, from plain settings. On Node; it needs `@effect/sql-pg`.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
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

/**
 * @category options
 * @since 0.1.0
 */
export interface PostgresOptions {
  /** `postgres://user:password@host/database`, with `?sslmode=require` or `verify-full` for TLS. */
  readonly databaseUrl: string
  /** 10 by default, of which the worker keeps one. */
  readonly maxConnections?: number | undefined
  /** Comma-separated `id:base64`, at least 32 bytes each, the current first. */
  readonly codeKeys: string
  /** At least 32 bytes in base64. It never changes. */
  readonly fingerprintKey: string
  /** Who sends: `SmsSender.layer` over a function, or one of the adapters. */
  readonly sms: Layer.Layer<SmsNotifier>
  /** What is sent; in English by default. */
  readonly texts?: Layer.Layer<SmsText.SmsText> | undefined
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
export const layer = ({
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
}: PostgresOptions): Layer.Layer<
  Operations.Operations | Users | UserStore | Outbox,
  SqlError | Migrator.MigrationError | Config.ConfigError | Limits.LimitsRefused
> =>
  Operations.layer.pipe(
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
        sms,
        texts,
        Layer.succeed(Limits.Limits, limits === "off" ? Limits.off : { ...Limits.defaults, ...limits }),
        Layer.sync(PhonePolicy, () => checked(phones)),
        PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections })
      ).pipe(Layer.provideMerge(NodeVaultCrypto.layer))
    ),
    // Nobody listens to spans.
    Layer.provideMerge(Layer.succeed(References.TracerEnabled, false))
  )

/** A region that there is not would refuse every number. */
const checked = (phones: PhonePolicy): PhonePolicy => {
  const { defaultRegion, regions = "all" } = phones
  const named: ReadonlyArray<string> = [
    ...(regions === "all" ? [] : regions),
    ...(defaultRegion ? [defaultRegion] : [])
  ]
  const unknown = named.find((region) => !isRegion(region))
  if (unknown !== undefined) {
    throw new RangeError(`phones has the region ${unknown}: regions are ISO 3166-1 alpha-2 in capitals, such as CH`)
  }
  if (regions.length === 0) throw new RangeError("phones.regions must have a region, or be \"all\"")
  return phones
}
