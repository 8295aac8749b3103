/** Settings of adapters, from any provider of configuration. */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Option } from "effect"
import * as CryptoCodeVault from "../../src/adapters/CryptoCodeVault.ts"
import { all, duration, optional } from "../../src/adapters/internal/AdapterSettings.ts"
import * as SnsSmsNotifier from "../../src/adapters/SnsSmsNotifier.ts"
import * as TwilioSmsNotifier from "../../src/adapters/TwilioSmsNotifier.ts"
import * as TwilioVerify from "../../src/adapters/TwilioVerify.ts"
import * as VonageSmsNotifier from "../../src/adapters/VonageSmsNotifier.ts"
import * as WebhookSmsNotifier from "../../src/adapters/WebhookSmsNotifier.ts"

const adapters: Readonly<Record<string, Config.Config<unknown>>> = {
  sns: SnsSmsNotifier.optionsConfig,
  twilio: TwilioSmsNotifier.optionsConfig,
  "twilio verify": TwilioVerify.optionsConfig,
  vonage: VonageSmsNotifier.optionsConfig,
  webhook: WebhookSmsNotifier.optionsConfig,
  keys: all(CryptoCodeVault.keysConfig)
}

const parse = <A>(config: Config.Config<A>, settings: Readonly<Record<string, string>>) =>
  config.parse(ConfigProvider.fromUnknown(settings))

describe("settings of adapters", () => {
  for (const [name, config] of Object.entries(adapters)) {
    it.effect(`are none where none is set, and may have a default: ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* parse(Config.option(config), {}), Option.none())
        assert.strictEqual(yield* parse(Config.withDefault(config, "default"), {}), "default")
      }))
  }

  it.effect("are told all at once where some are wrong, and have no default then", () =>
    Effect.gen(function*() {
      const settings = { VONAGE_API_KEY: "key", VONAGE_BASE_URL: "ftp://x", VONAGE_SIGNATURE_METHOD: "none" }
      for (const config of [VonageSmsNotifier.optionsConfig, Config.option(VonageSmsNotifier.optionsConfig)]) {
        const { message } = yield* Effect.flip(parse<unknown>(config, settings))
        for (const key of ["API_SECRET", "FROM", "BASE_URL", "SIGNATURE_METHOD"]) {
          assert.include(message, `VONAGE_${key}`)
        }
        assert.notInclude(message, "VONAGE_API_KEY")
      }
    }))

  it.effect("are durations in two forms, which are told where one is wrong", () =>
    Effect.gen(function*() {
      const read = (text: string) => parse(duration("LIFETIME"), { LIFETIME: text })
      for (
        const [text, seconds] of [["10s", 10], [" 5 m ", 300], ["1h", 3600], ["1d", 86_400], [
          "10 seconds",
          10
        ]] as const
      ) assert.strictEqual(Duration.toSeconds(yield* read(text)), seconds)
      for (
        const text of ["10", "s", "0s", "-1 seconds", "1.5h", "Infinity", "soon", "25h", "2d", "999999d", "0.1 millis"]
      ) {
        const { message } = yield* Effect.flip(read(text))
        assert.include(message, "LIFETIME must be a duration such as 10s or 10 seconds, at most 24 hours")
      }
      assert.isUndefined(yield* parse(optional(duration("LIFETIME")), {}))
    }))

  it.effect("are told all at once where some are missing", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(parse(VonageSmsNotifier.optionsConfig, { VONAGE_FROM: "Acme" }))
      for (const key of ["VONAGE_API_KEY", "VONAGE_API_SECRET"]) assert.include(message, key)
      const twilio = yield* Effect.flip(parse(TwilioSmsNotifier.optionsConfig, {}))
      assert.include(twilio.message, "TWILIO_ACCOUNT_SID")
      assert.include(twilio.message, "set it or TWILIO_MESSAGING_SERVICE_SID")
      const nested = yield* Effect.flip(parse(Config.nested(TwilioSmsNotifier.optionsConfig, "EU"), {}))
      for (const key of ["TWILIO_ACCOUNT_SID", "TWILIO_FROM"]) assert.include(nested.message, key)
      assert.notInclude(nested.message, "the settings")
    }))
})
