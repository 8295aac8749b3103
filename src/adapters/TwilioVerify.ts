/**
 * Codes that Twilio Verify v2 makes, sends by SMS and checks. Within the lifetime of a code, a number that is asked for
 * again gets the same code again, under the same id.
 *
 * Starting: https://www.twilio.com/docs/verify/api/verification; checking:
 * https://www.twilio.com/docs/verify/api/verification-check; refusals:
 * https://www.twilio.com/docs/verify/api/error-codes.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Unavailable } from "../core/Errors.ts"
import { type CheckOutcome, VerificationProvider } from "../core/VerificationProvider.ts"
import { address, all, duration, optional, wrongSetting } from "./internal/AdapterSettings.ts"
import * as LanguageTag from "./internal/LanguageTag.ts"
import { baseOf, isAccepted, makePostForm, unreadable } from "./internal/ProviderHttp.ts"
import { notSent, type Refusal } from "./internal/Refusal.ts"
import * as TwilioApi from "./internal/TwilioApi.ts"

export type { TwilioApiKey } from "./internal/TwilioApi.ts"

/**
 * A Verify Service and the account that it belongs to.
 *
 * @category options
 * @since 0.1.0
 */
export interface TwilioVerifyService {
  /** The account's SID, `AC` and 32 hexadecimal digits. */
  readonly accountSid: string
  /** The account's Auth Token, which signs in unless there is an API key. */
  readonly authToken?: Redacted.Redacted | undefined
  /** An API key, which signs in instead of the Auth Token. */
  readonly apiKey?: TwilioApi.TwilioApiKey | undefined
  /** The Verify Service's SID, `VA` and 32 hexadecimal digits. */
  readonly serviceSid: string
  /**
   * How long the service's codes are good for; 10 minutes by default, as at Twilio unless its support has changed it.
   */
  readonly lifetime?: Duration.Input | undefined
  /** The API's address; `https://verify.twilio.com` by default. */
  readonly baseUrl?: string | undefined
}

/**
 * A service with something to sign in with.
 *
 * @category options
 * @since 0.1.0
 */
export type TwilioVerifyOptions = TwilioVerifyService & TwilioApi.TwilioCredentials

const requestTimeout = Duration.seconds(10)

/**
 * How long the start of a verification may take: it is two requests at most.
 *
 * @category constants
 * @since 0.1.0
 */
export const longestStart = Duration.times(requestTimeout, 2)

/**
 * The provider itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: TwilioVerifyOptions
): Effect.Effect<VerificationProvider, never, HttpClient.HttpClient> =>
  Effect.map(makePostForm, (postForm) => {
    const base = baseOf(options.baseUrl ?? "https://verify.twilio.com")
    const service = `${base}/v2/Services/${encodeURIComponent(options.serviceSid)}`
    const verifications = TwilioApi.post(`${service}/Verifications`, options)
    const checks = TwilioApi.post(`${service}/VerificationCheck`, options)

    const post = (...request: Parameters<typeof postForm>) =>
      Effect.timeoutOrElse(postForm(...request), {
        duration: requestTimeout,
        orElse: () => Effect.fail(notSent("Transient", "timeout"))
      })

    return {
      id: "twilio-verify",
      lifetime: Duration.fromInputUnsafe(options.lifetime ?? "10 minutes"),

      start: Effect.fn("TwilioVerify.start")(function*({ language, recipient }) {
        const form = { To: Redacted.value(recipient), Channel: "sms" }
        const locale = language === undefined ? undefined : localeOf(language)
        const first = yield* post(verifications, { ...form, Locale: locale })
        // A template may lack the language, which is refused as if the service did not exist. Nothing was sent then.
        const answer = first.status === 404 && locale !== undefined ? yield* post(verifications, form) : first
        if (!isAccepted(answer)) return yield* TwilioApi.refusalOf(answer, refusals)
        const started = decodeStarted(answer.body)
        if (Option.isNone(started)) return yield* unreadable
        return { verificationId: started.value.sid }
      }),

      check: Effect.fn("TwilioVerify.check")(function*({ guess, verificationId }) {
        const form = { VerificationSid: verificationId, Code: Redacted.value(guess) }
        const answer = yield* Effect.mapError(
          post(checks, form),
          ({ reason }) => unavailable(reason._tag === "Transient" ? reason.cause : reason._tag)
        )
        if (isAccepted(answer)) {
          const checked = decodeChecked(answer.body)
          if (Option.isNone(checked)) return yield* unavailable("unreadable answer")
          return outcomes[checked.value.status]
        }
        const code = TwilioApi.codeOf(answer, refusedChecks)
        const outcome = code === undefined ? undefined : refusedChecks[code]
        return outcome ?? (yield* unavailable(`HTTP ${answer.status}${code === undefined ? "" : `, code ${code}`}`))
      })
    }
  })

/**
 * Sets the reference `VerificationProvider`. The operations and the delivery worker both need it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: TwilioVerifyOptions): Layer.Layer<never, never, HttpClient.HttpClient> =>
  Layer.effect(VerificationProvider, make(options))

const lifetimeConfig = optional(duration("TWILIO_VERIFY_LIFETIME")).pipe(
  Config.mapEffect((lifetime) =>
    lifetime === undefined || Duration.isGreaterThanOrEqualTo(lifetime, Duration.minutes(2))
      ? Effect.succeed(lifetime)
      : wrongSetting("TWILIO_VERIFY_LIFETIME", "must be at least 2 minutes")
  )
)

/**
 * The settings `TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN`, `TWILIO_API_KEY_SID` and `TWILIO_API_KEY_SECRET`,
 * `TWILIO_VERIFY_SERVICE_SID`, `TWILIO_VERIFY_LIFETIME` and `TWILIO_VERIFY_BASE_URL`.
 *
 * @category config
 * @since 0.1.0
 */
