/**
 * How the settings of adapters are read: several at once, one that may be missing, a secret, an address.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Like `Config.all`, but it tells everything that is wrong, not only what comes first: a line each. */
export const all = <const A extends Record<string, Config.Config<unknown>>>(
  configs: A
): Config.Config<{ readonly [K in keyof A]: Config.Success<A[K]> }> =>
  Config.all(Record.map<string, Config.Config<unknown>, Attempt>(configs, attempt)).pipe(
    Config.mapEffect((results: Readonly<Record<string, Result.Result<unknown, Config.ConfigError>>>) => {
      const errors = Object.values(results).filter(Result.isFailure)
      const lines = errors.map(({ failure }) => failure.cause.message.replaceAll(/\s*\n\s*at /g, " at "))
      return lines.length === 0
        ? Effect.succeed(Record.map(results, Result.getOrThrow) as never)
        : wrong(lines.join("\n"))
    })
  )

type Attempt = Config.Config<Result.Result<unknown, Config.ConfigError>>

const attempt = (config: Config.Config<unknown>): Attempt =>
  Config.map(config, Result.succeed).pipe(Config.orElse((error) => Config.succeed(Result.fail(error))))

/** Undefined where the setting is missing; a wrong one fails. */
export const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

export const secret = (name: string): Config.Config<Redacted.Redacted> =>
  Config.schema(Schema.RedactedFromValue(Schema.NonEmptyString, { label: name }), name)

export const address = (name: string): Config.Config<URL> =>
  Config.schema(
    Schema.URLFromString.check(
      Schema.makeFilter(({ protocol }) => /^https?:$/.test(protocol) || "must be an http or https URL")
    ),
    name
  )

/** Of one setting, without its value. */
export const wrongSetting = (name: string, rule: string): Effect.Effect<never, Config.ConfigError> =>
  wrong(`${name} ${rule}`)

/** Of settings that are wrong only together. */
export const wrong = (message: string): Effect.Effect<never, Config.ConfigError> =>
  Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))
