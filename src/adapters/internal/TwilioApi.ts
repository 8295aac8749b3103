/**
 * What all of Twilio's APIs share: how an account signs in, the settings for that, and how a refusal is read.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { SmsNotSent } from "../../core/SmsNotifier.ts"
import { all, optional, secret, wrong } from "./AdapterSettings.ts"
import type { Answer } from "./ProviderHttp.ts"
import { notSent, ofStatus, type Refusal } from "./Refusal.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface TwilioApiKey {
  /** The key's SID, which starts with `SK`. */
  readonly sid: string
  readonly secret: Redacted.Redacted
}

/** Something to sign in with. */
export type TwilioCredentials = { readonly authToken: Redacted.Redacted } | { readonly apiKey: TwilioApiKey }

/** A request that is signed in with the API key, or else with the Auth Token. */
export const post = (
  url: string,
  { accountSid, apiKey, authToken }: {
    readonly accountSid: string
    readonly authToken?: Redacted.Redacted | undefined
    readonly apiKey?: TwilioApiKey | undefined
  }
): HttpClientRequest.HttpClientRequest => {
  const [user, password] = apiKey === undefined ? [accountSid, authToken!] : [apiKey.sid, apiKey.secret]
  return HttpClientRequest.basicAuth(HttpClientRequest.post(url), user, password)
}

/** A SID: two letters for the kind of thing that it names, and 32 hexadecimal digits. */
export const sid = (letters: string) =>
  Schema.String.check(
    Schema.isPattern(new RegExp(`^${letters}[0-9a-fA-F]{32}$`), { expected: `${letters} and 32 hexadecimal digits` })
  )

/** The settings `TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN`, `TWILIO_API_KEY_SID` and `TWILIO_API_KEY_SECRET`. */
export const accountConfig = all({
  accountSid: Config.schema(sid("AC"), "TWILIO_ACCOUNT_SID"),
  authToken: optional(secret("TWILIO_AUTH_TOKEN")),
  apiKeySid: optional(Config.NonEmptyString("TWILIO_API_KEY_SID")),
  apiKeySecret: optional(secret("TWILIO_API_KEY_SECRET"))
}).pipe(Config.mapEffect(({ accountSid, apiKeySecret, apiKeySid, authToken }) => {
  if ((apiKeySid === undefined) !== (apiKeySecret === undefined)) {
    return wrong("set TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET together")
  }
  const apiKey = apiKeySid && apiKeySecret && { sid: apiKeySid, secret: apiKeySecret }
  const credentials = apiKey ? { apiKey, authToken } : authToken && { authToken }
  if (!credentials) return wrong("set TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET")
  return Effect.succeed({ accountSid, ...credentials })
}))

const decodeRefused = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ code: Schema.Int.check(Schema.isGreaterThan(0)) }))
)

/** Twilio's code for a refusal, if it is one of `known` or has the usual form of at most five digits. */
export const codeOf = ({ body }: Answer, known: Readonly<Record<number, unknown>>): number | undefined => {
  const code = Option.getOrUndefined(decodeRefused(body))?.code
  return code === undefined || (code > 99_999 && !Object.hasOwn(known, code)) ? undefined : code
}

/** The error for a refusal: by the table's entry for its code, or else by its HTTP status. */
export const refusalOf = (answer: Answer, refusals: Readonly<Record<number, Refusal>>): SmsNotSent => {
  const { retryAfter, status } = answer
  const code = codeOf(answer, refusals)
  const refusal = (code === undefined ? undefined : refusals[code]) ?? ofStatus(status)
  return notSent(refusal, code === undefined || refusal === "Transient" ? `HTTP ${status}` : String(code), retryAfter)
}
