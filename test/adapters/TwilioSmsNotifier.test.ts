/** Twilio: the requests, what its answers come to, and its signed callbacks. */
import { NodeCrypto, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { createHash, createHmac } from "node:crypto"
import * as TwilioSmsNotifier from "../../src/adapters/TwilioSmsNotifier.ts"
import { SmsNotifier } from "../../src/core/index.ts"
import { SmsNotifierContract } from "../../src/testing/index.ts"
import * as SampleSms from "../fixtures/SampleSms.ts"
import * as StandIn from "../fixtures/StandIn.ts"
import * as TwilioStandIn from "../fixtures/TwilioStandIn.ts"

const { accountSid, apiKey } = TwilioStandIn
const authToken = Redacted.make(TwilioStandIn.authToken)
const callbackUrl = new URL("https://phone.example.com/sms-receipts/twilio")
const key = { sid: apiKey.sid, secret: Redacted.make(apiKey.secret) }

/** What a test changes; a sender and an Auth Token are there in any case. */
type TwilioOverrides = Omit<TwilioSmsNotifier.TwilioAccount, "authToken" | "from"> & {
  readonly authToken: Redacted.Redacted
}

const services = Layer.merge(FetchHttpClient.layer, NodeCrypto.layer)

const make = (options: TwilioSmsNotifier.TwilioOptions) => Effect.provide(TwilioSmsNotifier.make(options), services)

/** A notifier and the stand-in that it talks to. */
const connected = Effect.fnUntraced(function*(options: Partial<TwilioOverrides> = {}) {
  const twilio = yield* TwilioStandIn.make
  const notifier = yield* make({ accountSid, authToken, from: "ACME", baseUrl: twilio.url, ...options })
  return { twilio, notifier }
})

/** What a message comes to when Twilio answers so. */
const failureAt = Effect.fnUntraced(function*(answer: StandIn.Answer) {
  const { notifier, twilio } = yield* connected()
  twilio.script(answer)
  const error = yield* Effect.flip(notifier.send(SampleSms.make()))
  assert.strictEqual(twilio.received.length, 1)
  return SampleSms.plain(error)
})

const scripts: Readonly<Record<SmsNotifierContract.ProviderAnswer, ReadonlyArray<StandIn.Answer>>> = {
  accept: [],
  throttle: [TwilioStandIn.refuses(429, 20429, { "retry-after": "1" })],
  fail: [StandIn.json(500, { code: 20500, message: `no luck with ${SampleSms.number}`, status: 500 })],
  reset: ["reset"],
  hang: ["hang"],
  "refuse-number": [TwilioStandIn.refuses(400, 21211)],
  "opted-out": [TwilioStandIn.refuses(400, 21610)],
  "refuse-account": [TwilioStandIn.refuses(401, 20003)]
}

const contractLayer = (client: Layer.Layer<HttpClient.HttpClient>) =>
  Layer.unwrap(Effect.map(TwilioStandIn.make, (twilio) =>
    Layer.merge(
      TwilioSmsNotifier.layer({ accountSid, authToken, from: "ACME", callbackUrl, baseUrl: twilio.url }).pipe(
        Layer.provide([client, NodeCrypto.layer])
      ),
      Layer.succeed(SmsNotifierContract.ScriptedProvider, {
        answer: (answer) => Effect.sync(() => twilio.script(...scripts[answer])),
        received: Effect.sync(() => TwilioStandIn.messagesIn(twilio.received))
      })
    )))

SmsNotifierContract.suite("Twilio, fetch", contractLayer(FetchHttpClient.layer))
SmsNotifierContract.suite("Twilio, undici", contractLayer(NodeHttpClient.layerUndici))

describe("TwilioSmsNotifier", () => {
  it.effect("posts a form to the account's messages, signed in with the Auth Token", () =>
    Effect.gen(function*() {
      const { notifier, twilio } = yield* connected({ callbackUrl })
      assert.deepStrictEqual(yield* notifier.send(SampleSms.make()), {
        provider: "twilio",
        reference: TwilioStandIn.sidOf(1)
      })
      const [request] = twilio.received
      assert.strictEqual(request!.method, "POST")
      assert.strictEqual(request!.path, `/2010-04-01/Accounts/${accountSid}/Messages.json`)
      assert.strictEqual(request!.query, "")
      assert.strictEqual(request!.headers.authorization, `Basic ${btoa(`${accountSid}:${TwilioStandIn.authToken}`)}`)
      assert.isUndefined(request!.headers.traceparent)
      assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(request!.body)), {
        To: SampleSms.number,
        Body: SampleSms.text,
        From: "ACME",
        StatusCallback: "https://phone.example.com/sms-receipts/twilio/receipt-1"
      })
    }))

  it.effect("signs in with an API key, and sends through a Messaging Service, if there are any", () =>
    Effect.gen(function*() {
      const twilio = yield* TwilioStandIn.make
      const messagingServiceSid = `MG${"0".repeat(32)}`
      const notifier = yield* make({ accountSid, apiKey: key, messagingServiceSid, baseUrl: `${twilio.url}/` })
      yield* notifier.send(SampleSms.make())
      const [request] = twilio.received
      assert.strictEqual(request!.headers.authorization, `Basic ${btoa(`${apiKey.sid}:${apiKey.secret}`)}`)
      assert.deepStrictEqual(Object.fromEntries(new URLSearchParams(request!.body)), {
        To: SampleSms.number,
        Body: SampleSms.text,
        MessagingServiceSid: messagingServiceSid
      })
    }))

  it.effect("is refused with credentials that the account does not have", () =>
    Effect.gen(function*() {
      for (
        const wrong of [
          { authToken: Redacted.make("wrong") },
          { apiKey: { ...key, secret: Redacted.make("wrong") } },
          { accountSid: `AC${"f".repeat(32)}` }
        ]
      ) {
        const { notifier } = yield* connected(wrong)
        const error = yield* Effect.flip(notifier.send(SampleSms.make()))
        assert.deepStrictEqual(SampleSms.plain(error), { _tag: "AccountRefused", code: "20003" })
      }
    }))

  it.effect("classes refusals by Twilio's code", () =>
    Effect.gen(function*() {
      const permanent = [21211, 21214, 21265, 21266, 21614, 21617, 21635]
      for (const code of permanent) {
        assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(400, code)), {
          _tag: "Permanent",
          code: String(code)
        })
      }
      const account = [10001, 20003, 20005, 20403, 20404, 21212, 21601, 21603, 21609, 21660, 21661]
      for (const code of [...account, 21701, 21703, 21705, 30002]) {
        assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(400, code)), {
          _tag: "AccountRefused",
          code: String(code)
        })
      }
      for (const code of [21408, 21606, 21608, 21612, 21659]) {
        assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(400, code)), {
          _tag: "DestinationRefused",
          code: String(code)
        })
      }
      for (const code of [14107, 20429, 21611, 30001, 60728, 63017, 63038]) {
        assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(400, code)), { _tag: "Throttled" })
      }
      assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(400, 21610)), { _tag: "OptedOut" })
    }))

  it.effect("classes other refusals by their status", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(400, 29999)), { _tag: "Permanent", code: "29999" })
      assert.deepStrictEqual(yield* failureAt({ status: 418 }), { _tag: "Permanent", code: "HTTP 418" })
      assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(429, 29999)), { _tag: "Throttled" })
      for (const status of [401, 402, 403, 404, 405, 410]) {
        assert.deepStrictEqual(yield* failureAt({ status, body: "<p>no</p>" }), {
          _tag: "AccountRefused",
          code: `HTTP ${status}`
        })
      }
      for (const status of [302, 408, 425, 500, 502, 503, 504]) {
        assert.deepStrictEqual(yield* failureAt(TwilioStandIn.refuses(status, 29999)), {
          _tag: "Transient",
          cause: `HTTP ${status}`
        })
      }
    }))

  it.effect("takes no number for a code, wherever Twilio writes it", () =>
    Effect.gen(function*() {
      for (const code of [41791112233, SampleSms.number, 314159, -1, 1.5, null]) {
        assert.deepStrictEqual(yield* failureAt(StandIn.json(400, { code })), { _tag: "Permanent", code: "HTTP 400" })
      }
    }))

  it.effect("may work later when Twilio cannot be reached or understood", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureAt("reset"), { _tag: "Transient", cause: "connection failed" })
      for (const body of ["", "garbage", "{}", `{"sid": 5}`, "<html>"]) {
        assert.deepStrictEqual(yield* failureAt({ status: 201, body }), {
          _tag: "Transient",
          cause: "unreadable answer"
        })
      }
      const notifier = yield* make({ accountSid, authToken, from: "ACME", baseUrl: yield* StandIn.goneUrl })
      assert.deepStrictEqual(SampleSms.plain(yield* Effect.flip(notifier.send(SampleSms.make()))), {
        _tag: "Transient",
        cause: "connection failed"
      })
    }))

  it.effect("waits as long as Twilio asks, in seconds or until a date", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const cases: ReadonlyArray<readonly [string, number | undefined]> = [
        ["17", 17_000],
        [" 0 ", 0],
        ["Tue, 01 Jan 2030 00:01:30 GMT", 90_000],
        ["Mon, 31 Dec 2029 23:59:00 GMT", 0],
        ["-5", undefined],
        ["1.5", undefined],
        ["soon", undefined],
        ["99999999999999999999", undefined]
      ]
      for (const [header, millis] of cases) {
        const failure = yield* failureAt(TwilioStandIn.refuses(429, 20429, { "retry-after": header }))
        assert.strictEqual(failure._tag, "Throttled")
        const { retryAfter } = failure as { readonly retryAfter?: Duration.Duration }
        assert.strictEqual(retryAfter && Duration.toMillis(retryAfter), millis, header)
      }
    }))

  it.live("closes the connection of a message that is interrupted", () =>
    Effect.gen(function*() {
      const { notifier, twilio } = yield* connected()
      yield* StandIn.interrupted(twilio, notifier.send(SampleSms.make()))
    }))

  it.effect("follows no redirect, which would take the credentials along", () =>
    Effect.gen(function*() {
      const other = yield* StandIn.make(() => StandIn.json(201, { sid: TwilioStandIn.sidOf(1) }))
      for (const status of [301, 302, 303, 307, 308]) {
        for (const client of [FetchHttpClient.layer, NodeHttpClient.layerUndici, NodeHttpClient.layerNodeHttp]) {
          const twilio = yield* TwilioStandIn.make
          twilio.script({ status, headers: { location: `${other.url}/elsewhere` } })
          const context = yield* Layer.build(Layer.merge(client, NodeCrypto.layer))
          const notifier = yield* Effect.provide(
            TwilioSmsNotifier.make({ accountSid, authToken, from: "ACME", baseUrl: twilio.url }),
            context
          )
          assert.deepStrictEqual(SampleSms.plain(yield* Effect.flip(notifier.send(SampleSms.make()))), {
            _tag: "Transient",
            cause: `HTTP ${status}`
          })
        }
      }
      assert.deepStrictEqual(other.received, [])
    }))

  it.effect("keeps the options of fetch that it finds", () =>
    Effect.gen(function*() {
      const { url } = yield* TwilioStandIn.make
      const seen: Array<RequestInit | undefined> = []
      const notifier = yield* TwilioSmsNotifier.make({ accountSid, authToken, from: "ACME", baseUrl: url }).pipe(
        Effect.provide(Layer.mergeAll(
          services,
          Layer.succeed(FetchHttpClient.RequestInit, { cache: "no-store", redirect: "follow" })
        ))
      )
      const watched: typeof fetch = (input, init) => {
        seen.push(init)
        return fetch(input, init)
      }
      yield* Effect.provideService(notifier.send(SampleSms.make()), FetchHttpClient.Fetch, watched)
      assert.deepStrictEqual([seen[0]!.cache, seen[0]!.redirect], ["no-store", "manual"])
    }))
})

