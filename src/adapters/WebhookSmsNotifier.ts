/**
 * SMS through a webhook of the operator's own, signed by Standard Webhooks (https://www.standardwebhooks.com). The body
 * is that of ZITADEL's HTTP provider, followed by what else is known of the message, so that a receiver written for
 * either works. A receiver may report what became of a message, signed the same way.
 */
import * as Config from "effect/Config"
import * as Mac from "effect/crypto/Mac"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { inSpan } from "../core/internal/Span.ts"
import { type ReadReceipt, type Receipt, type Sms, SmsNotifier } from "../core/SmsNotifier.ts"
import { address, all, optional, wrongSetting } from "./internal/AdapterSettings.ts"
import { type Answer, callbackUrlOf, isAccepted, makePost, utf8 } from "./internal/ProviderHttp.ts"
import { notSent, ofStatus } from "./internal/Refusal.ts"

/**
 * Where messages are posted to, and what they are signed with.
 *
 * @category options
 * @since 0.1.0
 */
export interface WebhookOptions {
  /** Where messages are posted to; https, unless it is this machine. */
  readonly url: URL
  /**
   * The bytes of the secrets, at least 24 each. Each of them signs, so that a receiver may know either the old one or
   * the new one.
   */
  readonly secrets: readonly [Redacted.Redacted<Uint8Array>, ...Array<Redacted.Redacted<Uint8Array>>]
  /**
   * Where the receiver may report to, such as `https://phone.example.com/sms-receipts/webhook`; a slash and the receipt
   * id are added to its path. The receiver gets the address with each message. Without it, no receipts are read.
   */
  readonly callbackUrl?: URL | undefined
}

/** What this adapter needs. */
type Needs = HttpClient.HttpClient | Mac.Mac

/**
 * The options would give away number and code, or accept reports that anybody can sign.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookRefused extends Schema.TaggedError<WebhookRefused>()("WebhookRefused", { rule: Schema.String }) {
  override get message() {
    return `webhook refused: ${this.rule}`
  }
}

const isSafe = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && loopback.test(hostname))

const shortestSecret = 24

const faultOf = ({ secrets, url }: WebhookOptions): string | undefined => {
  if (!isSafe(url)) return "url must be https: number and code are in what is posted there"
  if (secrets.length === 0) return "there must be a secret"
  return secrets.every((secret) => Redacted.value(secret).length >= shortestSecret)
    ? undefined
    : `each secret must be at least ${shortestSecret} bytes`
}

/**
 * The notifier itself, for a failover over several.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: WebhookOptions) {
  const rule = faultOf(options)
  if (rule !== undefined) return yield* new WebhookRefused({ rule })
  const { callbackUrl, secrets, url } = options
  const post = yield* makePost
  const mac = yield* Mac.Mac
  const keys = yield* Effect.orDie(
    Effect.forEach(secrets, (secret) => Mac.key(Mac.hmacSha256, Redacted.value(secret)))
  )

  const sign = Effect.fnUntraced(function*(id: string, timestamp: string, body: string) {
    const tags = yield* Effect.forEach(keys, (key) => mac.sign(key, signedText(id, timestamp, body)))
    return tags.map((tag) => `v1,${Base64.encode(tag)}`).join(" ")
  }, Effect.orDie)

  const readReceipt: ReadReceipt = Effect.fnUntraced(function*({ body, headers, receiptId }) {
    const timestamp = headers["webhook-timestamp"] ?? ""
    // The signature is bound to the message, so that a report on one message is not accepted for another.
    if (headers["webhook-id"] !== receiptId || !/^\d{1,12}$/.test(timestamp)) return undefined
    const now = (yield* DateTime.now).epochMilliseconds / 1000
    if (Math.abs(now - Number(timestamp)) > tolerance) return undefined
    const tags = (headers["webhook-signature"] ?? "").split(" ").slice(0, 10)
      .flatMap((signature) => signature.startsWith("v1,") ? [Base64.decode(signature.slice(3))] : [])
    for (const tag of tags) {
      if (Result.isFailure(tag)) continue
      for (const key of keys) {
        if (yield* mac.verify(key, tag.success, signedText(receiptId, timestamp, body))) {
          return receiptIn(body)
        }
      }
    }
    return undefined
  }, Effect.orDie)

  return SmsNotifier.of({
    send: Effect.fnUntraced(function*(sms) {
      const body = JSON.stringify(payloadOf(sms, callbackUrl))
      const timestamp = String(Math.floor((yield* DateTime.now).epochMilliseconds / 1000))
      const answer = yield* post(
        HttpClientRequest.post(url).pipe(
          HttpClientRequest.bodyText(body, "application/json"),
          HttpClientRequest.setHeaders({
            "webhook-id": sms.messageId,
            "webhook-timestamp": timestamp,
            "webhook-signature": yield* sign(sms.messageId, timestamp, body)
          })
        )
      )
      if (!isAccepted(answer)) return yield* refusalOf(answer)
      return { provider: "webhook", reference: referenceIn(answer, sms) }
    }, inSpan("WebhookSmsNotifier.send")),
    receipts: new Map(callbackUrl === undefined ? [] : [["webhook", readReceipt]])
  })
})

/**
 * With these options; fails with `WebhookRefused` if they would give messages away.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: WebhookOptions): Layer.Layer<SmsNotifier, WebhookRefused, Needs> =>
  Layer.effect(SmsNotifier, make(options))

/** A secret as Standard Webhooks writes it. */
const parseSecret = (text: string): Redacted.Redacted<Uint8Array> | undefined => {
  const bytes = Base64.decode(text.replace(/^whsec_/, ""))
  return Result.isSuccess(bytes) && bytes.success.length >= shortestSecret
    ? Redacted.make(bytes.success, { label: "webhook secret" })
    : undefined
}

