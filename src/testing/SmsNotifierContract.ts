/**
 * The contract of an `SmsNotifier` that hands messages to a provider over a network, as a test suite. A host runs it
 * against its own notifier and a stand-in of the provider.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { type Sms, SmsNotifier, type SmsNotSent } from "../core/SmsNotifier.ts"
import { UserId } from "../core/UserId.ts"
import { assertUntold, overhear, printed } from "./internal/Overheard.ts"
import { numberOf } from "./internal/Samples.ts"

/**
 * What the provider does with the next message.
 *
 * - `accept`: takes it.
 * - `throttle`: there were too many messages.
 * - `fail`: has an error of its own.
 * - `reset`: breaks the connection off.
 * - `hang`: never answers.
 * - `refuse-number`: the number cannot be reached.
 * - `opted-out`: the number's holder has asked to get no more.
 * - `refuse-account`: the credentials are wrong.
 *
 * @category models
 * @since 0.1.0
 */
export type ProviderAnswer = keyof typeof reasons | "accept" | "hang"

/**
 * The class of error that each answer leads to.
 *
 * @category constants
 * @since 0.1.0
 */
export const reasons = {
  throttle: "Throttled",
  fail: "Transient",
  reset: "Transient",
  "refuse-number": "Permanent",
  "opted-out": "OptedOut",
  "refuse-account": "AccountRefused"
} as const satisfies Record<string, SmsNotSent["reason"]["_tag"]>

/**
 * The stand-in of the provider, as the suite needs it.
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedProvider extends Context.Service<ScriptedProvider, {
  /** Says what the next message gets. */
  readonly answer: (answer: ProviderAnswer) => Effect.Effect<void>
  /** Every message that has come in, oldest first, once for each time that it came; numbers are in E.164 form. */
  readonly received: Effect.Effect<ReadonlyArray<{ readonly recipient: string; readonly text: string }>>
}>()("effect-user-phone/testing/SmsNotifierContract/ScriptedProvider") {}

/**
 * What the suite has to know of the provider.
 *
 * @category options
 * @since 0.1.0
 */
export interface SuiteOptions {
  /** The answers that this provider does not have, such as `opted-out`; none by default. */
  readonly without?: ReadonlyArray<ProviderAnswer> | undefined
}

/**
 * Declares the tests of the contract for one notifier.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (
  name: string,
  adapter: Layer.Layer<SmsNotifier | ScriptedProvider, unknown>,
  { without = [] }: SuiteOptions = {}
): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`SmsNotifier (${name})`, (it) => {
    it.effect("hands a message over once, its number and text unchanged, and says by whom", () =>
      Effect.gen(function*() {
        for (const text of texts) {
          const sms = yield* sample(text)
          const { messages, result } = yield* sending(sms, "accept")
          assert.deepStrictEqual(messages, [{ recipient: Redacted.value(sms.recipient), text }])
          const { provider, reference } = yield* result
          assert.match(provider, /^[a-z][a-z0-9-]*$/)
          if (reference !== undefined) assert.isNotEmpty(reference)
        }
      }))

    it.effect("takes no message for a repetition of another", () =>
      Effect.gen(function*() {
        const sms = yield* sample()
        const first = yield* sending(sms, "accept")
        const second = yield* sending(sms, "accept")
        assert.strictEqual((yield* first.result).provider, (yield* second.result).provider)
        assert.deepStrictEqual([first.messages.length, second.messages.length], [1, 1])
      }))

    for (const [answer, reason] of Object.entries(reasons) as Array<[keyof typeof reasons, string]>) {
      if (without.includes(answer)) continue

      it.effect(`is ${reason} when the provider says ${answer}, after one request`, () =>
        Effect.gen(function*() {
          const { messages, result } = yield* sending(yield* sample(), answer)
          const error = yield* Effect.flip(result)
          assert.strictEqual(error.reason._tag, reason)
          assert.strictEqual(messages.length, 1)
          const { result: next } = yield* sending(yield* sample(), "accept")
          yield* next
        }))

      it.effect(`tells nothing of the message when the provider says ${answer}`, () =>
        Effect.gen(function*() {
          const sms = yield* sample()
          const { result, telemetry } = yield* sending(sms, answer)
          const error = yield* Effect.flip(result)
          assertSilent(sms, [error.message, error.stack, printed(error), printed(error.reason), ...telemetry])
        }))
    }

    it.effect("tells nothing of a message that is handed over", () =>
      Effect.gen(function*() {
        const sms = yield* sample()
        const { result, telemetry } = yield* sending(sms, "accept")
        assertSilent(sms, [printed(yield* result), ...telemetry])
      }))

    if (!without.includes("hang")) {
      it.effect("gives a message up at once when it is interrupted", () =>
        Effect.gen(function*() {
          const provider = yield* ScriptedProvider
          const notifier = yield* SmsNotifier
          const before = (yield* provider.received).length
          yield* provider.answer("hang")
          const fiber = yield* Effect.forkChild(notifier.send(yield* sample()))
          yield* provider.received.pipe(
            Effect.repeat({ until: ({ length }) => length > before, schedule: Schedule.spaced("10 millis") }),
            Effect.timeout("20 seconds")
          )
          const ended = yield* Effect.timeoutOption(Fiber.interrupt(fiber), "20 seconds")
          assert.strictEqual(ended._tag, "Some", "it goes on after its interruption")
          assert.strictEqual((yield* provider.received).length, before + 1)
          const { result } = yield* sending(yield* sample(), "accept")
          yield* result
        }))
    }
  })

const code = "314159"

/** Texts in the default alphabet of SMS, beyond it, and with characters that forms, XML and JSON treat specially. */
const texts: ReadonlyArray<string> = [
  `${code} is your verification code. It is valid for 10 minutes. Do not share it.`,
  `${code} ist Ihr Bestätigungscode für 10 Minuten. 検証コード 🔑`,
  `<b>${code}</b> & "100%+1" = 'yes'; a\nb`
]

let samples = 0

/** A message with its own ids, to a number of its own. */
const sample = Effect.fnUntraced(function*(text = texts[0]!) {
  const sms: Sms = {
    messageId: globalThis.crypto.randomUUID(),
    userId: UserId.make("ada"),
    recipient: numberOf(1_112_233 + samples++),
    text: Redacted.make(text),
    content: { kind: "code", code: Redacted.make(code) },
    language: "en",
    expiresAt: DateTime.add(yield* DateTime.now, { minutes: 10 }),
    resends: 0,
    receiptId: globalThis.crypto.randomUUID()
  }
  return sms
})

/** Sends one message, and gives the outcome, what the provider got, and what was logged and traced. */
const sending = Effect.fnUntraced(function*(sms: Sms, answer: ProviderAnswer) {
  const provider = yield* ScriptedProvider
  const notifier = yield* SmsNotifier
  const before = (yield* provider.received).length
  yield* provider.answer(answer)

  const { result, telemetry } = yield* overhear(notifier.send(sms))
  return { result, telemetry, messages: (yield* provider.received).slice(before) }
})

const assertSilent = (sms: Sms, outputs: ReadonlyArray<string | undefined>) => {
  const number = Redacted.value(sms.recipient).slice(1)
  assertUntold([number, number.slice(2), code, Redacted.value(sms.text)], outputs)
}
