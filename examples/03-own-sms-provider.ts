/** Hands a message to a provider of one's own, which is in `AcmeSmsNotifier.ts`. `ACME_URL` says where it is. */
import { Config, Console, DateTime, Effect, Layer, Redacted } from "effect"
import { PhoneNumber, SmsNotifier, UserId } from "effect-user-phone"
import { FetchHttpClient } from "effect/http"
import * as AcmeSmsNotifier from "./AcmeSmsNotifier.ts"

Effect.gen(function*() {
  const url = yield* Config.URL("ACME_URL").pipe(Config.withDefault(new URL("http://127.0.0.1:8999/")))
  const notifier = yield* Effect.provide(
    SmsNotifier.SmsNotifier,
    AcmeSmsNotifier.layer(url, Redacted.make("token")).pipe(Layer.provide(FetchHttpClient.layer))
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
