/** The signed webhook: what a receiver gets and can check, what its answers come to, and the reports that it may send. */
import { NodeCrypto, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, DateTime, Duration, Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { createHmac, randomBytes } from "node:crypto"
import { gzipSync } from "node:zlib"
import { Webhook, WebhookVerificationError } from "standardwebhooks"
import * as WebhookSmsNotifier from "../../src/adapters/WebhookSmsNotifier.ts"
import { SmsNotifier } from "../../src/core/index.ts"
import { SmsNotifierContract } from "../../src/testing/index.ts"
import * as SampleSms from "../fixtures/SampleSms.ts"
import * as StandIn from "../fixtures/StandIn.ts"

const services = Layer.merge(FetchHttpClient.layer, NodeCrypto.layer)
const newSecret = () => randomBytes(32).toString("base64")
const bytesOf = (secret: string) => Redacted.make(Uint8Array.from(Buffer.from(secret, "base64")))
const callbackUrl = new URL("https://phone.example.com/sms-receipts/webhook")

const make = (options: WebhookSmsNotifier.WebhookOptions) => Effect.provide(WebhookSmsNotifier.make(options), services)

/** A receiver, and a notifier that posts to it. */
const connected = Effect.fnUntraced(function*(options: Partial<WebhookSmsNotifier.WebhookOptions> = {}) {
  const receiver = yield* StandIn.make(() => ({ status: 204 }))
  const secret = newSecret()
  const notifier = yield* make({ url: new URL(`${receiver.url}/sms?to=ops`), secrets: [bytesOf(secret)], ...options })
  return { receiver, secret, notifier }
})

const headersOf = ({ headers }: StandIn.Received) => headers as Record<string, string>

const failureAt = Effect.fnUntraced(function*(answer: StandIn.Answer) {
  const { notifier, receiver } = yield* connected()
  receiver.script(answer)
  const error = yield* Effect.flip(notifier.send(SampleSms.make()))
  assert.strictEqual(receiver.received.length, 1)
  return SampleSms.plain(error)
})

const scripts: Readonly<Record<SmsNotifierContract.ProviderAnswer, StandIn.Answer>> = {
  accept: { status: 204 },
  throttle: { status: 429 },
  fail: { status: 500, body: `no luck with ${SampleSms.number}` },
  reset: "reset",
  hang: "hang",
  "refuse-number": { status: 422, body: JSON.stringify({ error: "permanent", code: SampleSms.number }) },
  "opted-out": { status: 422, body: JSON.stringify({ error: "opted_out" }) },
  "refuse-account": { status: 401 }
}

SmsNotifierContract.suite(
  "webhook",
  Layer.unwrap(Effect.map(StandIn.make(() => ({ status: 204 })), (receiver) =>
    Layer.merge(
      WebhookSmsNotifier.layer({ url: new URL(receiver.url), secrets: [bytesOf(newSecret())], callbackUrl }).pipe(
        Layer.provide(services)
      ),
      Layer.succeed(SmsNotifierContract.ScriptedProvider, {
        answer: (answer) => Effect.sync(() => receiver.script(scripts[answer])),
        received: Effect.sync(() =>
          receiver.received.map(({ body }) => {
            const { contextInfo, templateData } = JSON.parse(body)
            return { recipient: contextInfo.recipientPhoneNumber, text: templateData.text }
          })
        )
      })
    )))
)

describe("WebhookSmsNotifier", () => {
  it.effect("is not made where it would give number and code away, or where anybody could sign", () =>
    Effect.gen(function*() {
      const secrets = [bytesOf(newSecret())] as const
      const short = Redacted.make(new Uint8Array(23))
      const url = new URL("https://sms.example.com")
      const refused: ReadonlyArray<readonly [WebhookSmsNotifier.WebhookOptions, RegExp]> = [
        [{ url: new URL("http://sms.example.com"), secrets }, /^webhook refused: url must be https/],
        [{ url: new URL("http://127.evil.example"), secrets }, /url must be https/],
        [{ url: new URL("http://localhost.evil.example"), secrets }, /url must be https/],
        [{ url: new URL("ftp://localhost"), secrets }, /url must be https/],
        [{ url, secrets: [...secrets, short] }, /at least 24 bytes/],
        [{ url, secrets: [] as never }, /there must be a secret/]
      ]
      for (const [options, rule] of refused) assert.match((yield* Effect.flip(make(options))).message, rule)
      yield* make({ url: new URL("http://127.0.0.1:1"), secrets })
    }))

  it.live("signs so that the reference implementation accepts it, and nothing that was changed", () =>
    Effect.gen(function*() {
      const { notifier, receiver, secret } = yield* connected()
      yield* notifier.send(SampleSms.make())
      const [request] = receiver.received
      const headers = headersOf(request!)
      const webhook = new Webhook(secret)
      assert.deepStrictEqual(webhook.verify(request!.body, headers), JSON.parse(request!.body))
      assert.strictEqual(headers["webhook-id"], SampleSms.make().messageId)
      assert.deepStrictEqual([request!.method, request!.path, request!.query], ["POST", "/sms", "to=ops"])
      assert.strictEqual(headers["content-type"], "application/json")

      const refuses = (body: string, changed: Record<string, string>, by = webhook) =>
        assert.throws(() => by.verify(body, { ...headers, ...changed }), WebhookVerificationError)
      refuses(request!.body.replace("314159", "314158"), {})
      refuses(request!.body, { "webhook-id": "another" })
      refuses(request!.body, { "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) })
      refuses(request!.body, {}, new Webhook(newSecret()))
    }).pipe(Effect.scoped))

  for (
    const [name, client] of [
      ["fetch", FetchHttpClient.layer],
      ["undici", NodeHttpClient.layerUndici],
      ["node:http", NodeHttpClient.layerNodeHttp]
    ] as const
  ) {
    it.live(`reads no more of an answer than there can be to it, by ${name}`, () =>
      Effect.gen(function*() {
        const receiver = yield* StandIn.make(() => ({ status: 204 }))
        const notifier = yield* WebhookSmsNotifier.make({
          url: new URL(receiver.url),
          secrets: [bytesOf(newSecret())]
        })
        const filler = "0".repeat(2 ** 20)
        receiver.script({ status: 200, body: filler, endless: true })
        assert.deepStrictEqual(yield* notifier.send(SampleSms.make()), { provider: "webhook", reference: undefined })
        yield* StandIn.until(() => receiver.connections() === 0)
        receiver.script({ status: 401, body: `{"error":"permanent","code":"${filler}"}`, endless: true })
        const refused = yield* Effect.flip(notifier.send(SampleSms.make()))
        assert.deepStrictEqual(SampleSms.plain(refused), { _tag: "AccountRefused", code: "HTTP 401" })
        const long = JSON.stringify({ id: "a", filler })
        const accepted = { status: 200, headers: { "content-length": String(long.length) }, body: long }
        const zipped = gzipSync(long)
        const headers = { "content-encoding": "gzip", "content-length": String(zipped.length) }
        receiver.script(StandIn.json(200, { id: "a" }), accepted, { status: 200, headers, body: zipped })
        for (const reference of ["a", undefined, undefined]) {
          assert.deepStrictEqual(yield* notifier.send(SampleSms.make()), { provider: "webhook", reference })
        }
        assert.strictEqual((yield* notifier.send(SampleSms.make())).provider, "webhook")
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(client, NodeCrypto.layer))))
  }

  it.live("keeps one id over all attempts at a message, and signs with every secret while they are rotated", () =>
    Effect.gen(function*() {
      const [older, newer] = [newSecret(), newSecret()]
      const { notifier, receiver } = yield* connected({ secrets: [bytesOf(newer), bytesOf(older)] })
      yield* notifier.send(SampleSms.make())
      yield* notifier.send(SampleSms.make())
      const ids = receiver.received.map((request) => headersOf(request)["webhook-id"])
      assert.deepStrictEqual(ids, [SampleSms.make().messageId, SampleSms.make().messageId])
      for (const secret of [older, newer]) {
        for (const request of receiver.received) new Webhook(secret).verify(request.body, headersOf(request))
      }
    }).pipe(Effect.scoped))

  it.effect("posts what ZITADEL's HTTP provider posts, and what else is known beside it", () =>
    Effect.gen(function*() {
      const { notifier, receiver } = yield* connected({ callbackUrl })
      yield* notifier.send(SampleSms.make({ language: "de", resends: 2 }))
      yield* notifier.send(SampleSms.make({ content: { kind: "notice", change: "removed" } }))
      const [code, notice] = receiver.received.map(({ body }) => JSON.parse(body))
      assert.deepStrictEqual(code, {
        contextInfo: {
          eventType: "user.human.phone.code.added",
          provider: { id: "effect-user-phone", description: "effect-user-phone" },
          recipientPhoneNumber: SampleSms.number
        },
        templateData: { text: SampleSms.text },
        args: { userID: "ada", lastPhone: SampleSms.number, code: "314159" },
        message: {
          id: SampleSms.make().messageId,
          kind: "code",
          language: "de",
          expiresAt: "2030-01-01T00:10:00.000Z",
          resends: 2,
          receiptId: "receipt-1",
          receiptUrl: "https://phone.example.com/sms-receipts/webhook/receipt-1"
        }
      })
      assert.strictEqual(notice.contextInfo.eventType, "user.human.phone.removed")
      assert.notProperty(notice.args, "code")
      assert.include(notice.message, { kind: "notice", change: "removed" })
    }).pipe(Effect.scoped))

  it.effect("tells of no receipt where nothing can be reported, and takes the receiver's own id", () =>
    Effect.gen(function*() {
      const { notifier, receiver } = yield* connected()
      receiver.script(StandIn.json(200, { id: "theirs-1" }), StandIn.json(200, { id: 7 }), { status: 202, body: "ok" })
      const references: Array<string | undefined> = []
      for (let i = 0; i < 3; i++) references.push((yield* notifier.send(SampleSms.make())).reference)
      assert.deepStrictEqual(references, ["theirs-1", undefined, undefined])
      assert.notProperty(JSON.parse(receiver.received[0]!.body).message, "receiptUrl")
      assert.strictEqual(notifier.receipts.size, 0)
    }).pipe(Effect.scoped))

  it.effect("keeps no id that has the number in it, or that a store could not keep", () =>
    Effect.gen(function*() {
      const { notifier, receiver } = yield* connected()
      const ids = [SampleSms.number, `sms-${SampleSms.number.slice(1)}-1`, "", "a\u0000b", "two words", "x".repeat(256)]
      receiver.script(...[...ids, "x".repeat(255)].map((id) => StandIn.json(200, { id })))
      for (const _ of ids) assert.isUndefined((yield* notifier.send(SampleSms.make())).reference)
      assert.strictEqual((yield* notifier.send(SampleSms.make())).reference, "x".repeat(255))
    }).pipe(Effect.scoped))

  it.effect("classes what a receiver says, by its words and else by its status", () =>
    Effect.gen(function*() {
      const say = (status: number, error: string, code?: string) => failureAt(StandIn.json(status, { error, code }))
      assert.deepStrictEqual(yield* say(400, "permanent", "blocked.number"), {
        _tag: "Permanent",
        code: "blocked.number"
      })
      assert.deepStrictEqual(yield* say(500, "permanent"), { _tag: "Permanent", code: "HTTP 500" })
      assert.deepStrictEqual(yield* say(400, "opted_out"), { _tag: "OptedOut" })
      assert.deepStrictEqual(yield* say(400, "transient"), { _tag: "Transient", cause: "HTTP 400" })
      assert.deepStrictEqual(yield* say(400, "throttled"), { _tag: "Throttled" })
      assert.deepStrictEqual(yield* say(400, "account_refused", "funds"), { _tag: "AccountRefused", code: "funds" })
      assert.deepStrictEqual(yield* say(400, "destination_refused", "no.route"), {
        _tag: "DestinationRefused",
        code: "no.route"
      })
      assert.deepStrictEqual(yield* say(400, "unheard of"), { _tag: "Permanent", code: "HTTP 400" })

      const byStatus = (status: number) => Effect.map(failureAt({ status }), ({ _tag }) => _tag)
      for (const status of [408, 425, 500, 502, 503, 302]) assert.strictEqual(yield* byStatus(status), "Transient")
      for (const status of [401, 402, 403, 404, 405, 410]) {
        assert.strictEqual(yield* byStatus(status), "AccountRefused")
      }
      for (const status of [400, 409, 422]) {
        assert.strictEqual(yield* byStatus(status), "Permanent")
      }
      assert.deepStrictEqual(
        yield* failureAt({ status: 429, headers: { "retry-after": "90" } }),
        { _tag: "Throttled", retryAfter: Duration.seconds(90) }
      )
    }).pipe(Effect.scoped))

  it.effect("keeps no code of an answer that could be a number or anything but a word", () =>
    Effect.gen(function*() {
      for (const code of [SampleSms.number, "41791112233", "no luck", "x".repeat(65), "", "<b>"]) {
        const answer = StandIn.json(400, { error: "permanent", code })
        assert.deepStrictEqual(yield* failureAt(answer), { _tag: "Permanent", code: "HTTP 400" })
      }
    }).pipe(Effect.scoped))
})

describe("WebhookSmsNotifier's receipts", () => {
  const receiptId = "0b0e5d5c.receipt"
  /** A report of a receiver, signed by its reference implementation. */
  const report = (secret: string, body: object | string, at: number, id = receiptId) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    const signature = new Webhook(secret).sign(id, new Date(at), text)
    const headers: Record<string, string> = {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at / 1000)),
      "webhook-signature": signature
    }
    return { receiptId, query: "", headers, body: text }
  }

  const reader = Effect.gen(function*() {
    const { notifier, secret } = yield* connected({ callbackUrl })
    const read = notifier.receipts.get("webhook")!
    return { read, secret, now: (yield* DateTime.now).epochMilliseconds }
  })

  it.effect("say that a message arrived or was lost, and why", () =>
    Effect.gen(function*() {
      const { now, read, secret } = yield* reader
      assert.deepStrictEqual(yield* read(report(secret, { status: "delivered" }, now)), { status: "delivered" })
      assert.deepStrictEqual(yield* read(report(secret, { status: "failed", code: "absent" }, now)), {
        status: "failed",
        code: "absent"
      })
      // Of a code that could be a number nothing is kept, but that the message was lost.
      for (const more of [{}, { code: SampleSms.number }, { code: "no luck" }, { code: 7 }, { code: null }]) {
        assert.deepStrictEqual(yield* read(report(secret, { status: "failed", ...more }, now)), {
          status: "failed",
          code: "failed"
        })
      }
    }).pipe(Effect.scoped))

  it.effect("are none when they are not the receiver's, not of this message, too old, or not to be read", () =>
    Effect.gen(function*() {
      const { now, read, secret } = yield* reader
      const good = report(secret, { status: "delivered" }, now)
      const bad = [
        report(newSecret(), { status: "delivered" }, now),
        report(secret, { status: "delivered" }, now, "another"),
        { ...report(secret, { status: "delivered" }, now, "another"), receiptId: "another.one" },
        { ...good, body: good.body.replace("delivered", "failed") },
        { ...good, headers: { ...good.headers, "webhook-signature": "" } },
        { ...good, headers: { ...good.headers, "webhook-signature": good.headers["webhook-signature"]!.slice(3) } },
        { ...good, headers: { ...good.headers, "webhook-timestamp": "now" } },
        { ...good, headers: {} },
        report(secret, { status: "on its way" }, now),
        report(secret, "no JSON", now)
      ]
      for (const callback of bad) assert.isUndefined(yield* read(callback))
      // One of several signatures is enough.
      const signature = `v1a,AAAA v1,AAAA ${good.headers["webhook-signature"]}`
      assert.isDefined(yield* read({ ...good, headers: { ...good.headers, "webhook-signature": signature } }))
    }).pipe(Effect.scoped))

  it.effect("are taken with either secret while one follows the other, and with one of the first ten signatures", () =>
    Effect.gen(function*() {
      const secrets = [newSecret(), newSecret()] as const
      const { notifier } = yield* connected({ callbackUrl, secrets: [bytesOf(secrets[0]), bytesOf(secrets[1])] })
      const read = notifier.receipts.get("webhook")!
      const now = (yield* DateTime.now).epochMilliseconds
      for (const secret of secrets) assert.isDefined(yield* read(report(secret, { status: "delivered" }, now)))

      const good = report(secrets[1], { status: "delivered" }, now)
      const after = (count: number) => {
        const others = Array.from({ length: count }, () => `v1,${newSecret()}`)
        const signature = [...others, good.headers["webhook-signature"]].join(" ")
        return read({ ...good, headers: { ...good.headers, "webhook-signature": signature } })
      }
      assert.isDefined(yield* after(9))
      assert.isUndefined(yield* after(10))
    }).pipe(Effect.scoped))

  it.effect("are taken for five minutes, and from a clock that is as much ahead", () =>
    Effect.gen(function*() {
      const { read, secret } = yield* reader
      yield* TestClock.setTime(1_000_000_000_000)
      const at = (seconds: number) => read(report(secret, { status: "delivered" }, 1_000_000_000_000 + seconds * 1000))
      for (const seconds of [-300, 0, 300]) assert.isDefined(yield* at(seconds))
      for (const seconds of [-301, 301]) assert.isUndefined(yield* at(seconds))
    }).pipe(Effect.scoped))
})