describe("TwilioSmsNotifier's settings", () => {
  const settings = {
    TWILIO_ACCOUNT_SID: accountSid,
    TWILIO_AUTH_TOKEN: TwilioStandIn.authToken,
    TWILIO_FROM: "ACME"
  }
  const read = (settings: Readonly<Record<string, string>>) =>
    TwilioSmsNotifier.optionsConfig.parse(ConfigProvider.fromUnknown(settings))

  it.effect("send a message", () =>
    Effect.gen(function*() {
      const twilio = yield* TwilioStandIn.make
      const notifier = yield* SmsNotifier.SmsNotifier.pipe(
        Effect.provide(
          TwilioSmsNotifier.layerConfig().pipe(
            Layer.provide([
              services,
              ConfigProvider.layer(ConfigProvider.fromUnknown({ ...settings, TWILIO_BASE_URL: twilio.url }))
            ])
          )
        )
      )
      yield* notifier.send(SampleSms.make())
      assert.strictEqual(twilio.received.length, 1)
    }))

  it.effect("may have other names", () =>
    Effect.gen(function*() {
      const twilio = yield* TwilioStandIn.make
      const notifier = yield* SmsNotifier.SmsNotifier.pipe(
        Effect.provide(
          TwilioSmsNotifier.layerConfig({
            accountSid: Config.String("SID"),
            authToken: Config.Redacted("TOKEN"),
            from: Config.succeed("ACME"),
            baseUrl: Config.succeed(twilio.url)
          }).pipe(
            Layer.provide([
              services,
              ConfigProvider.layer(ConfigProvider.fromUnknown({ SID: accountSid, TOKEN: TwilioStandIn.authToken }))
            ])
          )
        )
      )
      yield* notifier.send(SampleSms.make())
    }))

  it.effect("are all read", () =>
    Effect.gen(function*() {
      const options = yield* read({
        ...settings,
        TWILIO_API_KEY_SID: apiKey.sid,
        TWILIO_API_KEY_SECRET: apiKey.secret,
        TWILIO_MESSAGING_SERVICE_SID: "MG1",
        TWILIO_CALLBACK_URL: "https://phone.example.com/x",
        TWILIO_BASE_URL: "https://api.dublin.ie1.twilio.com"
      })
      assert.strictEqual(Redacted.value(options.authToken!), TwilioStandIn.authToken)
      assert.strictEqual(options.apiKey!.sid, apiKey.sid)
      assert.strictEqual(Redacted.value(options.apiKey!.secret), apiKey.secret)
      assert.deepStrictEqual(
        [options.accountSid, options.from, options.messagingServiceSid, options.callbackUrl?.href, options.baseUrl],
        [accountSid, "ACME", "MG1", "https://phone.example.com/x", "https://api.dublin.ie1.twilio.com/"]
      )
    }))

  it.effect("are named when they are wrong, without their value", () =>
    Effect.gen(function*() {
      const { TWILIO_ACCOUNT_SID: _, ...noSid } = settings
      const { TWILIO_AUTH_TOKEN: __, ...noToken } = settings
      const { TWILIO_FROM: ___, ...noFrom } = settings
      const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, ReadonlyArray<string>]> = [
        [noSid, ["TWILIO_ACCOUNT_SID"]],
        [{ ...settings, TWILIO_ACCOUNT_SID: "wrong-value" }, ["TWILIO_ACCOUNT_SID"]],
        [noToken, ["TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"]],
        [{ ...settings, TWILIO_AUTH_TOKEN: "" }, ["TWILIO_AUTH_TOKEN"]],
        [{ ...settings, TWILIO_API_KEY_SID: "wrong-value" }, ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"]],
        [{ ...settings, TWILIO_API_KEY_SECRET: "wrong-value" }, ["TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"]],
        [noFrom, ["TWILIO_FROM", "TWILIO_MESSAGING_SERVICE_SID"]],
        [{ ...settings, TWILIO_CALLBACK_URL: "wrong-value" }, ["TWILIO_CALLBACK_URL"]],
        [{ ...settings, TWILIO_BASE_URL: "ftp://wrong-value" }, ["TWILIO_BASE_URL"]]
      ]
      for (const [wrong, names] of cases) {
        const { message } = yield* Effect.flip(read(wrong))
        for (const name of names) assert.include(message, name)
        assert.notInclude(message, "wrong-value")
        assert.notInclude(message, TwilioStandIn.authToken)
      }
    }))
})

