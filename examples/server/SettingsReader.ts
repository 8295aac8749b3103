/**
 * Reads settings from the environment one by one and collects what is wrong with them, without their values.
 */
import { Config, ConfigProvider, Data, Effect, Option, Result } from "effect"

export class WrongSettings extends Data.TaggedError("WrongSettings")<{ readonly problems: ReadonlyArray<string> }> {
  override get message() {
    return `these settings need attention:\n${this.problems.map((problem) => `  ${problem}`).join("\n")}`
  }
}

/** What Kubernetes tells every container of a service that is named `auth`. */
const ofAService = /^AUTH_(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_.*)$/

/** The variables of a deployment that are there, if only as an empty one or misspelt. Any of them ends development mode. */
export const deploymentSettings = Object.keys(process.env).filter((name) =>
  (name.startsWith("AUTH_") && !ofAService.test(name)) ||
  ["DATABASE_URL", "CODE_KEYS", "FINGERPRINT_KEY", "SMS_PROVIDER"].includes(name)
)

/** The environment. It takes empty variables for not set. */
export const environment = ConfigProvider.fromEnv()

const isSet = (name: string) =>
  Config.option(Config.String(name)).parse(environment).pipe(Effect.map(Option.isSome), Effect.orDie)

const problemOf = (name: string, rule: string) =>
  Effect.map(isSet(name), (set) => {
    if (set) return `${name} is wrong: ${rule}`
    // That a text was expected is no news where there is none.
    return /^(Expected|must be) /.test(rule) ? `${name} is missing` : `${name} is missing: ${rule}`
  })

export interface Reader extends ReturnType<typeof makeReader> {}

/** Reads settings one by one and collects what is wrong with them. */
export const makeReader = () => {
  const problems: Array<string> = []

  const optional = Effect.fnUntraced(function*<A>(name: string, config: Config.Config<A>) {
    if (!(yield* isSet(name))) return undefined
    const result = yield* Effect.result(config.parse(environment))
    if (Result.isSuccess(result)) return result.success
    problems.push(`${name} is wrong: ${result.failure.cause.message.split("\n")[0]}`)
    return undefined
  })

  /** Several settings that belong together, whose error has a line for each that is wrong. */
  const together = Effect.fnUntraced(function*<A>(config: Config.Config<A>) {
    const result = yield* Effect.result(config.parse(environment))
    if (Result.isSuccess(result)) return result.success
    for (const text of result.failure.cause.message.replaceAll(/\s*\n\s*at /g, " at ").split("\n")) {
      const [, rule, name] = /^(.*) at \["(\w+)"\]$/.exec(text) ?? []
      const problem = name === undefined ? text : yield* problemOf(name, rule!)
      // Two providers may share a setting.
      if (!problems.includes(problem)) problems.push(problem)
    }
    return undefined
  })

  const required = Effect.fnUntraced(function*<A>(name: string, config: Config.Config<A>) {
    if (!(yield* isSet(name))) problems.push(`${name} is ${deploymentSettings.includes(name) ? "empty" : "missing"}`)
    return yield* optional(name, config)
  })

  return { problems, optional, required, together }
}
