/**
 * How the settings of adapters are read: several at once, one that may be missing, a secret, an address.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * Like `Config.all`, but its error names everything that is missing or wrong, one line each, and not only the first. If
 * nothing is wrong but something is missing, the whole counts as missing, so that `Config.option` and
 * `Config.withDefault` work as usual.
 */
export const all = <const A extends Record<string, Config.Config<unknown>>>(
  configs: A
): Config.Config<{ readonly [K in keyof A]: Config.Success<A[K]> }> =>
  Config.flatMap(Config.all(Record.map<string, Config.Config<unknown>, Attempt>(configs, attempt)), (results) => {
    const attempts = Object.values<Effect.Success<Attempt>>(results as never)
    const lines = attempts.flatMap((one) => one._tag === "Read" ? [] : [messageOf(one.error)])
    if (lines.length === 0) return Config.succeed(Record.map(results, (one) => (one as Read).value) as never)
    return attempts.some(({ _tag }) => _tag === "Wrong") ? Config.fail(sourceError(lines.join("\n"))) : missing(lines)
  })

interface Read {
  readonly _tag: "Read"
  readonly value: unknown
}

type Attempt = Config.Config<Read | { readonly _tag: "Missing" | "Wrong"; readonly error: Config.ConfigError }>

const attempt = (config: Config.Config<unknown>): Attempt =>
  Config.map(config, (value): Effect.Success<Attempt> => ({ _tag: "Read", value })).pipe(
    Config.orElse((error) =>
      // `Config.option` recovers from a missing setting, but not from a wrong one.
      Config.map(Config.option(config), (): Effect.Success<Attempt> => ({ _tag: "Missing", error })).pipe(
        Config.orElse(() => Config.succeed<Effect.Success<Attempt>>({ _tag: "Wrong", error }))
      )
    )
  )

const messageOf = ({ cause }: Config.ConfigError): string => cause.message.replaceAll(/\s*\n\s*at /g, " at ")

/** A missing setting whose error has the lines of all that are missing. */
const missing = (lines: ReadonlyArray<string>): Config.Config<never> => {
  const text = lines.join("\n")
  // The name is the last part of a path, such as that of a nested configuration.
  const [, before = text, name = "the settings"] = /^([^]*) at (?:\["\w+"\])*\["(\w+)"\]$/.exec(text) ?? []
  return absent(name, before)
}

/** A missing setting, with this message. */
export const absent = (name: string, message: string): Config.Config<never> =>
  Config.schema(Schema.String.annotate({ message }), name) as Config.Config<never>

/** Undefined if the setting is missing; a wrong one fails. */
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

/** A time such as `10s`, `5m`, `1h` or `1d`, or as Effect writes it, `10 seconds`. */
export const duration = (name: string): Config.Config<Duration.Duration> =>
  Config.String(name).pipe(Config.mapEffect((text) => {
    const [, amount = "", unit = ""] = /^(\d{1,6}) *([smhd])$/.exec(text.trim()) ?? []
    const long = { s: "seconds", m: "minutes", h: "hours", d: "days" }[unit]
    const read = Duration.fromInput((long === undefined ? text.trim() : `${amount} ${long}`) as Duration.Input)
    const [minimum, maximum] = [Duration.millis(1), Duration.days(1)]
    return Option.match(Option.filter(read, Duration.between({ minimum, maximum })), {
      onNone: () => wrongSetting(name, "must be a duration such as 10s or 10 seconds, at most 24 hours"),
      onSome: Effect.succeed
    })
  }))

/** The error for one wrong setting, which does not quote its value. */
export const wrongSetting = (name: string, rule: string): Effect.Effect<never, Config.ConfigError> =>
  wrong(`${name} ${rule}`)

/** The error for settings that are wrong only together. */
export const wrong = (message: string): Effect.Effect<never, Config.ConfigError> =>
  Effect.fail(new Config.ConfigError(sourceError(message)))

const sourceError = (message: string) => new ConfigProvider.SourceError({ message })
