/** A provider of one's own: one POST, and what its answers come to. */
import { Effect, Layer, Redacted } from "effect"
import { SmsNotifier } from "effect-user-phone"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"

const notSent = (reason: SmsNotifier.SmsNotSent["reason"]) => new SmsNotifier.SmsNotSent({ reason })

export const layer = (url: URL, token: Redacted.Redacted) =>
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
