/**
 * How the settings of SMS providers are read: one that may be missing, a secret, an address.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

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
