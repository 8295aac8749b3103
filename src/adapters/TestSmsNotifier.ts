/**
 * Answers messages to test numbers by their script, and hands all others on: no provider is asked for a test number.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type HandOver, OptedOut, type Receipt, SmsNotifier, SmsNotSent } from "../core/SmsNotifier.ts"
import { find, type TestNumber, TestNumbers, type TestOutcome } from "../core/TestNumbers.ts"

/**
 * A notifier in front of another: messages to test numbers are not sent but end as their script says; all others are
 * passed on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  numbers: ReadonlyArray<TestNumber>,
  { receipts, send }: SmsNotifier["Service"]
): SmsNotifier["Service"] => ({
  send: Effect.fnUntraced(function*(sms) {
    const listed = find(numbers, sms.recipient, yield* DateTime.now)
    return yield* listed === undefined ? send(sms) : scripts[listed.outcome]
  }),
  receipts
})

/**
 * How long a hand-over takes whose scripted outcome is `slow`.
 *
 * @category constants
 * @since 0.1.0
 */
export const slowness = Duration.seconds(20)

/**
 * In front of a notifier, for the test numbers that there are.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<SmsNotifier, never, SmsNotifier> = Layer.effect(
  SmsNotifier,
  Effect.gen(function*() {
    return make(yield* TestNumbers, yield* SmsNotifier)
  })
)

const handedOver = (receipt: Receipt) => Effect.succeed<HandOver>({ provider: "test", reference: undefined, receipt })

const scripts: Readonly<Record<TestOutcome, Effect.Effect<HandOver, SmsNotSent>>> = {
  delivered: handedOver({ status: "delivered" }),
  slow: Effect.delay(handedOver({ status: "delivered" }), slowness),
  undeliverable: handedOver({ status: "failed", code: "undeliverable" }),
  "opted-out": Effect.suspend(() => Effect.fail(new SmsNotSent({ reason: new OptedOut({}) })))
}