describe("WebhookSmsNotifier's settings", () => {
  const secret = `whsec_${newSecret()}`
  const given = { SMS_WEBHOOK_URL: "https://hooks.example.com/sms", SMS_WEBHOOK_SECRET: secret }
  const read = (env: Readonly<Record<string, string>>) =>
    WebhookSmsNotifier.optionsConfig.parse(ConfigProvider.fromEnv({ env }))

  it.effect("are the address, and one secret or several", () =>
    Effect.gen(function*() {
      const options = yield* read({ ...given, SMS_WEBHOOK_SECRET: `${secret}, ${newSecret()}` })
      assert.strictEqual(options.url.href, given.SMS_WEBHOOK_URL)
      assert.lengthOf(options.secrets, 2)
      assert.isUndefined(options.callbackUrl)
      for (const host of ["localhost:9", "127.0.0.1", "[::1]:9"]) {
        yield* read({ ...given, SMS_WEBHOOK_URL: `http://${host}/` })
      }
    }))

  it.effect("are refused by name, without their values", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [name: string, value: string]> = [
        ["SMS_WEBHOOK_URL", "http://hooks.example.com/"],
        ["SMS_WEBHOOK_URL", "http://127.evil.example/"],
        ["SMS_WEBHOOK_URL", "http://localhost.evil.example/"],
        ["SMS_WEBHOOK_URL", "ftp://hooks.example.com/"],
        ["SMS_WEBHOOK_URL", "hooks.example.com"],
        ["SMS_WEBHOOK_SECRET", "whsec_c2hvcnQ="],
        ["SMS_WEBHOOK_SECRET", "whsec_%%%%"],
        ["SMS_WEBHOOK_SECRET", `${secret},`],
        ["SMS_WEBHOOK_CALLBACK_URL", "phone.example.com"]
      ]
      for (const [name, value] of wrong) {
        const { message } = yield* Effect.flip(read({ ...given, [name]: value }))
        assert.include(message, name)
        assert.notInclude(message, value)
      }
    }))

  it.effect("make a notifier that posts", () =>
    Effect.gen(function*() {
      const receiver = yield* StandIn.make(() => ({ status: 204 }))
      const env = { ...given, SMS_WEBHOOK_URL: `${receiver.url}/sms` }
      const layer = WebhookSmsNotifier.layerConfig().pipe(
        Layer.provide(services),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      )
      yield* SmsNotifier.SmsNotifier.use((notifier) => notifier.send(SampleSms.make())).pipe(Effect.provide(layer))
      const [{ body, headers }] = receiver.received as [StandIn.Received]
      const key = Buffer.from(secret.slice("whsec_".length), "base64")
      const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`
      assert.strictEqual(
        headers["webhook-signature"],
        `v1,${createHmac("sha256", key).update(signed).digest("base64")}`
      )
    }).pipe(Effect.scoped))
})
