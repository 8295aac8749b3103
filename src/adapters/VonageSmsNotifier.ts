/**
 * SMS through Vonage's SMS API, and the delivery receipts that it sends.
 *
 * Refusals: https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms; signatures of receipts:
 * https://developer.vonage.com/en/getting-started/concepts/signing-messages.
 */
import * as Config from "effect/Config"
import * as Digest from "effect/crypto/Digest"
import * as Mac from "effect/crypto/Mac"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { inSpan } from "../core/internal/Span.ts"
import { type ReadReceipt, type Receipt, type ReceiptCallback, SmsNotifier } from "../core/SmsNotifier.ts"
import { address, all, optional, secret } from "./internal/AdapterSettings.ts"
import {
  type Answer,
  baseOf,
  callbackUrlOf,
  isAccepted,
  makePostForm,
  unreadable,
  utf8
} from "./internal/ProviderHttp.ts"
import { notSent, ofStatus, type Refusal } from "./internal/Refusal.ts"
import * as SmsSegments from "./SmsSegments.ts"

/**
 * An account, its sender, and how its receipts are read.
 *
 * @category options
 * @since 0.1.0
 */
export interface VonageOptions {
  readonly apiKey: string
  readonly apiSecret: Redacted.Redacted
  /** The sender: a number or a word of at most 11 letters and digits. */
  readonly from: string
  /** What receipts are signed with; it is not the API secret. Without it no receipts are read. */
  readonly signatureSecret?: Redacted.Redacted | undefined
  /** How receipts are signed, as chosen in Vonage's dashboard; `sha256` by default. */
  readonly signatureMethod?: SignatureMethod | undefined
  /**
   * Where Vonage is to report to, such as `https://phone.example.com/sms-receipts/vonage`; a slash and the receipt id
   * are added to its path. Without it Vonage reports to the URL in the account's settings.
   */
  readonly callbackUrl?: URL | undefined
  /** The API's address; `https://rest.nexmo.com` by default. */
  readonly baseUrl?: string | undefined
}

/**
 * HMAC-SHA-256, or the MD5 of the parameters and the secret, which is what an account has until it chooses.
 *
 * @category options
 * @since 0.1.0
 */
export type SignatureMethod = "sha256" | "md5hash"

/** What this adapter needs. */
type Needs = HttpClient.HttpClient | Mac.Mac | Digest.Digest

/**
 * The notifier itself, for a failover over several.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: VonageOptions) {
  const postForm = yield* makePostForm
  const { callbackUrl, signatureMethod = "sha256", signatureSecret } = options
  const base = baseOf(options.baseUrl ?? "https://rest.nexmo.com")
  const request = HttpClientRequest.post(`${base}/sms/json`)

  const receipts = new Map<string, ReadReceipt>()
  if (signatureSecret !== undefined) {
    receipts.set("vonage", makeReadReceipt(yield* makeIsSigned(signatureSecret, signatureMethod)))
  }

  return SmsNotifier.of({
    send: Effect.fnUntraced(function*(sms) {
      const text = Redacted.value(sms.text)
      const answer = yield* postForm(request, {
        api_key: options.apiKey,
        api_secret: Redacted.value(options.apiSecret),
        from: withoutPlus(options.from),
        to: withoutPlus(Redacted.value(sms.recipient)),
        text,
        type: SmsSegments.count(text).encoding === "GSM-7" ? undefined : "unicode",
        callback: callbackUrl && callbackUrlOf(callbackUrl, sms.receiptId),
        "client-ref": referenceOf(sms.receiptId)
      })
      return { provider: "vonage", reference: yield* referenceIn(answer) }
    }, inSpan("VonageSmsNotifier.send")),
    receipts
  })
})

/**
 * With these options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: VonageOptions): Layer.Layer<SmsNotifier, never, Needs> =>
  Layer.effect(SmsNotifier, make(options))

/**
 * The settings `VONAGE_API_KEY`, `VONAGE_API_SECRET`, `VONAGE_FROM`, `VONAGE_SIGNATURE_SECRET`,
 * `VONAGE_SIGNATURE_METHOD`, `VONAGE_CALLBACK_URL` and `VONAGE_BASE_URL`.
 *
 * @category config
 * @since 0.1.0
 */
export const optionsConfig: Config.Config<VonageOptions> = all({
  apiKey: Config.NonEmptyString("VONAGE_API_KEY"),
  apiSecret: secret("VONAGE_API_SECRET"),
  from: Config.NonEmptyString("VONAGE_FROM"),
  signatureSecret: optional(secret("VONAGE_SIGNATURE_SECRET")),
  signatureMethod: optional(Config.Literals(["sha256", "md5hash"], "VONAGE_SIGNATURE_METHOD")),
  callbackUrl: optional(address("VONAGE_CALLBACK_URL")),
  baseUrl: Config.map(optional(address("VONAGE_BASE_URL")), (url) => url?.href)
})

/**
 * With options from configuration, by default those of `optionsConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<VonageOptions> = optionsConfig
): Layer.Layer<SmsNotifier, Config.ConfigError, Needs> =>
  Layer.effect(SmsNotifier, Effect.flatMap(Config.unwrap<VonageOptions>(options), make))

/** The part of a receipt id that fits what Vonage keeps with a message: its end, which cannot be guessed. */
const referenceOf = (receiptId: string): string => receiptId.slice(-40)

