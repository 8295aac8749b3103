/**
 * SMS through Amazon SNS by the AWS SDK, which signs the requests. SNS sends no receipts.
 *
 * The package `@aws-sdk/client-sns` has to be installed beside this one. Refusals:
 * https://docs.aws.amazon.com/sns/latest/api/API_Publish.html.
 */
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { inSpan } from "../core/internal/Span.ts"
import { SmsNotifier, type SmsNotSent } from "../core/SmsNotifier.ts"
import { address, all, duration, optional } from "./internal/AdapterSettings.ts"
import { retryAfterOf, unreadable } from "./internal/ProviderHttp.ts"
import { notSent, ofStatus, type Refusal } from "./internal/Refusal.ts"

/**
 * The region, and how requests to it are made and signed.
 *
 * @category options
 * @since 0.1.0
 */
export interface SnsOptions {
  /** The AWS region, such as `eu-central-1`. */
  readonly region: string
  /** The sender in countries that show one: at most 11 letters and digits. By default AWS picks a sender. */
  readonly senderId?: string | undefined
  /**
   * What requests are signed with. By default the SDK looks in its usual places: environment, files, the machine's
   * role.
   */
  readonly credentials?: SnsCredentials | undefined
  /** How long one request may take; 10 seconds by default. */
  readonly requestTimeout?: Duration.Input | undefined
  /** The API's address; the region's by default. */
  readonly baseUrl?: string | undefined
}

/**
 * An access key of AWS.
 *
 * @category options
 * @since 0.1.0
 */
export interface SnsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  /** Only with keys that expire. */
  readonly sessionToken?: Redacted.Redacted | undefined
}

/**
 * The notifier itself, for a failover over several. Its connections are closed with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  options: SnsOptions
) => Effect.Effect<SmsNotifier["Service"], never, Scope.Scope> = Effect.fnUntraced(function*(options) {
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => makeClient(options)),
    (client) => Effect.sync(() => client.destroy())
  )
  const attributes = {
    "AWS.SNS.SMS.SMSType": text("Transactional"),
    ...(options.senderId === undefined ? {} : { "AWS.SNS.SMS.SenderID": text(options.senderId) })
  }
  return SmsNotifier.of({
    send: Effect.fnUntraced(function*(sms) {
      const command = new PublishCommand({
        PhoneNumber: Redacted.value(sms.recipient),
        Message: Redacted.value(sms.text),
        MessageAttributes: attributes
      })
      const { MessageId } = yield* Effect.tryPromise({
        try: (abortSignal) => client.send(command, { abortSignal }),
        catch: failureOf
      }).pipe(Effect.catch((failure) => Effect.flatMap(DateTime.now, (now) => Effect.fail(refusalOf(failure, now)))))
      if (MessageId === undefined) return yield* unreadable
      return { provider: "sns", reference: MessageId }
    }, inSpan("SnsSmsNotifier.send")),
    receipts: new Map()
  })
})

const text = (value: string) => ({ DataType: "String", StringValue: value })

const makeClient = ({ baseUrl, credentials, region, requestTimeout = "10 seconds" }: SnsOptions): SNSClient => {
  const timeout = Duration.toMillis(requestTimeout)
  return new SNSClient({
    region,
    maxAttempts: 1,
    requestHandler: { connectionTimeout: timeout, requestTimeout: timeout, throwOnRequestTimeout: true },
    ...(baseUrl === undefined ? {} : { endpoint: baseUrl }),
    ...(credentials === undefined ? {} : {
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: Redacted.value(credentials.secretAccessKey),
        ...(credentials.sessionToken === undefined ? {} : { sessionToken: Redacted.value(credentials.sessionToken) })
      }
    })
  })
}

/**
 * With these options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: SnsOptions): Layer.Layer<SmsNotifier> => Layer.effect(SmsNotifier, make(options))

// Such as us-gov-west-1 and eusc-de-east-1 too. What is no region would only be found out by each message.
const Region = Schema.String.check(
  Schema.isPattern(/^[a-z]+(-[a-z0-9]+)+-\d+$/, { expected: "a region, such as eu-central-1" })
)

/**
 * The settings `AWS_REGION`, `SNS_SENDER_ID`, `SNS_REQUEST_TIMEOUT` and `AWS_ENDPOINT_URL_SNS`. Credentials are left to
 * the SDK.
 *
 * @category config
 * @since 0.1.0
 */
