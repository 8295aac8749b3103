/**
 * SMS through Twilio's Messages API, and the status callbacks that it sends.
 *
 * Refusals: https://www.twilio.com/docs/api/errors; callbacks: https://www.twilio.com/docs/usage/security.
 */
import * as Config from "effect/Config"
import * as Digest from "effect/crypto/Digest"
import * as Mac from "effect/crypto/Mac"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { inSpan } from "../core/internal/Span.ts"
import { type ReadReceipt, type Receipt, SmsNotifier } from "../core/SmsNotifier.ts"
import { absent, address, all, optional } from "./internal/AdapterSettings.ts"
import { baseOf, callbackUrlOf, isAccepted, makePostForm, unreadable, utf8 } from "./internal/ProviderHttp.ts"
import type { Refusal } from "./internal/Refusal.ts"
import * as TwilioApi from "./internal/TwilioApi.ts"

export type { TwilioApiKey } from "./internal/TwilioApi.ts"

/**
 * An account, its sender, and where it reports to.
 *
 * @category options
 * @since 0.1.0
 */
export interface TwilioAccount {
  /** The account's SID, `AC` and 32 hexadecimal digits. */
  readonly accountSid: string
  /** The account's Auth Token. It checks receipts, and signs in unless there is an API key. */
  readonly authToken?: Redacted.Redacted | undefined
  /** An API key, which signs in instead of the Auth Token. It cannot check receipts. */
  readonly apiKey?: TwilioApi.TwilioApiKey | undefined
  /** The sender: a number in E.164 form, a short code, or a word of at most 11 letters and digits. */
  readonly from?: string | undefined
  /** The SID of a Messaging Service, which picks the sender; with `from`, only among the service's own. */
  readonly messagingServiceSid?: string | undefined
  /**
   * Where Twilio is to report to, such as `https://phone.example.com/sms-receipts/twilio`; a slash and the receipt id
   * are added to its path. Without it, or without the Auth Token, no receipts are read.
   */
  readonly callbackUrl?: URL | undefined
  /** The API's address; `https://api.twilio.com` by default. */
  readonly baseUrl?: string | undefined
}

/**
 * An account with something to sign in with, and a sender.
 *
 * @category options
 * @since 0.1.0
 */
export type TwilioOptions =
  & TwilioAccount
  & TwilioApi.TwilioCredentials
  & ({ readonly from: string } | { readonly messagingServiceSid: string })

/** What this adapter needs. */
type Needs = HttpClient.HttpClient | Mac.Mac | Digest.Digest

/**
 * The notifier itself, for a failover over several.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: TwilioOptions) {
  const postForm = yield* makePostForm
  const { accountSid, authToken, callbackUrl } = options
  const base = baseOf(options.baseUrl ?? "https://api.twilio.com")
  const messages = `${base}/2010-04-01/Accounts/${encodeURIComponent(accountSid)}/Messages.json`
  const request = TwilioApi.post(messages, options)

  const receipts = new Map<string, ReadReceipt>()
  if (authToken !== undefined && callbackUrl !== undefined) {
    receipts.set("twilio", yield* makeReadReceipt(authToken, callbackUrl))
  }

  return SmsNotifier.of({
    send: Effect.fnUntraced(function*(sms) {
      const answer = yield* postForm(request, {
        To: Redacted.value(sms.recipient),
        Body: Redacted.value(sms.text),
        From: options.from,
        MessagingServiceSid: options.messagingServiceSid,
        StatusCallback: callbackUrl && callbackUrlOf(callbackUrl, sms.receiptId)
      })
      if (!isAccepted(answer)) return yield* TwilioApi.refusalOf(answer, refusals)
      const accepted = decodeAccepted(answer.body)
      if (Option.isNone(accepted)) return yield* unreadable
      return { provider: "twilio", reference: accepted.value.sid }
    }, inSpan("TwilioSmsNotifier.send")),
    receipts
  })
})

/**
 * With these options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: TwilioOptions): Layer.Layer<SmsNotifier, never, Needs> =>
  Layer.effect(SmsNotifier, make(options))

const senderConfig = all({
  from: optional(Config.NonEmptyString("TWILIO_FROM")),
  messagingServiceSid: optional(Config.NonEmptyString("TWILIO_MESSAGING_SERVICE_SID"))
}).pipe(Config.flatMap(({ from, messagingServiceSid }) => {
  const sender = messagingServiceSid ? { messagingServiceSid, from } : from && { from }
  return sender ? Config.succeed(sender) : absent("TWILIO_FROM", "set it or TWILIO_MESSAGING_SERVICE_SID")
}))

/**
 * The settings `TWILIO_ACCOUNT_SID`, `TWILIO_AUTH_TOKEN`, `TWILIO_API_KEY_SID` and `TWILIO_API_KEY_SECRET`,
 * `TWILIO_FROM`, `TWILIO_MESSAGING_SERVICE_SID`, `TWILIO_CALLBACK_URL` and `TWILIO_BASE_URL`.
 *
 * @category config
 * @since 0.1.0
 */
export const optionsConfig: Config.Config<TwilioOptions> = all({
  account: TwilioApi.accountConfig,
  sender: senderConfig,
  callbackUrl: optional(address("TWILIO_CALLBACK_URL")),
  baseUrl: optional(address("TWILIO_BASE_URL"))
}).pipe(
  Config.map(({ account, baseUrl, sender, ...rest }) => ({ ...rest, ...account, ...sender, baseUrl: baseUrl?.href }))
)

