/**
 * The contract of a `VerificationProvider` that asks over a network, as a test suite. A host runs it against its own
 * provider and a stand-in of the service behind it.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import type { PhoneNumber } from "../core/PhoneNumber.ts"
import { VerificationProvider } from "../core/VerificationProvider.ts"
import { assertUntold, overhear, printed } from "./internal/Overheard.ts"
import { newUserId, numberOf } from "./internal/Samples.ts"
import { type ProviderAnswer, reasons } from "./SmsNotifierContract.ts"

/**
 * The stand-in of the service, as the suite needs it.
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedVerification extends Context.Service<ScriptedVerification, {
  /** Says how the next request is answered, be it a start or a check. */
  readonly answer: (answer: ProviderAnswer) => Effect.Effect<void>
  /** The latest code that was sent to a number in E.164 form. */
  readonly codeFor: (recipient: string) => Effect.Effect<string>
  /** How many requests have come in. */
  readonly requests: Effect.Effect<number>
}>()("effect-user-phone/testing/VerificationProviderContract/ScriptedVerification") {}

/**
 * What the suite has to know of the service.
 *
 * @category options
 * @since 0.1.0
 */
export interface SuiteOptions {
  /** The answers that this service does not have, such as `opted-out`; none by default. */
  readonly without?: ReadonlyArray<ProviderAnswer> | undefined
}

