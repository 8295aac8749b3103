/**
 * The operations over PostgreSQL, with a worker that delivers, from plain settings. It runs on Node and needs
 * `@effect/sql-pg`.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Digest from "effect/crypto/Digest"
import type * as Mac from "effect/crypto/Mac"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Result from "effect/Result"
import type * as Migrator from "effect/sql/Migrator"
import type { SqlError } from "effect/sql/SqlError"
import * as CryptoCodeVault from "../adapters/CryptoCodeVault.ts"
import * as NodeVaultCrypto from "../adapters/NodeVaultCrypto.ts"
import * as Postgres from "../adapters/Postgres.ts"
import * as Access from "../core/Access.ts"
import type { LimitsRefused } from "../core/Limits.ts"
import * as Operations from "../core/Operations.ts"
import type { Outbox } from "../core/Outbox.ts"
import * as SmsDelivery from "../core/SmsDelivery.ts"
import type { SmsNotifier } from "../core/SmsNotifier.ts"
import type { Users } from "../core/Users.ts"
import type { UserStore } from "../core/UserStore.ts"
import { checkNames, layerRules, refuse, ruleNames, type RuleOptions } from "./internal/Options.ts"

/**
 * The database, the keys, the sender of messages, and the rules.
 *
 * @category options
 * @since 0.1.0
 */
export interface PostgresOptions<E = never> extends RuleOptions<E> {
  /**
   * `postgres://user:password@host/database`, with `?sslmode=require` for TLS. The certificate is checked, against the
   * authorities that Node knows and those in the file that `NODE_EXTRA_CA_CERTS` names.
   */
  readonly databaseUrl: string
  /** How many connections there may be: at least 2, better 3 or more, since the worker keeps one; 10 by default. */
  readonly maxConnections?: number | undefined
  /** Comma-separated `id:base64`, at least 32 bytes each, the current key first. */
  readonly codeKeys: string
  /** At least 32 bytes in base64. It never changes. */
  readonly fingerprintKey: string
  /**
   * The sender of messages: `SmsSender.layer` over a function, or one of the adapters, which is given what it needs.
   */
  readonly sms: Layer.Layer<SmsNotifier, E, HttpClient.HttpClient | Mac.Mac | Digest.Digest>
  /** Whether this process delivers; some process has to. True by default. */
  readonly delivers?: boolean | undefined
}

/**
 * A layer for `make`. When it is built, it makes the tables in the schema `user_phone`, or brings them up to date.
 * Throws if an option makes no sense.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never>(options: PostgresOptions<E>): Layer.Layer<
  Operations.Operations | Users | UserStore | Outbox,
  E | SqlError | Migrator.MigrationError | CryptoCodeVault.KeysRefused | LimitsRefused
> => {
  check(options)
  const { codeKeys, databaseUrl, delivers = true, fingerprintKey, maxConnections = 10, sms, ...rules } = options
  return Operations.layer.pipe(
    Layer.merge(delivers ? SmsDelivery.layer() : Layer.empty),
    Layer.provideMerge(Postgres.layerStores),
    Layer.provide(
      Layer.mergeAll(
        Access.layer,
        CryptoCodeVault.layer(
          Result.getOrElse(
            CryptoCodeVault.keysOf({ codeKeys, fingerprintKey }),
            ({ name, rule }) => refuse(name, rule)
          )
        ),
        sms.pipe(Layer.provide(Layer.merge(FetchHttpClient.layer, Digest.layerWebCrypto))),
        layerRules(rules),
        PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections })
      ).pipe(Layer.provideMerge(NodeVaultCrypto.layer))
    ),
    // Nobody listens to spans here.
    Layer.provideMerge(Layer.succeed(References.TracerEnabled, false))
  )
}

/**
 * In JavaScript an option may have another type. It would then hang, be taken for something else, or fail where nobody
 * can tell why.
 */
const check = (options: PostgresOptions<unknown>): void => {
  checkNames("", options, [...own, ...ruleNames])
  const { codeKeys, databaseUrl, delivers, fingerprintKey, maxConnections = 10, sms } = options
  for (const [name, text] of Object.entries({ databaseUrl, codeKeys, fingerprintKey })) {
    if (typeof text !== "string" || text === "") refuse(name, "must be given, as a text")
  }
  const fault = Postgres.faultOfUrl(databaseUrl)
  if (fault !== undefined) refuse("databaseUrl", fault)
  if (!(Number.isInteger(maxConnections) && maxConnections >= 2)) {
    refuse("maxConnections", "must be a whole number from 2")
  }
  if (delivers !== undefined && typeof delivers !== "boolean") refuse("delivers", "must be true or false")
  if (!Layer.isLayer(sms)) refuse("sms", "must be a layer, such as SmsSender.layer(\"my-provider\", send)")
}

const own = ["codeKeys", "databaseUrl", "delivers", "fingerprintKey", "maxConnections", "sms"]