/**
 * With options from configuration, by default those of `optionsConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<TwilioOptions> = optionsConfig
): Layer.Layer<SmsNotifier, Config.ConfigError, Needs> =>
  Layer.effect(SmsNotifier, Effect.flatMap(Config.unwrap<TwilioOptions>(options), make))

/** The kind of refusal for each of Twilio's codes. For a code that is not here, the HTTP status decides. */
const refusals: Readonly<Record<number, Refusal>> = {
  10001: "AccountRefused", // the account is not active
  14107: "Throttled", // too many messages at once
  20003: "AccountRefused", // wrong credentials, or the account is suspended or without funds
  20005: "AccountRefused", // the account is not active
  20403: "AccountRefused", // the credentials may not do this
  20404: "AccountRefused", // there is no such account
  20429: "Throttled", // too many requests at once
  21211: "Permanent", // the recipient's number is not valid
  21212: "AccountRefused", // the sender is not valid
  21214: "Permanent", // the recipient's number cannot be reached
  21265: "Permanent", // the recipient is a short code
  21266: "Permanent", // recipient and sender are the same
  21408: "DestinationRefused", // the account does not send to this region
  21601: "AccountRefused", // the sender cannot send SMS
  21603: "AccountRefused", // there is no sender
  21606: "DestinationRefused", // the sender is not the account's, or not for this destination
  21608: "DestinationRefused", // a trial account sends to numbers only that it has verified
  21609: "AccountRefused", // the callback URL is not valid
  21610: "OptedOut", // the recipient has answered STOP to this sender
  21611: "Throttled", // the sender's queue is full
  21612: "DestinationRefused", // this recipient cannot be reached from this sender
  21614: "Permanent", // the recipient's number is not a mobile one
  21617: "Permanent", // the text is too long
  21635: "Permanent", // the recipient's number is a landline
  21659: "DestinationRefused", // the sender is not one of Twilio's, or not for this destination
  21660: "AccountRefused", // the sender is another account's
  21661: "AccountRefused", // the sender cannot send SMS
  21701: "AccountRefused", // there is no such Messaging Service
  21703: "AccountRefused", // the Messaging Service has no sender
  21705: "AccountRefused", // the Messaging Service's SID is not valid
  30001: "Throttled", // the queue is full
  30002: "AccountRefused", // the account is suspended
  60728: "Throttled", // the account's messages of this hour are used up
  63017: "Throttled", // the account sends faster than it may
  63038: "Throttled" // the account's messages of this day are used up
}

const decodeAccepted = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ sid: Schema.String })))

/** Reads the callbacks that are signed with this token. */
const makeReadReceipt = Effect.fnUntraced(function*(authToken: Redacted.Redacted, callbackUrl: URL) {
  const mac = yield* Mac.Mac
  const digest = yield* Digest.Digest
  const key = yield* Mac.key(Mac.hmacSha1, utf8(Redacted.value(authToken)))

  const read: ReadReceipt = Effect.fnUntraced(function*({ body, headers, query, receiptId }) {
    const signature = Result.getOrUndefined(Base64.decode(headers["x-twilio-signature"] ?? ""))
    if (signature === undefined) return undefined
    // The signature covers the URL and the fields of a form. Any other body is covered by its hash, which is in the
    // signed URL.
    const bodyHash = new URLSearchParams(query).get("bodySHA256")
    const form = new URLSearchParams(body)
    if (bodyHash !== null && bodyHash !== (yield* digest.digestHex(Digest.sha256, utf8(body)))) return undefined
    const parameters = bodyHash === null ? joined(form) : ""
    for (const url of spellings(callbackUrlOf(callbackUrl, receiptId))) {
      const signed = utf8(`${url}${query === "" ? "" : `?${query}`}${parameters}`)
      if (yield* mac.verify(key, signature, signed)) {
        return receiptOf(
          bodyHash === null ? Object.fromEntries(form) : Option.getOrElse(decodeFields(body), () => ({}))
        )
      }
    }
    return undefined
  }, Effect.orDie)
  return read
}, Effect.orDie)

/** Parameters sorted by name, each name and value joined without anything in between. */
const joined = (form: URLSearchParams): string =>
  Array.from(form, ([name, value]) => ({ name, value }))
    .toSorted((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
    .map(({ name, value }) => name + value)
    .join("")

/** Twilio signs some URLs with the port and some without. */
const spellings = (url: string): ReadonlyArray<string> => {
  const { host, hostname, port, protocol } = new URL(url)
  const other = port === "" ? `${hostname}:${protocol === "https:" ? 443 : 80}` : hostname
  return [url, url.replace(`//${host}`, `//${other}`)]
}

const decodeFields = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

const receiptOf = ({ ErrorCode, MessageStatus }: Readonly<Record<string, unknown>>): Receipt | undefined => {
  if (MessageStatus === "delivered") return { status: "delivered" }
  if (MessageStatus !== "undelivered" && MessageStatus !== "failed") return undefined
  return { status: "failed", code: /^\d{1,5}$/.test(String(ErrorCode)) ? String(ErrorCode) : MessageStatus }
}
