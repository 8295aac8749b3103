/** Vonage: the requests, what its answers come to, and its signed receipts. */
import { NodeCrypto, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { createHash, createHmac } from "node:crypto"
import * as VonageSmsNotifier from "../../src/adapters/VonageSmsNotifier.ts"
import { SmsNotifier } from "../../src/core/index.ts"
import { SmsNotifierContract } from "../../src/testing/index.ts"
import * as SampleSms from "../fixtures/SampleSms.ts"
import * as StandIn from "../fixtures/StandIn.ts"
import * as VonageStandIn from "../fixtures/VonageStandIn.ts"

const { apiKey } = VonageStandIn
const apiSecret = Redacted.make(VonageStandIn.apiSecret)
const callbackUrl = new URL("https://phone.example.com/sms-receipts/vonage")
const account = { apiKey, apiSecret, from: "ACME" }

const services = Layer.merge(FetchHttpClient.layer, NodeCrypto.layer)

const make = (options: VonageSmsNotifier.VonageOptions) => Effect.provide(VonageSmsNotifier.make(options), services)

/** A notifier and the stand-in that it talks to. */
const connected = Effect.fnUntraced(function*(options: Partial<VonageSmsNotifier.VonageOptions> = {}) {
  const vonage = yield* VonageStandIn.make
  return { vonage, notifier: yield* make({ ...account, baseUrl: vonage.url, ...options }) }
})

/** What a message comes to when Vonage answers so. */
const failureAt = Effect.fnUntraced(function*(answer: StandIn.Answer) {
  const { notifier, vonage } = yield* connected()
  vonage.script(answer)
  const error = yield* Effect.flip(notifier.send(SampleSms.make()))
  assert.strictEqual(vonage.received.length, 1)
  return SampleSms.plain(error)
})

const fieldsOf = ({ body }: StandIn.Received) => Object.fromEntries(new URLSearchParams(body))

const scripts: Readonly<Record<SmsNotifierContract.ProviderAnswer, ReadonlyArray<StandIn.Answer>>> = {
  accept: [],
  throttle: [VonageStandIn.refuses(1)],
  fail: [{ status: 500, body: `no luck with ${SampleSms.number}` }],
  reset: ["reset"],
  hang: ["hang"],
  "refuse-number": [VonageStandIn.refuses(6)],
  "opted-out": [],
  "refuse-account": [VonageStandIn.refuses(4)]
}

const contractLayer = (client: Layer.Layer<HttpClient.HttpClient>) =>
  Layer.unwrap(Effect.map(VonageStandIn.make, (vonage) =>
    Layer.merge(
      VonageSmsNotifier.layer({ ...account, callbackUrl, baseUrl: vonage.url }).pipe(
        Layer.provide([client, NodeCrypto.layer])
      ),
      Layer.succeed(SmsNotifierContract.ScriptedProvider, {
        answer: (answer) => Effect.sync(() => vonage.script(...scripts[answer])),
        received: Effect.sync(() => VonageStandIn.messagesIn(vonage.received))
      })
    )))

// Vonage takes a message for a number that has opted out, and says so in its receipt.
SmsNotifierContract.suite("Vonage, fetch", contractLayer(FetchHttpClient.layer), { without: ["opted-out"] })
SmsNotifierContract.suite("Vonage, undici", contractLayer(NodeHttpClient.layerUndici), { without: ["opted-out"] })

describe("VonageSmsNotifier", () => {
  it.effect("posts a form with the account's key, and names the message and where to report to", () =>
    Effect.gen(function*() {
      const { notifier, vonage } = yield* connected({ callbackUrl, from: "+41790000000" })
      assert.deepStrictEqual(yield* notifier.send(SampleSms.make()), {
        provider: "vonage",
        reference: VonageStandIn.idOf(1)
      })
      const [request] = vonage.received
      assert.deepStrictEqual([request!.method, request!.path, request!.query], ["POST", "/sms/json", ""])
      assert.isUndefined(request!.headers.traceparent)
      assert.deepStrictEqual(fieldsOf(request!), {
        api_key: apiKey,
        api_secret: VonageStandIn.apiSecret,
        from: "41790000000",
        to: "41791112233",
        text: SampleSms.text,
        callback: "https://phone.example.com/sms-receipts/vonage/receipt-1",
        "client-ref": "receipt-1"
      })
    }))

  it.effect("says unicode only for a text that the alphabet of SMS does not hold", () =>
    Effect.gen(function*() {
      const { notifier, vonage } = yield* connected()
      const texts = [
        "plain",
        "äöüñ àèéìò ÄÖÜ €[]{}~|^\\ @£$¥ΔΩ",
        "naïve",
        "code 検証",
        "🔑",
        "a\u0000",
        "tab\t",
        "«x»",
        "`"
      ]
      for (const text of texts) yield* notifier.send(SampleSms.make({ text: Redacted.make(text) }))
      assert.deepStrictEqual(vonage.received.map((request) => fieldsOf(request)["type"]), [
        undefined,
        undefined,
        ...Array.from({ length: 7 }, () => "unicode")
      ])
    }))

  it.effect("is refused with credentials that are wrong", () =>
    Effect.gen(function*() {
      for (const wrong of [{ apiSecret: Redacted.make("wrong") }, { apiKey: "wrong" }]) {
        const { notifier } = yield* connected(wrong)
        const error = yield* Effect.flip(notifier.send(SampleSms.make()))
        assert.deepStrictEqual(SampleSms.plain(error), { _tag: "AccountRefused", code: "4" })
      }
    }))

  it.effect("classes refusals by Vonage's status", () =>
    Effect.gen(function*() {
      for (const status of [2, 3, 6, 7, 12, 22, 33, 77]) {
        assert.deepStrictEqual(yield* failureAt(VonageStandIn.refuses(status)), {
          _tag: "Permanent",
          code: String(status)
        })
      }
      for (const status of [4, 8, 9, 11, 14, 19, 23, 32]) {
        assert.deepStrictEqual(yield* failureAt(VonageStandIn.refuses(status)), {
          _tag: "AccountRefused",
          code: String(status)
        })
      }
      for (const status of [15, 29]) {
        assert.deepStrictEqual(yield* failureAt(VonageStandIn.refuses(status)), {
          _tag: "DestinationRefused",
          code: String(status)
        })
      }
      for (const status of [1, 10]) {
        assert.deepStrictEqual(yield* failureAt(VonageStandIn.refuses(status)), { _tag: "Throttled" })
      }
      for (const status of [5, 13]) {
        assert.deepStrictEqual(yield* failureAt(VonageStandIn.refuses(status)), {
          _tag: "Transient",
          cause: `status ${status}`
        })
      }
    }))

  it.effect("classes other refusals by their HTTP status, and waits as long as they ask", () =>
    Effect.gen(function*() {
      for (const status of [401, 402, 403, 404, 405, 410]) {
        assert.deepStrictEqual(yield* failureAt({ status }), { _tag: "AccountRefused", code: `HTTP ${status}` })
      }
      for (const status of [307, 408, 425, 500, 503]) {
        assert.deepStrictEqual(yield* failureAt({ status }), { _tag: "Transient", cause: `HTTP ${status}` })
      }
      assert.deepStrictEqual(yield* failureAt({ status: 422 }), { _tag: "Permanent", code: "HTTP 422" })
      const throttled = yield* failureAt({ status: 429, headers: { "retry-after": "9" } })
      assert.strictEqual(throttled._tag, "Throttled")
      assert.strictEqual(Duration.toMillis((throttled as { retryAfter: Duration.Duration }).retryAfter), 9000)
    }))

  it.effect("has handed a long message over only when each of its parts was taken", () =>
    Effect.gen(function*() {
      const parts = (...statuses: ReadonlyArray<string>) =>
        StandIn.json(200, { messages: statuses.map((status) => ({ status, "message-id": "id" })) })
      assert.deepStrictEqual(yield* failureAt(parts("0", "1")), { _tag: "Throttled" })
      assert.deepStrictEqual(yield* failureAt(parts("0", "0", "9")), { _tag: "AccountRefused", code: "9" })
      const { notifier, vonage } = yield* connected()
      vonage.script(parts("0", "0"))
      assert.strictEqual((yield* notifier.send(SampleSms.make())).reference, "id")
    }))

  it.effect("may work later when Vonage cannot be reached or understood", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureAt("reset"), { _tag: "Transient", cause: "connection failed" })
      const strange = [
        "",
        "garbage",
        "{}",
        `{"messages":[]}`,
        `{"messages":[{}]}`,
        `{"messages":[{"status":"${SampleSms.number}"}]}`,
        `{"messages":[{"status":"41791112233"}]}`
      ]
      for (const body of strange) {
        assert.deepStrictEqual(yield* failureAt({ status: 200, body }), {
          _tag: "Transient",
          cause: "unreadable answer"
        })
      }
      const notifier = yield* make({ ...account, baseUrl: yield* StandIn.goneUrl })
      assert.deepStrictEqual(SampleSms.plain(yield* Effect.flip(notifier.send(SampleSms.make()))), {
        _tag: "Transient",
        cause: "connection failed"
      })
    }))

  it.live("closes the connection of a message that is interrupted", () =>
    Effect.gen(function*() {
      const { notifier, vonage } = yield* connected()
      yield* StandIn.interrupted(vonage, notifier.send(SampleSms.make()))
    }))

  it.effect("follows no redirect, which would take the credentials along", () =>
    Effect.gen(function*() {
      const other = yield* VonageStandIn.make
      for (const status of [302, 307, 308]) {
        const { notifier, vonage } = yield* connected()
        vonage.script({ status, headers: { location: `${other.url}/sms/json` } })
        assert.strictEqual((yield* Effect.flip(notifier.send(SampleSms.make()))).reason._tag, "Transient")
      }
      assert.deepStrictEqual(other.received, [])
    }))
})

