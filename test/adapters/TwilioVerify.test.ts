/** Twilio Verify: the requests, what its answers come to, and codes of its making through the operations. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Context, Duration, Effect, type Exit, Fiber, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import * as Memory from "../../src/adapters/Memory.ts"
import * as TwilioVerify from "../../src/adapters/TwilioVerify.ts"
import {
  Actor,
  GetPhone,
  Operations,
  PhoneNumber,
  ResendPhoneCode,
  SetPhone,
  SmsDelivery,
  UserId,
  Users,
  VerificationProvider,
  VerifyPhone
} from "../../src/core/index.ts"
import { type SmsNotifierContract, VerificationProviderContract } from "../../src/testing/index.ts"
import * as SampleSms from "../fixtures/SampleSms.ts"
import * as SecretScan from "../fixtures/SecretScan.ts"
import * as StandIn from "../fixtures/StandIn.ts"
import * as Telemetry from "../fixtures/Telemetry.ts"
import * as VerifyStandIn from "../fixtures/TwilioVerifyStandIn.ts"

const { accountSid, apiKey, refuses, serviceSid, sidOf } = VerifyStandIn
const authToken = Redacted.make(VerifyStandIn.authToken)
const key = { sid: apiKey.sid, secret: Redacted.make(apiKey.secret) }
const { number } = SampleSms
const another = "+41791112244"

const options = { accountSid, authToken, serviceSid }
type Overrides = Partial<Omit<TwilioVerify.TwilioVerifyService, "authToken">> & {
  readonly authToken?: Redacted.Redacted
}

const make = (options: TwilioVerify.TwilioVerifyOptions) =>
  Effect.provide(TwilioVerify.make(options), FetchHttpClient.layer)

/** A provider and the stand-in that it talks to. */
const connected = Effect.fnUntraced(function*(overrides: Overrides = {}) {
  const twilio = yield* VerifyStandIn.make
  const provider = yield* make({ ...options, baseUrl: twilio.url, ...overrides })
  return { twilio, provider }
})

const started = (provider: VerificationProvider.VerificationProvider, to = number, language?: string) =>
  provider.start({
    messageId: "0b0e5d5c-0f4b-4a86-9a0e-2f5f6f7c8d9e",
    userId: UserId.UserId.make("ada"),
    recipient: Redacted.make(PhoneNumber.E164.make(to)),
    language
  })

const checked = (provider: VerificationProvider.VerificationProvider, guess: string, verificationId = sidOf(1)) =>
  provider.check({
    verificationId,
    recipient: Redacted.make(PhoneNumber.E164.make(number)),
    guess: Redacted.make(guess)
  })

/** What a start comes to when Twilio answers so. */
const failureAt = Effect.fnUntraced(function*(answer: StandIn.Answer) {
  const { provider, twilio } = yield* connected()
  twilio.script(answer)
  const error = yield* Effect.flip(started(provider))
  assert.strictEqual(twilio.received.length, 1)
  return SampleSms.plain(error)
})

/** What a check comes to when Twilio answers so: the outcome, or why there is none. */
const checkAt = Effect.fnUntraced(function*(answer: StandIn.Answer) {
  const { provider, twilio } = yield* connected()
  twilio.script(answer)
  const outcome = yield* Effect.result(checked(provider, "271829"))
  assert.strictEqual(twilio.received.length, 1)
  return outcome._tag === "Success" ? outcome.success : outcome.failure.cause
})

/** Lets ten seconds pass once a request that gets no answer has come in. */
const hanging = Effect.fnUntraced(function*<A, E>(
  twilio: StandIn.StandIn,
  call: Effect.Effect<A, E>
) {
  twilio.script("hang")
  const fiber = yield* Effect.forkChild(call)
  yield* TestClock.withLive(StandIn.until(() => twilio.received.length > 0))
  yield* TestClock.adjust("9 seconds")
  assert.isUndefined(fiber.pollUnsafe())
  yield* TestClock.adjust("1 second")
  const exit = yield* Fiber.await(fiber)
  yield* TestClock.withLive(StandIn.until(() => twilio.abandoned() === 1))
  return yield* Effect.flip(exit)
})

