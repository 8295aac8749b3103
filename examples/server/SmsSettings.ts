/**
 * The settings of delivery: who hands messages over and in which order, what they say, and where receipts go.
 */
import { Config, DateTime, Duration, Effect, Layer, Redacted, Result, Schema, SchemaGetter, type Scope } from "effect"
import { CodeGenerator, Notices, type SmsDelivery, SmsNotifier, SmsText, TestNumbers } from "effect-user-phone"
import * as ConsoleSmsNotifier from "effect-user-phone/adapters/ConsoleSmsNotifier"
import * as FailoverSmsNotifier from "effect-user-phone/adapters/FailoverSmsNotifier"
import * as IcuSmsText from "effect-user-phone/adapters/IcuSmsText"
import * as SnsSmsNotifier from "effect-user-phone/adapters/SnsSmsNotifier"
import * as TestSmsNotifier from "effect-user-phone/adapters/TestSmsNotifier"
import * as TwilioSmsNotifier from "effect-user-phone/adapters/TwilioSmsNotifier"
import * as TwilioVerify from "effect-user-phone/adapters/TwilioVerify"
import * as VonageSmsNotifier from "effect-user-phone/adapters/VonageSmsNotifier"
import * as WebhookSmsNotifier from "effect-user-phone/adapters/WebhookSmsNotifier"
import { SmsReceiptRoutes } from "effect-user-phone/http"
import * as LimitSettings from "./LimitSettings.ts"
import type { Reader } from "./SettingsReader.ts"
import * as TestNumberSettings from "./TestNumberSettings.ts"

type Needs = Layer.Services<ReturnType<typeof TwilioSmsNotifier.layer>>

export interface SmsSettings {
  /** In the order in which they are tried. */
  readonly providers: ReadonlyArray<string>
  /** How many numbers have a fixed code. */
  readonly testNumbers: number
  /** Whether providers are told where to report to. */
  readonly takesReceipts: boolean
  readonly delivery: SmsDelivery.SmsDeliveryOptions
  /** The notifier over all providers, the texts, who makes the codes, and whether notices are sent. */
  readonly layer: Layer.Layer<SmsNotifier.SmsNotifier | SmsText.SmsText, never, Needs>
}

type Make = Effect.Effect<SmsNotifier.SmsNotifier["Service"], never, Needs | Scope.Scope>

/** Makes a provider from the settings that it has of its own; undefined when these are wrong. */
type ReadProvider = (reader: Reader, callbackUrl: URL | undefined) => Effect.Effect<Make | undefined>

const providers = {
  console: () => Effect.succeed(Effect.succeed(ConsoleSmsNotifier.make)),
  twilio: (reader: Reader, callbackUrl: URL | undefined) =>
    Effect.map(
      reader.together(TwilioSmsNotifier.optionsConfig),
      (options) => options && TwilioSmsNotifier.make({ callbackUrl, ...defined(options) })
    ),
  vonage: (reader: Reader, callbackUrl: URL | undefined) =>
    Effect.map(
      reader.together(VonageSmsNotifier.optionsConfig),
      (options) => options && VonageSmsNotifier.make({ callbackUrl, ...defined(options) })
    ),
  sns: (reader: Reader) =>
    Effect.map(reader.together(SnsSmsNotifier.optionsConfig), (options) => options && SnsSmsNotifier.make(options)),
  webhook: (reader: Reader, callbackUrl: URL | undefined) =>
    Effect.map(
      reader.together(WebhookSmsNotifier.optionsConfig),
      // What would be refused is refused among the settings.
      (options) => options && Effect.orDie(WebhookSmsNotifier.make({ callbackUrl, ...defined(options) }))
    )
} satisfies Readonly<Record<string, ReadProvider>>

type ProviderName = keyof typeof providers

/** Without the fields that are not set. */
const defined = <A extends { readonly callbackUrl?: URL | undefined }>(options: A): A => {
  if (options.callbackUrl !== undefined) return options
  const { callbackUrl: _, ...others } = options
  return others as A
}

