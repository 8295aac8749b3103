/** Amazon SNS: the requests, and what its answers come to. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import * as SnsSmsNotifier from "../../src/adapters/SnsSmsNotifier.ts"
import { SmsNotifier } from "../../src/core/index.ts"
import { SmsNotifierContract } from "../../src/testing/index.ts"
import * as SampleSms from "../fixtures/SampleSms.ts"
import * as SnsStandIn from "../fixtures/SnsStandIn.ts"
import * as StandIn from "../fixtures/StandIn.ts"

const { accessKeyId, region } = SnsStandIn
const credentials = { accessKeyId, secretAccessKey: Redacted.make(SnsStandIn.secretAccessKey) }

/** A notifier and the stand-in that it talks to. */
const connected = Effect.fnUntraced(function*(options: Partial<SnsSmsNotifier.SnsOptions> = {}) {
  const sns = yield* SnsStandIn.make
  return { sns, notifier: yield* SnsSmsNotifier.make({ region, credentials, baseUrl: sns.url, ...options }) }
})

/** Runs an effect with these variables, and none other of AWS, in the environment. */
const withEnvironment = <A, E, R>(variables: Readonly<Record<string, string>>, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = process.env
      const others = Object.entries(before).filter(([name]) => !name.startsWith("AWS_"))
      process.env = { ...Object.fromEntries(others), ...variables }
      return before
    }),
    () => effect,
    (before) =>
      Effect.sync(() => {
        process.env = before
      })
  )

/** What a message comes to when SNS answers so. */
const failureAt = Effect.fnUntraced(function*(
  answer: StandIn.Answer,
  options: Partial<SnsSmsNotifier.SnsOptions> = {}
) {
  const { notifier, sns } = yield* connected(options)
  sns.script(answer)
  const error = yield* Effect.flip(notifier.send(SampleSms.make()))
  assert.strictEqual(sns.received.length, 1)
  return SampleSms.plain(error)
})

const scripts: Readonly<Record<SmsNotifierContract.ProviderAnswer, ReadonlyArray<StandIn.Answer>>> = {
  accept: [],
  throttle: [SnsStandIn.refuses(429, "Throttled")],
  fail: [SnsStandIn.refuses(500, "InternalError")],
  reset: ["reset"],
  hang: ["hang"],
  "refuse-number": [SnsStandIn.refuses(400, "InvalidParameter")],
  "opted-out": [SnsStandIn.refuses(400, "OptedOut")],
  "refuse-account": [SnsStandIn.refuses(403, "InvalidClientTokenId")]
}

SmsNotifierContract.suite(
  "SNS",
  Layer.unwrap(Effect.map(SnsStandIn.make, (sns) =>
    Layer.merge(
      SnsSmsNotifier.layer({ region, credentials, baseUrl: sns.url }),
      Layer.succeed(SmsNotifierContract.ScriptedProvider, {
        answer: (answer) => Effect.sync(() => sns.script(...scripts[answer])),
        received: Effect.sync(() => SnsStandIn.messagesIn(sns.received))
      })
    )))
)