const scripts: Readonly<Record<SmsNotifierContract.ProviderAnswer, ReadonlyArray<StandIn.Answer>>> = {
  accept: [],
  throttle: [refuses(429, 20429)],
  fail: [{ status: 500, body: `no luck with ${number}` }],
  reset: ["reset"],
  hang: ["hang"],
  "refuse-number": [refuses(400, 21211)],
  "opted-out": [refuses(400, 21610)],
  "refuse-account": [refuses(401, 20003)]
}

VerificationProviderContract.suite(
  "Twilio Verify",
  Layer.unwrap(Effect.map(VerifyStandIn.make, (twilio) =>
    Layer.merge(
      TwilioVerify.layer({ ...options, baseUrl: twilio.url }).pipe(Layer.provide(FetchHttpClient.layer)),
      Layer.succeed(VerificationProviderContract.ScriptedVerification, {
        answer: (answer) => Effect.sync(() => twilio.script(...scripts[answer])),
        codeFor: (recipient) => Effect.sync(() => twilio.codeFor(recipient)!),
        requests: Effect.sync(() => twilio.received.length)
      })
    )))
)

describe("TwilioVerify", () => {
  it.effect("makes, sends and checks a code", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      assert.strictEqual(provider.id, "twilio-verify")
      assert.strictEqual(Duration.toMillis(provider.lifetime), 600_000)
      assert.deepStrictEqual(yield* started(provider), { verificationId: sidOf(1) })
      const code = twilio.codeFor(number)!
      assert.strictEqual(yield* checked(provider, "314159"), "wrong")
      assert.strictEqual(yield* checked(provider, code), "right")
      assert.strictEqual(yield* checked(provider, code), "expired", "right once at most")
    }))

  it.effect("posts forms to the service, signed in with the Auth Token", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      yield* started(provider)
      yield* checked(provider, "314159")
      assert.deepStrictEqual(twilio.received.map(({ method, path, query }) => [method, path, query]), [
        ["POST", `/v2/Services/${serviceSid}/Verifications`, ""],
        ["POST", `/v2/Services/${serviceSid}/VerificationCheck`, ""]
      ])
      for (const { headers } of twilio.received) {
        assert.strictEqual(headers.authorization, `Basic ${btoa(`${accountSid}:${VerifyStandIn.authToken}`)}`)
        assert.isUndefined(headers.traceparent)
      }
      assert.deepStrictEqual(VerifyStandIn.formsIn(twilio.received, "Verifications"), [{ To: number, Channel: "sms" }])
      assert.deepStrictEqual(VerifyStandIn.formsIn(twilio.received, "VerificationCheck"), [
        { VerificationSid: sidOf(1), Code: "314159" }
      ])
    }))

  it.effect("signs in with an API key, if there is one, also beside the Auth Token", () =>
    Effect.gen(function*() {
      const twilio = yield* VerifyStandIn.make
      for (const credentials of [{ apiKey: key }, { apiKey: key, authToken: Redacted.make("not this one") }]) {
        yield* started(yield* make({ accountSid, serviceSid, ...credentials, baseUrl: `${twilio.url}/` }))
      }
      assert.strictEqual(twilio.received[0]!.headers.authorization, `Basic ${btoa(`${apiKey.sid}:${apiKey.secret}`)}`)
    }))

  it.effect("is refused with credentials or a service that the account does not have", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Overrides, string, string]> = [
        [{ authToken: Redacted.make("wrong") }, "20003", "HTTP 401, code 20003"],
        [{ apiKey: { ...key, secret: Redacted.make("wrong") } }, "20003", "HTTP 401, code 20003"],
        [{ serviceSid: `VA${"f".repeat(32)}` }, "20404", "expired"]
      ]
      for (const [overrides, code, check] of cases) {
        const { provider } = yield* connected(overrides)
        const error = yield* Effect.flip(started(provider))
        assert.deepStrictEqual(SampleSms.plain(error), { _tag: "AccountRefused", code })
        const answer = yield* Effect.catch(checked(provider, "314159"), ({ cause }) => Effect.succeed(cause))
        assert.strictEqual(answer, check === "expired" ? check : `Twilio Verify: ${check}`)
      }
    }))

  it.effect("sends the same code again under the same id while it lives, and a new one after that", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      yield* started(provider)
      const code = twilio.codeFor(number)
      twilio.passes(9)
      assert.deepStrictEqual(yield* started(provider), { verificationId: sidOf(1) })
      assert.strictEqual(twilio.codeFor(number), code)
      assert.deepStrictEqual(yield* started(provider, another), { verificationId: sidOf(2) })
      twilio.passes(1)
      assert.deepStrictEqual(yield* started(provider), { verificationId: sidOf(3) })
      assert.strictEqual(yield* checked(provider, code!, sidOf(1)), "expired")
    }))

  it.effect("has as many sends as Twilio allows", () =>
    Effect.gen(function*() {
      const { provider } = yield* connected()
      for (let send = 0; send < 5; send++) yield* started(provider)
      assert.deepStrictEqual(SampleSms.plain(yield* Effect.flip(started(provider))), { _tag: "Throttled" })
    }))

  it.effect("asks for the user's language where Twilio knows it", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      const cases: ReadonlyArray<readonly [string | undefined, string | undefined]> = [
        ["de", "de"],
        ["de-CH", "de"],
        ["DE_at", "de"],
        ["en-GB", "en"],
        ["pt-br", "pt-BR"],
        ["nn", "nb"],
        ["fil-PH", "tl"],
        ["tl", "tl"],
        ["zh-CN", "zh"],
        ["zh-hk", "zh-HK"],
        ["zh-TW", undefined],
        ["zh-Hant", undefined],
        ["rm", undefined],
        ["constructor", undefined],
        ["x", undefined],
        ["", undefined],
        [undefined, undefined]
      ]
      for (const [index, [language]] of cases.entries()) {
        yield* started(provider, `+4179111${String(3300 + index)}`, language)
      }
      assert.deepStrictEqual(
        VerifyStandIn.formsIn(twilio.received, "Verifications").map(({ Locale }) => Locale),
        cases.map(([, locale]) => locale)
      )
    }))

  it.effect("lets Twilio choose the language where the template lacks the user's", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      twilio.speaksEnglishOnly()
      assert.deepStrictEqual(yield* started(provider, number, "de"), { verificationId: sidOf(1) })
      assert.deepStrictEqual(VerifyStandIn.formsIn(twilio.received, "Verifications"), [
        { To: number, Channel: "sms", Locale: "de" },
        { To: number, Channel: "sms" }
      ])
      assert.strictEqual(twilio.sendsTo(number), 1)
    }))

  it.effect("classes refusals to start by Twilio's code", () =>
    Effect.gen(function*() {
      for (const code of [21408, 21608]) {
        assert.deepStrictEqual(yield* failureAt(refuses(403, code)), {
          _tag: "DestinationRefused",
          code: String(code)
        })
      }
      for (const code of [21211, 21614, 60200, 60205, 60220, 60238, 60410, 60605]) {
        assert.deepStrictEqual(yield* failureAt(refuses(403, code)), { _tag: "Permanent", code: String(code) })
      }
      const account = [10001, 20003, 20005, 20008, 20403, 20404, 60201, 60204, 60206, 60217, 60223, 575001]
      for (const code of account) {
        assert.deepStrictEqual(yield* failureAt(refuses(400, code)), { _tag: "AccountRefused", code: String(code) })
      }
      for (const code of [20429, 60202, 60203, 60212]) {
        assert.deepStrictEqual(yield* failureAt(refuses(400, code)), { _tag: "Throttled" })
      }
      assert.deepStrictEqual(yield* failureAt(refuses(400, 21610)), { _tag: "OptedOut" })
      const throttled = yield* failureAt(refuses(429, 60203, { "retry-after": "17" }))
      assert.strictEqual(
        Duration.toMillis((throttled as { readonly retryAfter: Duration.Duration }).retryAfter),
        17_000
      )
    }))

  it.effect("classes other refusals to start by their status", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureAt(refuses(400, 69999)), { _tag: "Permanent", code: "69999" })
      assert.deepStrictEqual(yield* failureAt({ status: 404, body: "no" }), {
        _tag: "AccountRefused",
        code: "HTTP 404"
      })
      assert.deepStrictEqual(yield* failureAt(refuses(429, 69999)), { _tag: "Throttled" })
      assert.deepStrictEqual(yield* failureAt({ status: 401 }), { _tag: "AccountRefused", code: "HTTP 401" })
      for (const status of [307, 408, 500, 503]) {
        assert.deepStrictEqual(yield* failureAt(refuses(status, 69999)), { _tag: "Transient", cause: `HTTP ${status}` })
      }
      for (const code of [41791112233, number, 314159, -1, 1.5]) {
        assert.deepStrictEqual(yield* failureAt(StandIn.json(400, { code })), { _tag: "Permanent", code: "HTTP 400" })
      }
    }))

  it.effect("may start later when Twilio cannot be reached or understood", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureAt("reset"), { _tag: "Transient", cause: "connection failed" })
      for (const body of ["", "garbage", "{}", `{"sid": 5}`, `{"sid": "${number}"}`, `{"sid": "VE1"}`]) {
        assert.deepStrictEqual(yield* failureAt({ status: 201, body }), {
          _tag: "Transient",
          cause: "unreadable answer"
        })
      }
      const provider = yield* make({ ...options, baseUrl: yield* StandIn.goneUrl })
      const error = yield* Effect.flip(started(provider))
      assert.deepStrictEqual(SampleSms.plain(error), { _tag: "Transient", cause: "connection failed" })
    }))

  it.effect("gives a start up after ten seconds, and closes its connection", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      const error = yield* hanging(twilio, started(provider))
      assert.deepStrictEqual(SampleSms.plain(error), { _tag: "Transient", cause: "timeout" })
    }))

  it.effect("says what Twilio says of a guess", () =>
    Effect.gen(function*() {
      const says = (status: unknown) => StandIn.json(200, { sid: sidOf(1), to: number, status })
      const outcomes = {
        approved: "right",
        pending: "wrong",
        canceled: "expired",
        deleted: "expired",
        expired: "expired",
        failed: "expired",
        max_attempts_reached: "spent"
      }
      for (const [status, outcome] of Object.entries(outcomes)) {
        assert.strictEqual(yield* checkAt(says(status)), outcome)
      }
      assert.strictEqual(yield* checkAt(refuses(404, 20404)), "expired")
      assert.strictEqual(yield* checkAt(refuses(404, 60431)), "expired")
      assert.strictEqual(yield* checkAt(refuses(429, 60202)), "spent")
      assert.strictEqual(yield* checkAt(refuses(400, 60200)), "wrong")
      for (const status of ["APPROVED", "constructor", number, "", 1, true, null, undefined]) {
        assert.strictEqual(yield* checkAt(says(status)), "Twilio Verify: unreadable answer")
      }
    }))

  it.effect("has as many checks as Twilio allows, and looks at no guess that could not be a code", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      yield* started(provider)
      for (const guess of ["1", "abcdef", "12345678901"]) assert.strictEqual(yield* checked(provider, guess), "wrong")
      for (let guess = 0; guess < 5; guess++) assert.strictEqual(yield* checked(provider, "314159"), "wrong")
      assert.strictEqual(yield* checked(provider, twilio.codeFor(number)!), "spent")
      assert.deepStrictEqual(SampleSms.plain(yield* Effect.flip(started(provider))), { _tag: "Throttled" })
    }))

  it.effect("has no answer to a guess when Twilio cannot be reached or understood, or refuses", () =>
    Effect.gen(function*() {
      const causes: ReadonlyArray<readonly [StandIn.Answer, string]> = [
        [refuses(500, 20500), "HTTP 500, code 20500"],
        [{ status: 503, body: `no luck with ${number}` }, "HTTP 503"],
        [refuses(429, 20429), "HTTP 429, code 20429"],
        [{ status: 429 }, "HTTP 429"],
        [refuses(401, 20003), "HTTP 401, code 20003"],
        [{ status: 404, body: "<html>" }, "HTTP 404"],
        [StandIn.json(400, { code: 314159 }), "HTTP 400"],
        [{ status: 307, headers: { location: "http://127.0.0.1:9/" } }, "HTTP 307"],
        [{ status: 200, body: "approved" }, "unreadable answer"],
        [{ status: 200, body: `"approved"` }, "unreadable answer"],
        [{ status: 200 }, "unreadable answer"],
        ["reset", "connection failed"]
      ]
      for (const [answer, cause] of causes) {
        assert.strictEqual(yield* checkAt(answer), `Twilio Verify: ${cause}`)
      }
      const provider = yield* make({ ...options, baseUrl: yield* StandIn.goneUrl })
      const { cause } = yield* Effect.flip(checked(provider, "314159"))
      assert.strictEqual(cause, "Twilio Verify: connection failed")
    }))

  it.effect("gives a check up after ten seconds, and closes its connection", () =>
    Effect.gen(function*() {
      const { provider, twilio } = yield* connected()
      const { cause } = yield* hanging(twilio, checked(provider, "314159"))
      assert.strictEqual(cause, "Twilio Verify: timeout")
    }))

  it.effect("tells no number, guess or credential, whatever Twilio answers", () =>
    Effect.gen(function*() {
      const scan = SecretScan.make({
        numbers: [number],
        codes: ["314159", "271829"].map((code) => ({ code, number, userId: "ada" })),
        texts: [VerifyStandIn.authToken, apiKey.secret]
      })
      const quoting = `${number} 314159 ${VerifyStandIn.authToken} ${apiKey.secret}`
      assert.strictEqual(scan(inspect({ quoting })).size, 4)
      const answers: ReadonlyArray<StandIn.Answer | undefined> = [
        undefined,
        "reset",
        refuses(400, 60200),
        refuses(429, 60203),
        refuses(401, 20003),
        refuses(500, 20500),
        StandIn.json(400, { code: quoting, message: quoting }),
        StandIn.json(400, { code: 314159 }),
        StandIn.json(200, { sid: quoting, status: quoting }),
        { status: 200, body: quoting },
        { status: 307, headers: { location: `http://127.0.0.1:9/?${encodeURIComponent(quoting)}` } }
      ]
      for (const client of [FetchHttpClient.layer, NodeHttpClient.layerUndici]) {
        for (const credentials of [{ authToken }, { apiKey: key }]) {
          for (const answer of answers) {
            const twilio = yield* VerifyStandIn.make
            const { layer, logs, spans } = Telemetry.record()
            const context = yield* Layer.build(client)
            const provider = yield* Effect.provideContext(
              TwilioVerify.make({ ...options, ...credentials, baseUrl: twilio.url }),
              context
            )
            const exits: Array<Exit.Exit<unknown, unknown>> = []
            const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
              started(provider),
              checked(provider, "314159"),
              checked(provider, "271829")
            ]
            for (const call of calls) {
              if (answer !== undefined) twilio.script(answer)
              exits.push(
                yield* Effect.exit(Effect.tapCause(call, Effect.logError)).pipe(Effect.provide(layer))
              )
            }
            assert.strictEqual(twilio.received.length, 3)
            const causes = exits.flatMap((exit) => exit._tag === "Failure" ? [exit.cause] : [])
            const told = inspect([exits, causes.map(Cause.pretty), logs], { depth: 12, showHidden: true })
            const traced = spans.map(({ attributes, events, name, status }) => [name, attributes, events, status])
            assert.deepStrictEqual(Array.from(scan(`${told}\n${inspect(traced, { depth: 12 })}`)), [])
            assert.deepStrictEqual(spans.map(({ name }) => name), [
              "TwilioVerify.start",
              "TwilioVerify.check",
              "TwilioVerify.check"
            ])
          }
        }
      }
    }))
})

