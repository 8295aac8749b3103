/**
 * A server in this process, of which all telemetry is kept: no number, code, token or guess is traced, logged, counted, or
 * answered to who did not ask for it.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SmsInbox } from "../../src/adapters/MemorySmsNotifier.ts"
import { Limits } from "../../src/core/index.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import { searchOutput } from "../fixtures/SecretReporter.ts"
import { runBroken, runCases, runMalformed, runOperations, runStories } from "../fixtures/SecretRuns.ts"
import * as Scan from "../fixtures/SecretScan.ts"
import * as TestServer from "../fixtures/TestServer.ts"
import * as Wire from "../fixtures/Wire.ts"

const { layer: layerRecorder, sinks } = Scan.recorder()

/** Guesses are limited, numbers are not: all users have the same. */
const { guessesPerCode, wrongGuessesInARow, wrongGuessesPerUser } = Limits.defaults
const limits: Limits.Limits = { ...Limits.off, guessesPerCode, wrongGuessesInARow, wrongGuessesPerUser }

const layerServer = TestServer.layerWith({ limits }).pipe(
  Layer.provideMerge(FrozenClock.layer),
  Layer.provideMerge(layerRecorder)
)

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("a server in process", (it) => {
  it.effect("traces, logs, counts and answers no number, code, guess or token", () =>
    Effect.gen(function*() {
      const known = new Wire.Known()
      yield* Wire.listen(known)
      yield* runCases
      yield* runOperations
      yield* runStories
      yield* runMalformed(known)
      yield* runBroken
      const heard = known.codes.length
      for (const { recipient, text } of yield* SmsInbox.use(({ all }) => all)) {
        known.addNumber(Redacted.value<string>(recipient))
        known.addCode(/^\S+/.exec(Redacted.value(text))![0])
      }
      assert.isAbove(heard, 300)
      assert.isAbove(known.codes.length, heard)

      const recorded = yield* sinks
      const scan = Scan.make(known)
      for (const [sink, text] of Object.entries(recorded)) assert.deepStrictEqual([...scan(text)], [], sink)
      assert.deepStrictEqual([...searchOutput(scan, [...known.answers].join("\n"))], [])

      for (
        const span of [
          "'http.route'",
          "'SetPhone.setPhone'",
          "'VerifyPhone.verifyPhone'",
          "'ResendPhoneCode.resendPhoneCode'",
          "'RemovePhone.removePhone'",
          "'GetPhone.getPhone'",
          "'UnlockPhoneVerification.unlockPhoneVerification'",
          "'PgUserStore.commit'",
          "'PgOutbox.delivery'",
          "'db.query.text'"
        ]
      ) {
        assert.include(recorded.spans, span)
      }
      assert.include(recorded.logs, "a request met a bug")
    }))
})