describe("SnsSmsNotifier", () => {
  it.live("publishes to the number, signed, as a transactional message with the sender's name", () =>
    Effect.gen(function*() {
      const { notifier, sns } = yield* connected({ senderId: "ACME" })
      assert.deepStrictEqual(yield* notifier.send(SampleSms.make()), {
        provider: "sns",
        reference: SnsStandIn.idOf(1)
      })
      assert.deepStrictEqual(SnsStandIn.messagesIn(sns.received), [{
        recipient: SampleSms.number,
        text: SampleSms.text
      }])
      assert.deepStrictEqual(SnsStandIn.attributesIn(sns.received[0]!), {
        "AWS.SNS.SMS.SMSType": "Transactional",
        "AWS.SNS.SMS.SenderID": "ACME"
      })
    }))

  it.live("leaves the sender to AWS where none is set, and sends a session's token", () =>
    Effect.gen(function*() {
      const { notifier, sns } = yield* connected({
        credentials: { ...credentials, sessionToken: Redacted.make("session") }
      })
      yield* notifier.send(SampleSms.make())
      assert.deepStrictEqual(SnsStandIn.attributesIn(sns.received[0]!), { "AWS.SNS.SMS.SMSType": "Transactional" })
      assert.strictEqual(sns.received[0]!.headers["x-amz-security-token"], "session")
    }))

  it.live("is refused with credentials that are wrong", () =>
    Effect.gen(function*() {
      const cases = [
        [{ ...credentials, accessKeyId: "AKIAOTHER" }, "InvalidClientTokenId"],
        [{ ...credentials, secretAccessKey: Redacted.make("wrong") }, "SignatureDoesNotMatch"]
      ] as const
      for (const [credentials, code] of cases) {
        const { notifier } = yield* connected({ credentials })
        const error = yield* Effect.flip(notifier.send(SampleSms.make()))
        assert.deepStrictEqual(SampleSms.plain(error), { _tag: "AccountRefused", code })
      }
    }))

  it.live("is refused without credentials, before it asks anyone", () =>
    Effect.gen(function*() {
      const sns = yield* SnsStandIn.make
      const notifier = yield* SnsSmsNotifier.make({ region, baseUrl: sns.url })
      const error = yield* withEnvironment(
        { AWS_SHARED_CREDENTIALS_FILE: "/nowhere", AWS_CONFIG_FILE: "/nowhere", AWS_EC2_METADATA_DISABLED: "true" },
        Effect.flip(notifier.send(SampleSms.make()))
      )
      assert.deepStrictEqual(SampleSms.plain(error), { _tag: "AccountRefused", code: "CredentialsProviderError" })
      assert.deepStrictEqual(sns.received, [])
    }))

  it.live("classes refusals by their code", () =>
    Effect.gen(function*() {
      const permanent = [
        ["InvalidParameter", "InvalidParameterException"],
        ["ParameterValueInvalid", "InvalidParameterValueException"],
        ["ValidationException", "ValidationException"],
        ["SomethingNew", "SomethingNew"]
      ] as const
      for (const [code, name] of permanent) {
        assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(400, code)), { _tag: "Permanent", code: name })
      }
      const account = [
        ["AuthorizationError", "AuthorizationErrorException"],
        ["InvalidSecurity", "InvalidSecurityException"],
        ["AccessDenied", "AccessDenied"],
        ["ExpiredToken", "ExpiredToken"],
        ["InvalidClientTokenId", "InvalidClientTokenId"],
        ["OptInRequired", "OptInRequired"],
        ["MissingAuthenticationToken", "MissingAuthenticationToken"],
        ["UnrecognizedClientException", "UnrecognizedClientException"]
      ] as const
      for (const [code, name] of account) {
        assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(403, code)), { _tag: "AccountRefused", code: name })
      }
      for (const code of ["Throttled", "Throttling", "ThrottlingException"]) {
        assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(400, code)), { _tag: "Throttled" })
      }
      assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(400, "OptedOut")), { _tag: "OptedOut" })
      assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(400, "RequestExpired")), {
        _tag: "Transient",
        cause: "HTTP 400"
      })
    }))

  it.live("classes other refusals by their status, and waits as long as they ask", () =>
    Effect.gen(function*() {
      for (const status of [307, 408, 425, 500, 503]) {
        assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(status, "SomethingNew")), {
          _tag: "Transient",
          cause: `HTTP ${status}`
        })
      }
      const throttled = yield* failureAt(SnsStandIn.refuses(429, "SomethingNew", { "retry-after": "9" }))
      assert.strictEqual(throttled._tag, "Throttled")
      assert.strictEqual(Duration.toMillis((throttled as { retryAfter: Duration.Duration }).retryAfter), 9000)
      // A number in the place of a code stays out.
      assert.deepStrictEqual(yield* failureAt(SnsStandIn.refuses(400, SampleSms.number)), {
        _tag: "Permanent",
        code: "HTTP 400"
      })
    }))

  it.live("may work later when SNS cannot be reached or understood, or is too slow", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureAt("reset"), { _tag: "Transient", cause: "connection failed" })
      for (const body of ["", "garbage", "<a>", "<PublishResponse></PublishResponse>"]) {
        assert.deepStrictEqual(yield* failureAt({ status: 200, body }), {
          _tag: "Transient",
          cause: "unreadable answer"
        }, body)
      }
      assert.deepStrictEqual(yield* failureAt({ status: 500, body: "garbage" }), {
        _tag: "Transient",
        cause: "HTTP 500"
      })
      assert.deepStrictEqual(yield* failureAt({ status: 400, body: "<garbage" }), {
        _tag: "Permanent",
        code: "HTTP 400"
      })
      assert.deepStrictEqual(yield* failureAt("hang", { requestTimeout: "300 millis" }), {
        _tag: "Transient",
        cause: "timeout"
      })
      const notifier = yield* SnsSmsNotifier.make({ region, credentials, baseUrl: yield* StandIn.goneUrl })
      assert.deepStrictEqual(SampleSms.plain(yield* Effect.flip(notifier.send(SampleSms.make()))), {
        _tag: "Transient",
        cause: "connection failed"
      })
    }))

  it.live("closes the connection of a message that is interrupted", () =>
    Effect.gen(function*() {
      const { notifier, sns } = yield* connected({ requestTimeout: "10 minutes" })
      yield* StandIn.interrupted(sns, notifier.send(SampleSms.make()))
    }))

  it.live("follows no redirect", () =>
    Effect.gen(function*() {
      const other = yield* SnsStandIn.make
      const failure = yield* failureAt({ status: 307, headers: { location: other.url } })
      assert.deepStrictEqual(failure, { _tag: "Transient", cause: "HTTP 307" })
      assert.deepStrictEqual(other.received, [])
    }))

  it.live("closes its connections with its scope", () =>
    Effect.gen(function*() {
      const sns = yield* SnsStandIn.make
      yield* Effect.scoped(
        Effect.flatMap(
          SnsSmsNotifier.make({ region, credentials, baseUrl: sns.url }),
          (notifier) => notifier.send(SampleSms.make())
        )
      )
      assert.strictEqual(sns.received.length, 1)
      yield* StandIn.until(() => sns.connections() === 0)
    }))

  it("is the only file that imports the AWS SDK", () => {
    const src = new URL("../../src/", import.meta.url)
    const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    assert.deepStrictEqual(
      files.filter((name) => readFileSync(new URL(name, src), "utf8").includes("\"@aws-sdk/")),
      ["adapters/SnsSmsNotifier.ts"]
    )
  })
})