/** The kind of refusal for each `status` of a message; 0 is accepted. A status that is not here is refused for good. */
const refusals: Readonly<Record<string, Refusal>> = {
  1: "Throttled", // faster than the account may send
  2: "Permanent", // a parameter is missing
  3: "Permanent", // a parameter is not valid
  4: "AccountRefused", // wrong credentials, or the key is disabled
  5: "Transient", // an error within Vonage
  6: "Permanent", // the message cannot be processed, such as for a prefix that is not known
  7: "Permanent", // the number is barred
  8: "AccountRefused", // the account is suspended
  9: "AccountRefused", // the account is without funds
  10: "Throttled", // too many connections at once
  11: "AccountRefused", // the account is not set up for this API
  12: "Permanent", // the text is too long
  13: "Transient", // a connection within Vonage failed
  14: "AccountRefused", // the account wants signed requests
  15: "DestinationRefused", // the sender is not allowed for this destination
  19: "AccountRefused", // the account lacks a feature
  22: "Permanent", // the network code is not valid
  23: "AccountRefused", // the callback URL is not valid
  29: "DestinationRefused", // a trial account sends to listed numbers only
  32: "AccountRefused", // the account wants signed requests, without the API secret
  33: "Permanent" // the number is no longer in use
}

const decodeAnswer = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({
  messages: Schema.NonEmptyArray(Schema.Struct({
    status: Schema.String.check(Schema.isPattern(/^\d{1,3}$/)),
    "message-id": Schema.optionalKey(Schema.String)
  }))
})))

/** The id of the accepted message. A long message has several parts, and is accepted only if each of them is. */
const referenceIn = Effect.fnUntraced(function*(answered: Answer) {
  const { body, retryAfter, status } = answered
  const answer = Option.getOrUndefined(decodeAnswer(body))
  const refused = answer?.messages.find((part) => part.status !== "0")
  if (refused !== undefined) {
    const refusal = refusals[refused.status] ?? "Permanent"
    return yield* notSent(refusal, refusal === "Transient" ? `status ${refused.status}` : refused.status, retryAfter)
  }
  if (!isAccepted(answered)) return yield* notSent(ofStatus(status), `HTTP ${status}`, retryAfter)
  if (answer === undefined) return yield* unreadable
  return answer.messages[0]["message-id"]
})

/** Vonage wants numbers without their plus sign. */
const withoutPlus = (sender: string): string => sender.replace(/^\+(?=\d+$)/, "")

type Parameters = ReadonlyArray<readonly [name: string, value: string]>

/** Whether a receipt's `sig` belongs to its other parameters. */
const makeIsSigned = Effect.fnUntraced(function*(signatureSecret: Redacted.Redacted, method: SignatureMethod) {
  const mac = yield* Mac.Mac
  const digest = yield* Digest.Digest
  const secretText = Redacted.value(signatureSecret)
  const key = yield* Mac.key(Mac.hmacSha256, utf8(secretText))

  return Effect.fnUntraced(function*(parameters: Parameters) {
    const signature = Result.getOrUndefined(Hex.decode(parameters.find(([name]) => name === "sig")?.[1] ?? ""))
    if (signature === undefined) return false
    const signed = parameters.filter(([name]) => name !== "sig")
      .toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
      .map(([name, value]) => `&${name}=${value.replace(/[&=]/g, "_")}`)
      .join("")
    return method === "sha256"
      ? yield* mac.verify(key, signature, utf8(signed))
      : Mac.timingSafeEqual(signature, yield* digest.digest(Digest.md5, utf8(signed + secretText)))
  }, Effect.orDie)
}, Effect.orDie)

/**
 * Reads receipts that are signed and name the message themselves: the signature does not cover the URL, so a receipt of
 * another message could be sent there. A receipt that comes twice says the same twice, so its time is not checked.
 */
const makeReadReceipt = (isSigned: (parameters: Parameters) => Effect.Effect<boolean>): ReadReceipt =>
  Effect.fnUntraced(function*(callback) {
    const parameters = parametersOf(callback)
    const fields = new Map(parameters)
    // In the signed text, separators in names are kept, unlike those in values, so that one signature could fit two
    // readings.
    if (parameters.some(([name]) => /[&=]/.test(name))) return undefined
    if (fields.get("client-ref") !== referenceOf(callback.receiptId) || !(yield* isSigned(parameters))) return undefined
    return receiptOf(fields)
  })

const decodeFields = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite])))
)

/** Vonage reports by query, form or JSON, as the account is set up. */
const parametersOf = ({ body, headers, query }: ReceiptCallback): Parameters => {
  if (body === "") return Array.from(new URLSearchParams(query))
  return headers["content-type"]?.startsWith("application/json") === true
    ? Object.entries(Option.getOrElse(decodeFields(body), () => ({}))).map(([name, value]) => [name, String(value)])
    : Array.from(new URLSearchParams(body))
}

const receiptOf = (fields: ReadonlyMap<string, string>): Receipt | undefined => {
  const status = fields.get("status")
  if (status === "delivered") return { status }
  if (status !== "failed" && status !== "rejected" && status !== "expired") return undefined
  const code = fields.get("err-code") ?? ""
  return { status: "failed", code: /^\d{1,3}$/.test(code) ? code : status }
}