describe("VonageSmsNotifier's settings", () => {
  const settings = {
    VONAGE_API_KEY: apiKey,
    VONAGE_API_SECRET: VonageStandIn.apiSecret,
    VONAGE_FROM: "ACME"
  }
  const read = (settings: Readonly<Record<string, string>>) =>
    VonageSmsNotifier.optionsConfig.parse(ConfigProvider.fromUnknown(settings))

  it.effect("send a message", () =>
    Effect.gen(function*() {
      const vonage = yield* VonageStandIn.make
      const notifier = yield* SmsNotifier.SmsNotifier.pipe(
        Effect.provide(
          VonageSmsNotifier.layerConfig().pipe(
            Layer.provide([
              services,
              ConfigProvider.layer(ConfigProvider.fromUnknown({ ...settings, VONAGE_BASE_URL: vonage.url }))
            ])
          )
        )
      )
      yield* notifier.send(SampleSms.make())
      assert.strictEqual(vonage.received.length, 1)
    }))

  it.effect("are all read", () =>
    Effect.gen(function*() {
      const options = yield* read({
        ...settings,
        VONAGE_SIGNATURE_SECRET: "signature",
        VONAGE_SIGNATURE_METHOD: "md5hash",
        VONAGE_CALLBACK_URL: "https://phone.example.com/x",
        VONAGE_BASE_URL: "https://rest.example.com"
      })
      assert.strictEqual(Redacted.value(options.apiSecret), VonageStandIn.apiSecret)
      assert.strictEqual(Redacted.value(options.signatureSecret!), "signature")
      assert.deepStrictEqual(
        [options.apiKey, options.from, options.signatureMethod, options.callbackUrl?.href, options.baseUrl],
        [apiKey, "ACME", "md5hash", "https://phone.example.com/x", "https://rest.example.com/"]
      )
    }))

  it.effect("are named when they are wrong, without their value", () =>
    Effect.gen(function*() {
      for (const name of Object.keys(settings)) {
        for (const wrong of [undefined, ""]) {
          const { message } = yield* Effect.flip(read({ ...settings, [name]: wrong } as Record<string, string>))
          assert.include(message, name)
          assert.notInclude(message, VonageStandIn.apiSecret)
        }
      }
      for (const name of ["VONAGE_SIGNATURE_METHOD", "VONAGE_CALLBACK_URL", "VONAGE_BASE_URL"]) {
        const { message } = yield* Effect.flip(read({ ...settings, [name]: "wrong-value" }))
        assert.include(message, name)
        assert.notInclude(message, "wrong-value")
      }
    }))
})

