/**
 * The deployed server's delivery, by its settings: providers in order, receipts at its public address, a last line for its
 * host, and codes that a provider makes.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { createHmac } from "node:crypto"
import * as Servers from "../examples/Servers.ts"
import * as Deployment from "../fixtures/Deployment.ts"
import { layerDatabase } from "../fixtures/Postgres.ts"
import type * as StandIn from "../fixtures/StandIn.ts"
import * as TwilioStandIn from "../fixtures/TwilioStandIn.ts"
import * as TwilioVerifyStandIn from "../fixtures/TwilioVerifyStandIn.ts"
import * as WebhookReceiver from "../fixtures/WebhookReceiver.ts"

const { accountSid, authToken } = TwilioStandIn
const publicUrl = "https://phone.example.com/sms"

/** A user who calls for itself. */
const newUser = Effect.gen(function*() {
  const { sign } = yield* Deployment.Issuer
  const userId = crypto.randomUUID()
  return { userId, token: yield* sign({ claims: { sub: userId } }) }
})

type User = Effect.Success<typeof newUser>

const on = (server: { readonly url: string }, { token, userId }: User) => {
  const phone = `${server.url}/v2/users/${userId}/phone`
  const expect = (status: number, call: Effect.Effect<Servers.Answer, Servers.Unanswered>) =>
    Effect.map(call, (answer) => {
      assert.strictEqual(answer.status, status, JSON.stringify(answer.body))
      return answer.body
    })
  return {
    set: (number: string) => expect(200, Servers.setPhone(server, token, userId, number, {})),
    resend: expect(200, Servers.call(`${phone}/resend`, { method: "POST", token, body: {} })),
    verify: (code: string, status = 200) =>
      expect(status, Servers.call(`${phone}/verify`, { method: "POST", token, body: { verificationCode: code } })),
    get: expect(200, Servers.call(phone, { token }))
  }
}

const until = <A, E, R>(effect: Effect.Effect<A, E, R>, done: (value: A) => boolean) =>
  effect.pipe(Effect.repeat({ until: done, schedule: Schedule.spaced("20 millis") }), Effect.timeout("20 seconds"))

const formOf = ({ body }: StandIn.Received) => Object.fromEntries(new URLSearchParams(body))

const layers = Layer.merge(Deployment.layerIssuer, layerDatabase)

layer(layers, { excludeTestServices: true, timeout: "60 seconds" })("a server with two providers", (it) => {
  it.effect(
    "sends by the first, by the other when a code is asked for again or the first is down, and takes receipts",
    () =>
      Effect.gen(function*() {
        const twilio = yield* TwilioStandIn.make
        const webhook = yield* WebhookReceiver.make()
        const server = yield* Deployment.deployed({
          USERS: "from-token",
          ...WebhookReceiver.settings(webhook.url),
          SMS_PROVIDER: "twilio, webhook",
          TWILIO_ACCOUNT_SID: accountSid,
          TWILIO_AUTH_TOKEN: authToken,
          TWILIO_FROM: "ACME",
          TWILIO_BASE_URL: twilio.url,
          PUBLIC_URL: publicUrl,
          SMS_HOST: "example.com",
          SMS_LANGUAGE: "de"
        })
        const user = yield* newUser
        const phone = on(server, user)
        yield* phone.set(Servers.number(1))
        yield* until(Effect.sync(() => twilio.received), ({ length }) => length === 1)
        const { Body, From, StatusCallback, To } = formOf(twilio.received[0]!)
        assert.deepStrictEqual([To, From], [Servers.number(1), "ACME"])
        const [, code] = /^(\d{6}) .*\n\n@example\.com #\1$/s.exec(Body!)!
        assert.match(Body!, /Minuten/)
        const [, receiptId] = new RegExp(`^${publicUrl}/sms-receipts/twilio/([\\w.-]+)$`).exec(StatusCallback!)!
        yield* until(phone.get, ({ pendingCode }) => pendingCode.delivery.state === "sent")

        const report = (status: string, sign = authToken) =>
          Servers.call(`${server.url}/sms-receipts/twilio/${receiptId}`, {
            method: "POST",
            headers: {
              // Whatever a request claims to have been sent to is of no account.
              host: "evil.example",
              "content-type": "application/x-www-form-urlencoded",
              "x-twilio-signature": createHmac("sha1", sign).update(`${StatusCallback}MessageStatus${status}`)
                .digest("base64")
            },
            form: `MessageStatus=${status}`
          })
        assert.strictEqual((yield* report("delivered", "another token")).status, 204)
        assert.strictEqual((yield* phone.get).pendingCode.delivery.state, "sent")
        assert.strictEqual((yield* report("delivered")).status, 204)
        assert.strictEqual((yield* phone.get).pendingCode.delivery.state, "delivered")

        yield* phone.resend
        yield* until(Effect.sync(() => webhook.posts), ({ length }) => length === 1)
        assert.lengthOf(twilio.received, 1)
        assert.strictEqual(webhook.posts[0]!.number, Servers.number(1))
        yield* phone.verify(code!)

        // The first is down: the message goes on to the other, and the user notices nothing.
        twilio.script({ status: 503 })
        const another = on(server, yield* newUser)
        yield* another.set(Servers.number(2))
        yield* until(another.get, ({ pendingCode }) => pendingCode.delivery.state === "sent")
        assert.strictEqual(webhook.posts.at(-1)!.number, Servers.number(2))
        assert.deepInclude((yield* another.get).pendingCode.delivery, { state: "sent", attempts: 1 })

        // The holder of a number that is replaced is told.
        yield* phone.set(Servers.number(3))
        yield* until(Effect.sync(() => twilio.received.map(formOf)), (forms) =>
          forms.some((form) => form["To"] === Servers.number(1) && !/\d{6}/.test(form["Body"]!)))
      }).pipe(Effect.scoped),
    60_000
  )

  it.effect(
    "has Twilio Verify make and check the codes where it is told to",
    () =>
      Effect.gen(function*() {
        const verify = yield* TwilioVerifyStandIn.make
        const server = yield* Deployment.deployed({
          USERS: "from-token",
          CODE_PROVIDER: "twilio-verify",
          TWILIO_ACCOUNT_SID: accountSid,
          TWILIO_AUTH_TOKEN: authToken,
          TWILIO_VERIFY_SERVICE_SID: TwilioVerifyStandIn.serviceSid,
          TWILIO_VERIFY_BASE_URL: verify.url
        })
        const phone = on(server, yield* newUser)
        yield* phone.set(Servers.number(9))
        yield* until(phone.get, ({ pendingCode }) => pendingCode.delivery.state === "sent")
        const wrong = yield* phone.verify("111111", 400)
        assert.strictEqual(wrong.details[1].reason, "CODE_WRONG")
        yield* phone.verify(verify.codeFor(Servers.number(9))!)
        assert.isTrue((yield* phone.get).phone.isVerified)
        assert.notInclude(server.output(), "SMS to")
      }).pipe(Effect.scoped),
    60_000
  )
})