describe("SnsSmsNotifier's settings", () => {
  const read = (settings: Readonly<Record<string, string>>) =>
    SnsSmsNotifier.optionsConfig.parse(ConfigProvider.fromUnknown(settings))

  it.live("send a message", () =>
    Effect.gen(function*() {
      const sns = yield* SnsStandIn.make
      const notifier = yield* Effect.provide(
        SmsNotifier.SmsNotifier,
        yield* Layer.build(
          SnsSmsNotifier.layerConfig().pipe(
            Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({
              AWS_REGION: region,
              SNS_SENDER_ID: "ACME",
              AWS_ENDPOINT_URL_SNS: sns.url
            })))
          )
        )
      )
      yield* withEnvironment(
        { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: SnsStandIn.secretAccessKey },
        notifier.send(SampleSms.make())
      )
      assert.strictEqual(SnsStandIn.attributesIn(sns.received[0]!)["AWS.SNS.SMS.SenderID"], "ACME")
    }))

  it.effect("are all read, or named when they are wrong, without their value", () =>
    Effect.gen(function*() {
      const settings = { AWS_REGION: region, SNS_SENDER_ID: "ACME", SNS_REQUEST_TIMEOUT: "3 seconds" }
      const options = yield* read({ ...settings, AWS_ENDPOINT_URL_SNS: "https://sns.example.com" })
      assert.deepStrictEqual(
        [options.region, options.senderId, Duration.toMillis(options.requestTimeout!), options.baseUrl],
        [region, "ACME", 3000, "https://sns.example.com/"]
      )
      assert.include((yield* Effect.flip(read({}))).message, "AWS_REGION")
      for (const name of ["AWS_REGION", "SNS_REQUEST_TIMEOUT", "AWS_ENDPOINT_URL_SNS"]) {
        const { message } = yield* Effect.flip(read({ ...settings, [name]: "wrong-value" }))
        assert.include(message, name)
        assert.notInclude(message, "wrong-value")
      }
    }))

  it.effect("name a region as AWS does", () =>
    Effect.gen(function*() {
      for (const region of ["us-east-1", "ap-southeast-12", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"]) {
        assert.strictEqual((yield* read({ AWS_REGION: region })).region, region)
      }
      for (
        const region of [
          "Frankfurt",
          "EU-CENTRAL-1",
          "eu_central_1",
          "eu-central",
          "eu-central-1a",
          "eu-1",
          " eu-west-1",
          "eu-west-1\n",
          "x.example/-1"
        ]
      ) {
        assert.include((yield* Effect.flip(read({ AWS_REGION: region }))).message, "a region, such as eu-central-1")
      }
    }))
})