describe("Vonage's receipts", () => {
  const secret = "my_secret_key_for_testing"
  type Fields = Readonly<Record<string, string>>
  type Method = VonageSmsNotifier.SignatureMethod

  const base = (fields: Fields) =>
    Object.keys(fields).toSorted().map((name) => `&${name}=${fields[name]!.replace(/[&=]/g, "_")}`).join("")

  const signatureOf = (fields: Fields, method: Method = "sha256", key = secret) =>
    method === "sha256"
      ? createHmac("sha256", key).update(base(fields)).digest("hex").toUpperCase()
      : createHash("md5").update(base(fields) + key).digest("hex")

  const delivered: Fields = {
    "api-key": apiKey,
    "client-ref": "receipt-1",
    "err-code": "0",
    "message-timestamp": "2030-01-01 12:00:00",
    messageId: "0A0000001234567B",
    msisdn: "41791112233",
    "network-code": "22801",
    nonce: "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    price: "0.03330000",
    scts: "3001011200",
    status: "delivered",
    timestamp: "1893499200",
    to: "A=C&E"
  }

  const shapes = {
    json: (fields: Fields) => ({
      query: "",
      headers: { "content-type": "application/json; charset=utf-8" },
      body: JSON.stringify(fields)
    }),
    form: (fields: Fields) => ({
      query: "",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(fields).toString()
    }),
    query: (fields: Fields) => ({ query: new URLSearchParams(fields).toString(), headers: {}, body: "" })
  }

  const receipt = (fields: Fields, shape: keyof typeof shapes = "json"): SmsNotifier.ReceiptCallback => ({
    receiptId: "receipt-1",
    ...shapes[shape](fields)
  })

  const signed = (fields: Fields, method?: Method, key?: string): Fields => ({
    ...fields,
    sig: signatureOf(fields, method, key)
  })

  const reading = Effect.fnUntraced(function*(
    callback: SmsNotifier.ReceiptCallback,
    options: Partial<VonageSmsNotifier.VonageOptions> = {}
  ) {
    const { receipts } = yield* make({ ...account, signatureSecret: Redacted.make(secret), ...options })
    return yield* receipts.get("vonage")!(callback)
  })

  it("are signed here as in the examples of Vonage's own library", () => {
    const fields = {
      "message-timestamp": "2013-11-21 15:27:30",
      messageId: "020000001B0FE827",
      msisdn: "14843472194",
      text: "Test again",
      timestamp: "1385047698",
      to: "13239877404",
      type: "text"
    }
    assert.strictEqual(signatureOf(fields), "DDB8397C2B90AAC7F3882D306475C9A5058C92322EEF43C92B298B6E0FC0D330")
    assert.strictEqual(signatureOf(fields, "md5hash"), "d2e7b1dc968737c5998ad624e02f90b7")
    const separators = {
      keyword: "TEST",
      "message-timestamp": "2017-04-04 22:57:47",
      messageId: "0B00000042AC53BD",
      msisdn: "14843472194",
      nonce: "929d6744-bd28-42c8-b6cf-31d5b4f43732",
      text: "Test with & and =",
      timestamp: "1491346667",
      to: "12192259404",
      type: "text"
    }
    assert.strictEqual(signatureOf(separators, "md5hash"), "e06d9763e3fd0b9c31beb5fc2fcb011c")
  })

  for (const shape of ["json", "form", "query"] as const) {
    it.effect(`say whether a message arrived: ${shape}`, () =>
      Effect.gen(function*() {
        const cases: ReadonlyArray<readonly [Fields, SmsNotifier.Receipt | undefined]> = [
          [{ status: "delivered" }, { status: "delivered" }],
          [{ status: "failed", "err-code": "9" }, { status: "failed", code: "9" }],
          [{ status: "rejected", "err-code": "99" }, { status: "failed", code: "99" }],
          [{ status: "expired", "err-code": "2" }, { status: "failed", code: "2" }],
          [{ status: "expired", "err-code": SampleSms.number }, { status: "failed", code: "expired" }],
          [{ status: "accepted" }, undefined],
          [{ status: "buffered" }, undefined],
          [{ status: "unknown" }, undefined],
          [{ status: "" }, undefined]
        ]
        for (const [changes, expected] of cases) {
          const fields = { ...delivered, ...changes }
          assert.deepStrictEqual(yield* reading(receipt(signed(fields), shape)), expected)
          assert.deepStrictEqual(
            yield* reading(receipt(signed(fields, "md5hash"), shape), { signatureMethod: "md5hash" }),
            expected
          )
        }
      }))
  }

  it.effect("take a signature in small letters too", () =>
    Effect.gen(function*() {
      const fields = { ...delivered, sig: signatureOf(delivered).toLowerCase() }
      assert.deepStrictEqual(yield* reading(receipt(fields)), { status: "delivered" })
    }))

  it.effect("are refused when anything differs from what was signed", () =>
    Effect.gen(function*() {
      const failed = signed({ ...delivered, status: "failed", "err-code": "3" })
      const { "client-ref": _, ...anonymous } = delivered
      const forged: ReadonlyArray<SmsNotifier.ReceiptCallback> = [
        receipt({ ...failed, status: "delivered" }),
        receipt({ ...failed, extra: "1" }),
        receipt({ ...failed, sig: "" }),
        receipt({ ...failed, sig: "not hex" }),
        receipt({ ...failed, sig: "00".repeat(32) }),
        receipt({ ...failed, sig: failed["sig"]!.slice(0, 32) }),
        receipt(delivered),
        receipt(signed(delivered, "sha256", "another")),
        receipt(signed(delivered, "sha256", VonageStandIn.apiSecret)),
        receipt(signed(delivered, "md5hash")),
        receipt(signed(anonymous)),
        { ...receipt(signed(delivered)), receiptId: "receipt-2" },
        { ...receipt(signed(delivered)), body: "garbage" },
        { ...receipt(signed(delivered)), body: "[]" },
        { ...receipt(signed(delivered)), body: "" }
      ]
      for (const callback of forged) assert.isUndefined(yield* reading(callback), JSON.stringify(callback))
      assert.isUndefined(yield* reading(receipt(signed(delivered)), { signatureMethod: "md5hash" }))
    }))

  it.effect("are refused when one signature stands for two readings", () =>
    Effect.gen(function*() {
      const { sig, ...fields } = signed({ ...delivered, status: "failed", "err-code": "9" })
      // The same signed text, with the error code as a part of another parameter's name.
      const { "err-code": code, "message-timestamp": time, ...others } = fields
      const hidden = { ...others, [`err-code=${code}&message-timestamp`]: time! }
      assert.strictEqual(base(hidden), base(fields))
      assert.deepStrictEqual(yield* reading(receipt({ ...fields, sig: sig! })), { status: "failed", code: "9" })
      assert.isUndefined(yield* reading(receipt({ ...hidden, sig: sig! })))
      const twice = receipt(signed(delivered), "form")
      assert.isUndefined(yield* reading({ ...twice, body: `${twice.body}&status=delivered` }))
    }))

  it.effect("are read only with the signature secret", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([...(yield* make({ ...account, callbackUrl })).receipts.keys()], [])
      const signatureSecret = Redacted.make(secret)
      assert.deepStrictEqual([...(yield* make({ ...account, signatureSecret })).receipts.keys()], ["vonage"])
    }))
})