export const optionsConfig: Config.Config<SnsOptions> = all({
  region: Config.schema(Region, "AWS_REGION"),
  senderId: optional(Config.NonEmptyString("SNS_SENDER_ID")),
  requestTimeout: optional(duration("SNS_REQUEST_TIMEOUT")),
  baseUrl: Config.map(optional(address("AWS_ENDPOINT_URL_SNS")), (url) => url?.href)
})

/**
 * With options from configuration, by default those of `optionsConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<SnsOptions> = optionsConfig
): Layer.Layer<SmsNotifier, Config.ConfigError> =>
  Layer.effect(SmsNotifier, Effect.flatMap(Config.unwrap<SnsOptions>(options), make))

/** The kind of refusal for each name of an error. For a name that is not here, the HTTP status decides. */
const refusals: Readonly<Record<string, Refusal>> = {
  AccessDenied: "AccountRefused", // the credentials may not publish
  AccessDeniedException: "AccountRefused", // the same by its other name
  AuthorizationErrorException: "AccountRefused", // the credentials may not publish
  CredentialsProviderError: "AccountRefused", // the SDK finds no credentials
  ExpiredToken: "AccountRefused", // the credentials have expired
  ExpiredTokenException: "AccountRefused", // the same by its other name
  IncompleteSignature: "AccountRefused", // the signature is incomplete
  InvalidClientTokenId: "AccountRefused", // there is no such key
  InvalidParameterException: "Permanent", // the number is not valid, or the text is too long
  InvalidParameterValueException: "Permanent", // the same by its other name
  InvalidSecurityException: "AccountRefused", // the signature does not hold
  MissingAuthenticationToken: "AccountRefused", // there is no signature
  NotAuthorized: "AccountRefused", // the credentials may not publish
  OptedOutException: "OptedOut", // the recipient has answered STOP to this account
  OptInRequired: "AccountRefused", // the account lacks a subscription
  RequestExpired: "Transient", // the clocks differ; the SDK has noticed and will send the right time
  SignatureDoesNotMatch: "AccountRefused", // the secret key is wrong
  ThrottledException: "Throttled", // faster than the account may send
  Throttling: "Throttled", // the same by its other name
  ThrottlingException: "Throttled", // and another
  UnrecognizedClientException: "AccountRefused", // there is no such key
  ValidationException: "Permanent" // a parameter is not valid
}

/** What is kept of the SDK's error. Its text, and its copy of the answer, may quote the message and are not kept. */
interface Failure {
  readonly name: string
  /** Whether SNS has named the error, rather than the SDK. */
  readonly bySns: boolean
  /** The error code of a failed connection. */
  readonly code: unknown
  readonly status: number | undefined
  readonly retryAfter: string | undefined
}

const failureOf = (error: unknown): Failure => {
  const status = memberOf(memberOf(error, "$metadata"), "httpStatusCode")
  const retryAfter = memberOf(memberOf(memberOf(error, "$response"), "headers"), "retry-after")
  return {
    name: String(memberOf(error, "name")),
    bySns: memberOf(error, "$fault") !== undefined,
    code: memberOf(error, "code"),
    status: typeof status === "number" ? status : undefined,
    retryAfter: typeof retryAfter === "string" ? retryAfter : undefined
  }
}

const memberOf = (value: unknown, name: string): unknown => Predicate.hasProperty(value, name) ? value[name] : undefined

const refusalOf = ({ bySns, code, name, retryAfter, status }: Failure, now: DateTime.Utc): SmsNotSent => {
  const known = Object.hasOwn(refusals, name) ? refusals[name] : undefined
  if (known === undefined && status === undefined) {
    // The SDK also reports a connection that was broken off as a timeout.
    return notSent("Transient", name === "TimeoutError" && code !== "ECONNRESET" ? "timeout" : "connection failed")
  }
  if (known === undefined && status! < 300) return unreadable
  const refusal = known ?? ofStatus(status!)
  const named = refusal !== "Transient" && /^[A-Za-z]{1,64}$/.test(name) && (bySns || known !== undefined)
  return notSent(
    refusal,
    named ? name : `HTTP ${status}`,
    retryAfter === undefined ? undefined : retryAfterOf(retryAfter, now)
  )
}