const secretsConfig = Config.String("SMS_WEBHOOK_SECRET").pipe(Config.mapEffect((text) => {
  const [first, ...others] = text.split(",").map((part) => parseSecret(part.trim()))
  const rest = others.filter((secret) => secret !== undefined)
  return first === undefined || rest.length < others.length
    ? wrongSetting("SMS_WEBHOOK_SECRET", "must be whsec_ and at least 24 bytes in base64, several of them with commas")
    : Effect.succeed([first, ...rest] as const)
}))

const urlConfig = address("SMS_WEBHOOK_URL").pipe(
  Config.mapEffect((url) =>
    isSafe(url)
      ? Effect.succeed(url)
      : wrongSetting("SMS_WEBHOOK_URL", "must be an https URL: number and code are in what is posted there")
  )
)

/**
 * The settings `SMS_WEBHOOK_URL`, `SMS_WEBHOOK_SECRET` (several, separated by commas, during a rotation) and
 * `SMS_WEBHOOK_CALLBACK_URL`.
 *
 * @category config
 * @since 0.1.0
 */
export const optionsConfig: Config.Config<WebhookOptions> = all({
  url: urlConfig,
  secrets: secretsConfig,
  callbackUrl: optional(address("SMS_WEBHOOK_CALLBACK_URL"))
})

/**
 * With options from configuration, by default those of `optionsConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<WebhookOptions> = optionsConfig
): Layer.Layer<SmsNotifier, Config.ConfigError | WebhookRefused, Needs> =>
  Layer.effect(SmsNotifier, Effect.flatMap(Config.unwrap<WebhookOptions>(options), make))

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** How old a report may be, and how far a clock may be ahead, in seconds. */
const tolerance = 300

const signedText = (id: string, timestamp: string, body: string): Uint8Array => utf8(`${id}.${timestamp}.${body}`)

/** First the part that ZITADEL's HTTP provider sends, then what else is known. */
const payloadOf = (sms: Sms, callbackUrl: URL | undefined) => {
  const { content, expiresAt, language, messageId, recipient, receiptId, resends, text, userId } = sms
  const number = Redacted.value(recipient)
  const code = content.kind === "code" ? Redacted.value(content.code) : undefined
  return {
    contextInfo: {
      eventType: content.kind === "code" ? "user.human.phone.code.added" : `user.human.phone.${content.change}`,
      provider: { id: "effect-user-phone", description: "effect-user-phone" },
      recipientPhoneNumber: number
    },
    templateData: { text: Redacted.value(text) },
    args: { userID: userId, lastPhone: number, ...(code === undefined ? {} : { code }) },
    message: {
      id: messageId,
      kind: content.kind,
      ...(content.kind === "notice" ? { change: content.change } : {}),
      ...(language === undefined ? {} : { language }),
      expiresAt: DateTime.formatIso(expiresAt),
      resends,
      ...(callbackUrl === undefined ? {} : { receiptId, receiptUrl: callbackUrlOf(callbackUrl, receiptId) })
    }
  }
}

/** The only form in which a receiver's code is kept: any other could quote the number, or the code that was sent. */
const Code = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9._-]{1,64}$/), Schema.isPattern(/^(?!.*\d{6})/))

const decodeAccepted = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({
  id: Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,255}$/))
})))

/** The receiver's id, unless it contains the number, which is kept nowhere but with its user. */
const referenceIn = ({ body }: Answer, { recipient }: Sms): string | undefined => {
  const id = Option.getOrUndefined(decodeAccepted(body))?.id
  return id?.includes(Redacted.value(recipient).slice(1)) === true ? undefined : id
}

/** What a receiver may say about a message that it does not take. */
const refusals = {
  permanent: "Permanent",
  opted_out: "OptedOut",
  throttled: "Throttled",
  transient: "Transient",
  account_refused: "AccountRefused",
  destination_refused: "DestinationRefused"
} as const

const decodeRefused = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({
  error: Schema.Literals(Struct.keys(refusals))
})))

const decodeCode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ code: Code })))

const decodeReport = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({
  status: Schema.Literals(["delivered", "failed"])
})))

/** A failed message has failed whatever code the report gives. */
const receiptIn = (body: string): Receipt | undefined => {
  const status = Option.getOrUndefined(decodeReport(body))?.status
  return status === "failed" ? { status, code: codeIn(body) ?? "failed" } : status && { status }
}

const codeIn = (body: string): string | undefined => Option.getOrUndefined(decodeCode(body))?.code

const refusalOf = ({ body, retryAfter, status }: Answer) => {
  const said = Option.getOrUndefined(decodeRefused(body))?.error
  const code = codeIn(body) ?? `HTTP ${status}`
  return notSent(said === undefined ? ofStatus(status) : refusals[said], code, retryAfter)
}