export const optionsConfig: Config.Config<TwilioVerifyOptions> = all({
  account: TwilioApi.accountConfig,
  serviceSid: Config.schema(TwilioApi.sid("VA"), "TWILIO_VERIFY_SERVICE_SID"),
  lifetime: lifetimeConfig,
  baseUrl: optional(address("TWILIO_VERIFY_BASE_URL"))
}).pipe(Config.map(({ account, baseUrl, ...rest }) => ({ ...rest, ...account, baseUrl: baseUrl?.href })))

/**
 * With options from configuration, by default those of `optionsConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<TwilioVerifyOptions> = optionsConfig
): Layer.Layer<never, Config.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(VerificationProvider, Effect.flatMap(Config.unwrap<TwilioVerifyOptions>(options), make))

/**
 * The kind of refusal for each of Twilio's codes when a verification is started. For others, the HTTP status decides.
 */
const refusals: Readonly<Record<number, Refusal>> = {
  10001: "AccountRefused", // the account is not active
  20003: "AccountRefused", // wrong credentials, or the account is suspended or without funds
  20005: "AccountRefused", // the account is not active
  20008: "AccountRefused", // test credentials cannot do this
  20403: "AccountRefused", // the credentials may not do this
  20404: "AccountRefused", // there is no such service
  20429: "Throttled", // too many requests at once
  21211: "Permanent", // the recipient's number is not valid
  21408: "DestinationRefused", // the account does not send to this region
  21608: "DestinationRefused", // a trial account sends to numbers only that it has verified
  21610: "OptedOut", // the recipient has answered STOP to this sender
  21614: "Permanent", // the recipient's number is not a mobile one
  60200: "Permanent", // a parameter is not valid, such as the recipient's number
  60201: "AccountRefused", // the template's translation is not approved
  60202: "Throttled", // too many guesses at the code before, until that expires
  60203: "Throttled", // the code was sent five times, until it expires
  60204: "AccountRefused", // the service lacks a feature
  60205: "Permanent", // the recipient's number is a landline
  60206: "AccountRefused", // the service wants an amount and a payee
  60212: "Throttled", // too many requests at once for this number
  60217: "AccountRefused", // the service is not set up right
  60220: "Permanent", // the account may not send to China
  60223: "AccountRefused", // SMS is switched off in the service
  60238: "Permanent", // Twilio blocks this country, or the account while it is reviewed
  60410: "Permanent", // numbers that begin like this one are blocked for 12 hours, for suspected fraud
  60605: "Permanent", // the account does not verify numbers of this country
  575001: "AccountRefused" // a trial account that may not use Verify
}

/** What the states of a verification say about a guess. */
const outcomes = {
  approved: "right",
  pending: "wrong",
  canceled: "expired",
  deleted: "expired",
  expired: "expired",
  failed: "expired",
  max_attempts_reached: "spent"
} as const satisfies Record<string, CheckOutcome>

/** Codes for a refused check that say something about the guess, whatever their HTTP status. */
const refusedChecks: Readonly<Record<number, CheckOutcome>> = {
  20404: "expired", // unknown: it has expired, or was approved before
  60200: "wrong", // no code could look like this
  60202: "spent", // there were five guesses
  60431: "expired" // unknown
}

/** Nothing else of Twilio's answer is kept, since it quotes the number. */
const decodeStarted = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ sid: TwilioApi.sid("VE") })))

const decodeChecked = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({ status: Schema.Literals(Object.keys(outcomes) as Array<keyof typeof outcomes>) })
  )
)

const unavailable = (cause: string) => new Unavailable({ cause: `Twilio Verify: ${cause}` })

/** Languages of Twilio's default template: https://www.twilio.com/docs/verify/supported-languages. */
const locales = new Set(
  ("af ar ca cs da de el en es et fi fr he hi hr hu id it ja kn ko lt mr ms nb nl pl pt pt-BR ro ru sk sv te th tl tr uk "
    + "vi zh zh-HK").split(" ")
)

/** Twilio's name for a language, or undefined if Twilio is to choose by the number's country. */
const localeOf = (language: string): string | undefined => {
  const tags = LanguageTag.lookup(language)
  // Twilio calls Filipino `tl`, and its `zh` is written in simplified characters.
  if (tags.includes("fil")) return "tl"
  return tags.find((tag) => locales.has(tag) && !(tag === "zh" && tags.includes("zh-Hant")))
}