describe("TwilioVerify's settings", () => {
  const settings = {
    TWILIO_ACCOUNT_SID: accountSid,
    TWILIO_AUTH_TOKEN: VerifyStandIn.authToken,
    TWILIO_VERIFY_SERVICE_SID: serviceSid
  }
  const read = (settings: Readonly<Record<string, string>>) =>
    TwilioVerify.optionsConfig.parse(ConfigProvider.fromUnknown(settings))
  const provider = (
    layer: Layer.Layer<never, Config.ConfigError>
  ) => Effect.provide(Effect.map(VerificationProvider.VerificationProvider, (provider) => provider!), layer)

  it.effect("start a verification", () =>
    Effect.gen(function*() {
      const twilio = yield* VerifyStandIn.make
      const layer = TwilioVerify.layerConfig().pipe(Layer.provide([
        FetchHttpClient.layer,
        ConfigProvider.layer(ConfigProvider.fromUnknown({ ...settings, TWILIO_VERIFY_BASE_URL: twilio.url }))
      ]))
      assert.deepStrictEqual(yield* started(yield* provider(layer)), { verificationId: sidOf(1) })
    }))

  it.effect("may have other names", () =>
    Effect.gen(function*() {
      const twilio = yield* VerifyStandIn.make
      const layer = TwilioVerify.layerConfig({
        accountSid: Config.succeed(accountSid),
        authToken: Config.Redacted("TOKEN"),
        serviceSid: Config.String("SERVICE"),
        baseUrl: Config.succeed(twilio.url)
      }).pipe(Layer.provide([
        FetchHttpClient.layer,
        ConfigProvider.layer(ConfigProvider.fromUnknown({ SERVICE: serviceSid, TOKEN: VerifyStandIn.authToken }))
      ]))
      yield* started(yield* provider(layer))
    }))

  it.effect("are all read", () =>
    Effect.gen(function*() {
      const all = yield* read({
        ...settings,
        TWILIO_API_KEY_SID: apiKey.sid,
        TWILIO_API_KEY_SECRET: apiKey.secret,
        TWILIO_VERIFY_LIFETIME: "2 minutes",
        TWILIO_VERIFY_BASE_URL: "https://verify.dublin.ie1.twilio.com"
      })
      assert.strictEqual(Redacted.value(all.authToken!), VerifyStandIn.authToken)
      assert.strictEqual(Redacted.value(all.apiKey!.secret), apiKey.secret)
      assert.deepStrictEqual(
        [all.accountSid, all.apiKey!.sid, all.serviceSid, all.baseUrl],
        [accountSid, apiKey.sid, serviceSid, "https://verify.dublin.ie1.twilio.com/"]
      )
      assert.strictEqual(Duration.toMillis((yield* make(all)).lifetime), 120_000)
      const { TWILIO_AUTH_TOKEN: _, ...keyOnly } = settings
      yield* read({ ...keyOnly, TWILIO_API_KEY_SID: apiKey.sid, TWILIO_API_KEY_SECRET: apiKey.secret })
    }))

  it.effect("are named when they are wrong, without their value", () =>
    Effect.gen(function*() {
      const { TWILIO_ACCOUNT_SID: _, ...noSid } = settings
      const { TWILIO_AUTH_TOKEN: __, ...noToken } = settings
      const { TWILIO_VERIFY_SERVICE_SID: ___, ...noService } = settings
      const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, ReadonlyArray<string>]> = [
        [noSid, ["TWILIO_ACCOUNT_SID"]],
        [{ ...settings, TWILIO_ACCOUNT_SID: "wrong-value" }, ["TWILIO_ACCOUNT_SID"]],
        [noToken, ["TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"]],
        [{ ...settings, TWILIO_API_KEY_SID: "wrong-value" }, ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"]],
        [{ ...settings, TWILIO_API_KEY_SECRET: "wrong-value" }, ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"]],
        [noService, ["TWILIO_VERIFY_SERVICE_SID"]],
        [{ ...settings, TWILIO_VERIFY_SERVICE_SID: `MG${"0".repeat(32)}` }, ["TWILIO_VERIFY_SERVICE_SID", "VA"]],
        [{ ...settings, TWILIO_VERIFY_LIFETIME: "wrong-value" }, ["TWILIO_VERIFY_LIFETIME"]],
        [{ ...settings, TWILIO_VERIFY_LIFETIME: "119 seconds" }, ["TWILIO_VERIFY_LIFETIME", "2 minutes"]],
        [{ ...settings, TWILIO_VERIFY_LIFETIME: "25 hours" }, ["TWILIO_VERIFY_LIFETIME", "24 hours"]],
        [{ ...settings, TWILIO_VERIFY_BASE_URL: "ftp://wrong-value" }, ["TWILIO_VERIFY_BASE_URL"]]
      ]
      for (const [wrong, names] of cases) {
        const { message } = yield* Effect.flip(read(wrong))
        for (const name of names) assert.include(message, name)
        assert.notInclude(message, "wrong-value")
        assert.notInclude(message, VerifyStandIn.authToken)
      }
    }))
})

describe("a code of Twilio Verify", () => {
  const organization = UserId.OrganizationId.make("demo")
  const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
  const asAdmin = Effect.provideService(Actor.Actor, admin)

  class Twilio extends Context.Service<Twilio, Effect.Success<typeof VerifyStandIn.make>>()("test/Twilio") {}

  const layers = Operations.layer.pipe(
    Layer.provideMerge(Layer.unwrap(Effect.map(VerifyStandIn.make, (twilio) =>
      Layer.merge(
        Layer.succeed(Twilio, twilio),
        TwilioVerify.layer({ ...options, baseUrl: twilio.url }).pipe(Layer.provide(FetchHttpClient.layer))
      )))),
    Layer.provideMerge(Memory.layerPorts)
  )

  const set = (userId: string) =>
    asAdmin(
      SetPhone.SetPhone.use(({ setPhone }) =>
        setPhone({ userId, phone: Redacted.make(number), verification: { _tag: "SendCode" } })
      )
    )
  const resend = (userId: string) =>
    asAdmin(ResendPhoneCode.ResendPhoneCode.use(({ resendPhoneCode }) => resendPhoneCode({ userId })))
  const verify = (userId: string, code: string) =>
    asAdmin(
      VerifyPhone.VerifyPhone.use(({ verifyPhone }) => verifyPhone({ userId, verificationCode: Redacted.make(code) }))
    )
  const get = (userId: string) => asAdmin(GetPhone.GetPhone.use(({ getPhone }) => getPhone({ userId })))
  const deliver = Effect.flatMap(SmsDelivery.make(), ({ deliverDue }) => deliverDue)
  const failure = <A, R>(operation: Effect.Effect<A, { readonly _tag: string }, R>) =>
    Effect.map(Effect.flip(operation), (error) => {
      const { reason } = error as { readonly reason?: string }
      return reason === undefined ? error._tag : `${error._tag} ${reason}`
    })
  const newUser = Effect.gen(function*() {
    const userId = UserId.UserId.make(crypto.randomUUID())
    yield* Users.Users.use((users) =>
      users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
    )
    return userId
  })
  const checks = Effect.map(
    Twilio,
    ({ received }) => VerifyStandIn.formsIn(received, "VerificationCheck").map(({ Code }) => Code)
  )

  it.effect("verifies the number that it was sent to", () =>
    Effect.gen(function*() {
      const twilio = yield* Twilio
      const userId = yield* newUser
      yield* set(userId)
      assert.deepStrictEqual(twilio.received, [])
      assert.strictEqual(yield* deliver, 1)
      const code = twilio.codeFor(number)!
      assert.strictEqual(yield* failure(verify(userId, "314159")), "InvalidCode CODE_WRONG")
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 4)
      assert.isFalse((yield* get(userId)).phone?.verified)
      yield* verify(userId, ` ${code.slice(0, 3)}-${code.slice(3)} `)
      assert.isTrue((yield* get(userId)).phone?.verified)
      assert.deepStrictEqual(yield* checks, ["314159", code])
    }).pipe(Effect.provide(layers)))

  it.effect("is refused after five wrong guesses without asking Twilio", () =>
    Effect.gen(function*() {
      const twilio = yield* Twilio
      const userId = yield* newUser
      yield* set(userId)
      yield* deliver
      for (let guess = 0; guess < 5; guess++) {
        assert.strictEqual(yield* failure(verify(userId, "314159")), "InvalidCode CODE_WRONG")
      }
      assert.strictEqual(yield* failure(verify(userId, twilio.codeFor(number)!)), "InvalidCode CODE_SPENT")
      assert.lengthOf(yield* checks, 5)
    }).pipe(Effect.provide(layers)))

  it.effect("keeps its count when it is sent again", () =>
    Effect.gen(function*() {
      const twilio = yield* Twilio
      const userId = yield* newUser
      yield* set(userId)
      yield* deliver
      for (let guess = 0; guess < 4; guess++) yield* failure(verify(userId, "314159"))
      yield* TestClock.adjust("40 seconds")
      yield* resend(userId)
      yield* deliver
      assert.strictEqual(twilio.sendsTo(number), 2)
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 1)
      yield* verify(userId, twilio.codeFor(number)!)
    }).pipe(Effect.provide(layers)))

  it.effect("cannot be returned", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      const setting = SetPhone.SetPhone.use(({ setPhone }) =>
        setPhone({ userId, phone: Redacted.make(number), verification: { _tag: "ReturnCode" } })
      )
      assert.strictEqual(yield* failure(asAdmin(setting)), "CodeNotReturnable")
      assert.deepStrictEqual((yield* Twilio).received, [])
    }).pipe(Effect.provide(layers)))

  it.effect("is started again after Twilio was down, and not when the number is a landline", () =>
    Effect.gen(function*() {
      const twilio = yield* Twilio
      const userId = yield* newUser
      twilio.script(refuses(503, 20503), "reset", refuses(403, 60205))
      yield* set(userId)
      for (let attempt = 0; attempt < 3; attempt++) {
        assert.strictEqual(yield* deliver, 1)
        yield* TestClock.adjust("3 seconds")
      }
      assert.strictEqual(yield* deliver, 0)
      assert.lengthOf(twilio.received, 3)
      const { delivery } = (yield* get(userId)).pendingCode!
      assert.deepStrictEqual([delivery?.state, delivery?.reason], ["failed", "permanent: 60205"])
    }).pipe(Effect.provide(layers)))

  it.effect("costs nothing that Twilio does not answer, and is asked about again", () =>
    Effect.gen(function*() {
      const twilio = yield* Twilio
      const userId = yield* newUser
      yield* set(userId)
      yield* deliver
      const code = twilio.codeFor(number)!
      for (const answer of [refuses(500, 20500), refuses(429, 20429), "reset", { status: 200, body: "?" }] as const) {
        twilio.script(answer)
        assert.strictEqual(yield* failure(verify(userId, code)), "Unavailable")
      }
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 5)
      yield* verify(userId, code)
    }).pipe(Effect.provide(layers)))

  it.effect("says what Twilio says of a code that it looks at no more, and asks no more", () =>
    Effect.gen(function*() {
      const twilio = yield* Twilio
      const spent: Effect.Effect<void> = Effect.sync(() => twilio.script(refuses(429, 60202)))
      const expired: Effect.Effect<void> = Effect.sync(() => twilio.passes(10))
      for (const [happens, reason] of [[spent, "CODE_SPENT"], [expired, "CODE_EXPIRED"]] as const) {
        const userId = yield* newUser
        yield* set(userId)
        yield* deliver
        const code = twilio.codeFor(number)!
        yield* happens
        assert.strictEqual(yield* failure(verify(userId, code)), `InvalidCode ${reason}`)
        const asked = twilio.received.length
        assert.strictEqual(yield* failure(verify(userId, code)), `InvalidCode ${reason}`)
        assert.lengthOf(twilio.received, asked)
        assert.isFalse((yield* get(userId)).phone?.verified)
      }
    }).pipe(Effect.provide(layers)))
})