/** Reads them; in development mode messages go to the console. */
export const read = Effect.fnUntraced(function*(
  reader: Reader,
  { codePreset, development, production }: {
    readonly codePreset: keyof typeof CodeGenerator.presets
    readonly development: boolean
    readonly production: boolean
  }
) {
  const { optional, problems, required } = reader
  const publicUrl = yield* optional("PUBLIC_URL", PublicUrl)
  const names = development ? ["console"] as const : (yield* required("SMS_PROVIDER", Providers)) ?? []

  const made: Array<Effect.Effect<FailoverSmsNotifier.Provider, never, Needs | Scope.Scope>> = []
  for (const name of names) {
    const callbackUrl = publicUrl && new URL(`${publicUrl.href.replace(/\/+$/, "")}${SmsReceiptRoutes.path}/${name}`)
    const readProvider: ReadProvider = providers[name]
    const provider = yield* readProvider(reader, callbackUrl)
    if (provider !== undefined) made.push(Effect.map(provider, (notifier) => ({ name, notifier })))
  }

  const host = yield* optional("SMS_HOST", Config.String("SMS_HOST"))
  const defaultLanguage = yield* optional("SMS_LANGUAGE", Config.String("SMS_LANGUAGE"))
  const text = yield* Effect.result(IcuSmsText.make({ host, defaultLanguage }))
  if (Result.isFailure(text)) {
    problems.push(...new Set(text.failure.faults.map(problemOfTexts)))
  }
  const notices = yield* optional("PHONE_NOTICES", Config.Literals(["on", "off"], "PHONE_NOTICES"))

  const testNumbers = yield* readTestNumbers(reader, codePreset, production)
  const codes = yield* optional("CODE_PROVIDER", Config.Literals(["own", "twilio-verify"], "CODE_PROVIDER"))
  const verify = codes === "twilio-verify" ? yield* reader.together(TwilioVerify.optionsConfig) : undefined
  const lease = yield* duration(reader, "SMS_LEASE", "60s")
  const timeout = yield* duration(reader, "SMS_TIMEOUT", "10s")
  if (lease === undefined || timeout === undefined) return undefined
  const longest = [
    Duration.times(timeout, names.length),
    ...(verify === undefined ? [] : [TwilioVerify.longestStart]),
    ...(testNumbers.some(({ outcome }) => outcome === "slow") ? [TestSmsNotifier.slowness] : [])
  ].reduce(Duration.max)
  if (Duration.isGreaterThanOrEqualTo(Duration.times(longest, 2), lease)) {
    const rule = `longer than ${
      2 * Duration.toSeconds(longest)
    }s, twice what one message may take at all providers together`
    problems.push(`SMS_LEASE is wrong: it must be ${rule}`)
  }

  const [first, ...others] = made
  if (first === undefined || Result.isFailure(text)) return undefined
  const notifier = Effect.gen(function*() {
    const providers = FailoverSmsNotifier.make([yield* first, ...(yield* Effect.all(others))], { timeout })
    return TestSmsNotifier.make(testNumbers, providers)
  })
  const settings: SmsSettings = {
    providers: names,
    testNumbers: testNumbers.length,
    takesReceipts: publicUrl !== undefined,
    delivery: { lease },
    layer: Layer.mergeAll(
      Layer.effect(SmsNotifier.SmsNotifier, notifier),
      Layer.succeed(SmsText.SmsText, text.success),
      Layer.succeed(TestNumbers.TestNumbers, testNumbers),
      verify === undefined ? Layer.empty : TwilioVerify.layer(verify),
      notices === "off" ? Layer.succeed(Notices.Notices, "off") : Layer.empty
    )
  }
  return settings
})

/** Texts of one's own are no setting. */
const problemOfTexts = ({ message, remedy, rule, setting }: IcuSmsText.TextFault): string => {
  if (setting === "host") return `SMS_HOST is wrong: ${rule}; ${remedy}`
  return message === undefined
    ? `SMS_LANGUAGE is wrong: ${rule}; ${remedy}`
    : "SMS_LANGUAGE is wrong: there are no texts in this language; choose one of the languages in docs/sms-texts.md"
}

/** Numbers with fixed codes whose last day is not over. In production they would be a door that stands open, unless that is wanted. */
const readTestNumbers = Effect.fnUntraced(function*(
  { optional, problems }: Reader,
  codePreset: keyof typeof CodeGenerator.presets,
  production: boolean
) {
  const text = yield* optional("TEST_NUMBERS", Config.Redacted("TEST_NUMBERS"))
  const allowed = yield* optional("TEST_NUMBERS_IN_PRODUCTION", Config.Literal("1", "TEST_NUMBERS_IN_PRODUCTION"))
  if (text === undefined) return []
  if (production && allowed === undefined) {
    problems.push(
      "TEST_NUMBERS must not be set where NODE_ENV is production, unless TEST_NUMBERS_IN_PRODUCTION=1 allows it"
    )
  }
  const { alphabet, length } = CodeGenerator.presets[codePreset]
  const fits = (code: string) => code.length === length && Array.from(code).every((one) => alphabet.includes(one))
  const numbers = TestNumberSettings.parse(Redacted.value(text), fits)
  const now = yield* DateTime.now
  if (Result.isSuccess(numbers)) return numbers.success.filter(({ until }) => DateTime.isGreaterThan(until, now))
  problems.push(`TEST_NUMBERS is wrong: ${numbers.failure}`)
  return []
})

const duration = Effect.fnUntraced(function*({ optional, problems }: Reader, name: string, otherwise: string) {
  const text = (yield* optional(name, Config.String(name))) ?? otherwise
  const span = LimitSettings.durationOf(text)
  if (span !== undefined && !Duration.isZero(span)) return span
  problems.push(`${name} is wrong: a duration such as ${otherwise}`)
  return undefined
})

const ProviderNames = Schema.NonEmptyArray(Schema.Literals(Object.keys(providers) as [ProviderName])).check(
  Schema.makeFilter((names) => new Set(names).size === names.length || "must name each provider once")
)

/** Names with commas, each once. */
const Providers = Config.schema(
  Schema.String.pipe(
    Schema.decodeTo(ProviderNames, {
      decode: SchemaGetter.transform((text: string) => text.split(",").map((name) => name.trim()) as [ProviderName]),
      encode: SchemaGetter.transform((names: ReadonlyArray<string>) => names.join(","))
    })
  ),
  "SMS_PROVIDER"
)

const PublicUrl = Config.schema(
  Schema.URLFromString.check(
    Schema.makeFilter(({ hash, hostname, protocol, search }) =>
      ((protocol === "https:" || (protocol === "http:" && isLoopback(hostname))) && search === "" && hash === "") ||
      "must be the https URL at which providers reach this server, without a query"
    )
  ),
  "PUBLIC_URL"
)

const isLoopback = (hostname: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