/**
 * `adapter` provides the stand-in, and the reference `VerificationProvider` over it.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (
  name: string,
  adapter: Layer.Layer<ScriptedVerification, unknown>,
  { without = [] }: SuiteOptions = {}
): void =>
  layer(adapter, { excludeTestServices: true, timeout: "60 seconds" })(`VerificationProvider (${name})`, (it) => {
    it.effect("has a name and codes that live for minutes, a day at most", () =>
      Effect.gen(function*() {
        const { id, lifetime } = yield* provider
        assert.match(id, /^[a-z][a-z0-9-]*$/)
        assert.isTrue(Duration.between(lifetime, { minimum: Duration.minutes(1), maximum: Duration.days(1) }))
      }))

    it.effect("sends a code that is right once, also after a wrong guess", () =>
      Effect.gen(function*() {
        const { code, verificationId, recipient } = yield* started()
        assert.strictEqual(yield* checked(verificationId, recipient, wrong(code)), "wrong")
        assert.strictEqual(yield* checked(verificationId, recipient, code), "right")
        assert.notStrictEqual(yield* checked(verificationId, recipient, code), "right")
      }))

    it.effect("takes a code for right at its own verification only", () =>
      Effect.gen(function*() {
        const [one, other] = [yield* started(), yield* started()]
        assert.notStrictEqual(one.verificationId, other.verificationId)
        assert.notStrictEqual(one.code, other.code, "the stand-in has to make codes that differ")
        assert.strictEqual(yield* checked(one.verificationId, one.recipient, other.code), "wrong")
        assert.strictEqual(yield* checked(other.verificationId, other.recipient, other.code), "right")
        assert.strictEqual(yield* checked(one.verificationId, one.recipient, one.code), "right")
      }))

    it.effect("sends again to a number, whose latest code is right at the id that came with it", () =>
      Effect.gen(function*() {
        const { recipient } = yield* started()
        const { code, verificationId } = yield* started(recipient)
        assert.strictEqual(yield* checked(verificationId, recipient, code), "right")
      }))

    for (const [answer, reason] of Object.entries(reasons) as Array<[keyof typeof reasons, string]>) {
      if (without.includes(answer)) continue

      it.effect(`is ${reason} when the service says ${answer} to a start, and tells nothing of the number`, () =>
        Effect.gen(function*() {
          const { answer: script } = yield* ScriptedVerification
          const recipient = newNumber()
          yield* script(answer)
          const { result, telemetry } = yield* overhear(start(recipient))
          const error = yield* Effect.flip(result)
          assert.strictEqual(error.reason._tag, reason)
          assertSilent(recipient, [], [error.message, error.stack, printed(error), ...telemetry])
          const { code, verificationId } = yield* started(recipient)
          assert.strictEqual(yield* checked(verificationId, recipient, code), "right")
        }))
    }

    for (const answer of ["throttle", "fail", "reset", "refuse-account"] as const) {
      if (without.includes(answer)) continue

      it.effect(`is unavailable when the service says ${answer} to a check, and tells nothing of the guess`, () =>
        Effect.gen(function*() {
          const { answer: script } = yield* ScriptedVerification
          const { code, recipient, verificationId } = yield* started()
          yield* script(answer)
          const { result, telemetry } = yield* overhear(checked(verificationId, recipient, code))
          const error = yield* Effect.flip(result)
          assert.strictEqual(error._tag, "Unavailable")
          assertSilent(recipient, [code], [error.message, error.stack, printed(error), ...telemetry])
          assert.strictEqual(yield* checked(verificationId, recipient, code), "right")
        }))
    }

    it.effect("tells nothing of number and guess where all goes well", () =>
      Effect.gen(function*() {
        const recipient = newNumber()
        const begun = yield* overhear(start(recipient))
        const { verificationId } = yield* begun.result
        const code = yield* codeFor(recipient)
        const { result, telemetry } = yield* overhear(checked(verificationId, recipient, code))
        assertSilent(recipient, [code], [
          printed(yield* begun.result),
          ...begun.telemetry,
          printed(yield* result),
          ...telemetry
        ])
      }))

    if (!without.includes("hang")) {
      it.effect("bounds itself in time, starting and checking, where the service does not answer", () =>
        Effect.gen(function*() {
          const { recipient, verificationId } = yield* started()
          const checking = yield* Effect.exit(hanging(checked(verificationId, recipient, "000000")))
          assert.strictEqual((yield* Effect.flip(checking))._tag, "Unavailable")
          const starting = yield* Effect.exit(hanging(start(recipient)))
          assert.strictEqual((yield* Effect.flip(starting)).reason._tag, "Transient")
        }))
    }
  })

const provider = Effect.map(VerificationProvider, (provider) => {
  assert(provider !== undefined, "the layer does not provide VerificationProvider")
  return provider
})

let numbers = 0

const newNumber = (): PhoneNumber => numberOf(4_400_000 + numbers++)

const start = (recipient: PhoneNumber) =>
  Effect.flatMap(
    provider,
    ({ start }) =>
      start({ messageId: globalThis.crypto.randomUUID(), userId: newUserId(), recipient, language: undefined })
  )

const codeFor = (recipient: PhoneNumber) =>
  Effect.flatMap(ScriptedVerification, ({ codeFor }) => codeFor(Redacted.value<string>(recipient)))

/** A verification of a number, and its code. */
const started = Effect.fnUntraced(function*(recipient = newNumber()) {
  const { verificationId } = yield* start(recipient)
  assert.isNotEmpty(verificationId)
  return { verificationId, recipient, code: yield* codeFor(recipient) }
})

const checked = (verificationId: string, recipient: PhoneNumber, guess: string) =>
  Effect.flatMap(provider, ({ check }) => check({ verificationId, recipient, guess: Redacted.make(guess) }))

/** The same code with another last character. */
const wrong = (code: string): string => code.slice(0, -1) + (code.endsWith("1") ? "2" : "1")

/** Lets a minute pass after a request has come in that gets no answer. */
const hanging = Effect.fnUntraced(function*<A, E>(
  call: Effect.Effect<A, E, ScriptedVerification>
) {
  const { answer, requests } = yield* ScriptedVerification
  const before = yield* requests
  yield* answer("hang")
  return yield* Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(call)
    yield* requests.pipe(
      Effect.repeat({ until: (count) => count > before, schedule: Schedule.spaced("10 millis") }),
      Effect.timeout("20 seconds"),
      Effect.orDie,
      TestClock.withLive
    )
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestClock.layer()))
})

const assertSilent = (
  recipient: PhoneNumber,
  secrets: ReadonlyArray<string>,
  outputs: ReadonlyArray<string | undefined>
) => {
  const number = Redacted.value(recipient).slice(1)
  assertUntold([number, number.slice(2), ...secrets], outputs)
}