describe("Twilio's receipts", () => {
  const receiptId = "receipt-1"
  const url = `${callbackUrl.href}/${receiptId}`
  const form = (fields: Readonly<Record<string, string>>) => new URLSearchParams(fields).toString()
  const delivered = { MessageSid: "SM1", MessageStatus: "delivered", AccountSid: accountSid, To: SampleSms.number }

  /** A callback that Twilio signs: over the URL and, of a form, its parameters. */
  const signed = (
    fields: Readonly<Record<string, string>>,
    { query = "", at = url, token = TwilioStandIn.authToken } = {}
  ): SmsNotifier.ReceiptCallback => {
    const text = Object.keys(fields).toSorted().reduce(
      (text, name) => text + name + fields[name],
      at + (query && `?${query}`)
    )
    return {
      receiptId,
      query,
      headers: { "x-twilio-signature": createHmac("sha1", token).update(text).digest("base64") },
      body: form(fields)
    }
  }

  const reading = Effect.fnUntraced(function*(
    callback: SmsNotifier.ReceiptCallback,
    options: Partial<TwilioOverrides> = {}
  ) {
    const { receipts } = yield* make({ accountSid, authToken, from: "ACME", callbackUrl, ...options })
    return yield* receipts.get("twilio")!(callback)
  })

  it.effect("hold to the examples that Twilio prints", () =>
    Effect.gen(function*() {
      // https://www.twilio.com/docs/usage/security#validating-requests: the path of the URL ends as a receipt id would.
      const token = { authToken: Redacted.make("12345"), callbackUrl: new URL("https://example.com/") }
      const fields = {
        CallSid: "CA1234567890ABCDE",
        Caller: "+14158675310",
        Digits: "1234",
        From: "+14158675310",
        To: "+18005551212"
      }
      const at = { at: "https://example.com/myapp.php", query: "foo=1&bar=2", token: "12345" }
      const printed = { ...signed(fields, at), receiptId: "myapp.php" }
      assert.strictEqual(printed.headers["x-twilio-signature"], "L/OH5YylLD5NRKLltdqwSvS0BnU=")
      // It says nothing of a message, so whether it counts as signed is seen in the next two.
      assert.isUndefined(yield* reading(printed, token))
      const older = "https://mycompany.com/myapp.php"
      assert.strictEqual(
        signed({ ...fields, Caller: "+14158675309", From: "+14158675309" }, { ...at, at: older })
          .headers["x-twilio-signature"],
        "RSOYDt4T1cUTdK1PDd93/VVr8B8="
      )
      const statusOnTop = { ...signed({ ...fields, MessageStatus: "delivered" }, at), receiptId: "myapp.php" }
      assert.deepStrictEqual(yield* reading(statusOnTop, token), { status: "delivered" })
      assert.isUndefined(
        yield* reading({ ...statusOnTop, headers: printed.headers }, token),
        "the printed signature is not that of more parameters"
      )
    }))

  it.effect("say whether a message arrived", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, SmsNotifier.Receipt | undefined]> = [
        [{ MessageStatus: "delivered" }, { status: "delivered" }],
        [{ MessageStatus: "undelivered", ErrorCode: "30003" }, { status: "failed", code: "30003" }],
        [{ MessageStatus: "failed", ErrorCode: "30007" }, { status: "failed", code: "30007" }],
        [{ MessageStatus: "failed" }, { status: "failed", code: "failed" }],
        [{ MessageStatus: "undelivered", ErrorCode: SampleSms.number }, { status: "failed", code: "undelivered" }],
        [{ MessageStatus: "sent" }, undefined],
        [{ MessageStatus: "queued" }, undefined],
        [{ MessageStatus: "read" }, undefined],
        [{}, undefined]
      ]
      for (const [fields, receipt] of cases) {
        assert.deepStrictEqual(yield* reading(signed({ ...delivered, MessageStatus: "", ...fields })), receipt)
      }
    }))

  it.effect("are signed over their query", () =>
    Effect.gen(function*() {
      const callback = signed(delivered, { query: "a=1&b=%2B" })
      assert.deepStrictEqual(yield* reading(callback), { status: "delivered" })
      assert.isUndefined(yield* reading({ ...callback, query: "a=1&b=%2b" }))
      assert.isUndefined(yield* reading({ ...callback, query: "" }))
    }))

  it.effect("are refused when anything differs from what was signed", () =>
    Effect.gen(function*() {
      const callback = signed({ ...delivered, MessageStatus: "failed", ErrorCode: "30003" })
      const forged: ReadonlyArray<SmsNotifier.ReceiptCallback> = [
        { ...callback, body: form(delivered) },
        { ...callback, body: "" },
        { ...callback, receiptId: "receipt-2" },
        { ...callback, headers: {} },
        { ...callback, headers: { "x-twilio-signature": "" } },
        { ...callback, headers: { "x-twilio-signature": "not base64!" } },
        { ...callback, headers: { "x-twilio-signature": btoa("x".repeat(20)) } },
        signed(delivered, { token: "another" }),
        signed(delivered, { token: accountSid }),
        signed(delivered, { at: url.replace("phone.", "evil.") }),
        signed(delivered, { at: url.replace("https", "http") })
      ]
      for (const callback of forged) assert.isUndefined(yield* reading(callback))
    }))

  it.effect("never trust the Host that a request names", () =>
    Effect.gen(function*() {
      const callback = signed(delivered, { at: url.replace("phone.", "evil.") })
      assert.isUndefined(
        yield* reading({
          ...callback,
          headers: { ...callback.headers, host: "evil.example.com", "x-forwarded-host": "evil.example.com" }
        })
      )
    }))

  it.effect("are known with and without the port, which Twilio signs as it likes", () =>
    Effect.gen(function*() {
      const withPort = url.replace("example.com", "example.com:443")
      assert.deepStrictEqual(yield* reading(signed(delivered, { at: withPort })), { status: "delivered" })
      const other = { callbackUrl: new URL("https://phone.example.com:8443/sms-receipts/twilio/") }
      assert.deepStrictEqual(yield* reading(signed(delivered), other), { status: "delivered" })
      const at = url.replace("example.com", "example.com:8443")
      assert.deepStrictEqual(yield* reading(signed(delivered, { at }), other), { status: "delivered" })
      assert.isUndefined(
        yield* reading(signed(delivered, { at: url.replace("example.com", "example.com:444") }), other)
      )
    }))

  it.effect("may be JSON, by a hash in the signed query", () =>
    Effect.gen(function*() {
      const body = `{"MessageStatus":"undelivered","ErrorCode":30005}`
      const query = `bodySHA256=${createHash("sha256").update(body).digest("hex")}`
      const callback = { ...signed({}, { query }), body }
      assert.deepStrictEqual(yield* reading(callback), { status: "failed", code: "30005" })
      assert.isUndefined(yield* reading({ ...callback, body: `{"MessageStatus":"delivered"}` }))
      assert.isUndefined(yield* reading({ ...callback, body: "" }))
      const garbage = `bodySHA256=${createHash("sha256").update("garbage").digest("hex")}`
      assert.isUndefined(yield* reading({ ...signed({}, { query: garbage }), body: "garbage" }))
    }))

  it.effect("are read only with the Auth Token and a callback URL", () =>
    Effect.gen(function*() {
      const keyOnly = { accountSid, apiKey: key, from: "ACME", callbackUrl }
      assert.deepStrictEqual([...(yield* make(keyOnly)).receipts.keys()], [])
      assert.deepStrictEqual([...(yield* make({ ...keyOnly, authToken })).receipts.keys()], ["twilio"])
      assert.deepStrictEqual([...(yield* make({ accountSid, authToken, from: "ACME" })).receipts.keys()], [])
    }))
})
