/** A provider of one's own: one POST, and what its answers come to. `ACME_URL` says where it is. */
import { Config, Console, DateTime, Effect, Layer, Redacted } from "effect"
import { PhoneNumber, SmsNotifier, UserId } from "effect-user-phone"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"

const notSent = (reason: SmsNotifier.SmsNotSent["reason"]) => new SmsNotifier.SmsNotSent({ reason })

const layerAcme = (url: URL, token: Redacted.Redacted) =>
  Layer.effect(
    SmsNotifier.SmsNotifier,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const request = HttpClientRequest.bearerToken(HttpClientRequest.post(new URL("messages", url)), token)
      return SmsNotifier.SmsNotifier.of({
        send: Effect.fn("acme.send")(
          function*({ messageId, recipient, text }) {
            const body = { id: messageId, to: Redacted.value(recipient), text: Redacted.value(text) }
            const { headers, status } = yield* client.execute(HttpClientRequest.bodyJsonUnsafe(request, body)).pipe(
              // The client's error holds the request, and with it the number and the text.
              Effect.mapError(() => notSent(new SmsNotifier.Transient({ cause: "connection failed" })))
            )
            if (status === 202) return { provider: "acme", reference: headers["x-message-id"] }
            if (status === 401) return yield* notSent(new SmsNotifier.AccountRefused({ code: "HTTP 401" }))
            if (status === 429) return yield* notSent(new SmsNotifier.Throttled({}))
            if (status === 422) return yield* notSent(new SmsNotifier.Permanent({ code: "HTTP 422" }))
            return yield* notSent(new SmsNotifier.Transient({ cause: `HTTP ${status}` }))
          },
          Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
          Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
        ),
        receipts: new Map()
      })
    })
  )

Effect.gen(function*() {
  const url = yield* Config.URL("ACME_URL").pipe(Config.withDefault(new URL("http://127.0.0.1:8999/")))
  const notifier = yield* Effect.provide(
    SmsNotifier.SmsNotifier,
    layerAcme(url, Redacted.make("token")).pipe(Layer.provide(FetchHttpClient.layer))
  )
  const { provider, reference } = yield* notifier.send({
    messageId: "0b0e5d5c-0f4b-4a86-9a0e-2f5f6f7c8d9e",
    userId: UserId.UserId.make("ada"),
    recipient: Redacted.make(PhoneNumber.E164.make("+41791234567")),
    text: Redacted.make("314159 is your verification code."),
    content: { kind: "code", code: Redacted.make("314159") },
    language: "en",
    expiresAt: DateTime.add(yield* DateTime.now, { minutes: 10 }),
    resends: 0,
    receiptId: "receipt"
  })
  yield* Console.log(`Handed over to ${provider} as ${reference}`)
}).pipe(Effect.catchTag("SmsNotSent", ({ message }) => Console.log(message)), Effect.runPromise)
