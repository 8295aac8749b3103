/**
 * How soon a message is handed over after the call that made it was answered, on a server that has nothing else to do.
 * `npm run bench:hand-over`.
 */
import { Console, Deferred, Effect } from "effect"
import * as Core from "./Core.ts"
import * as Database from "./Database.ts"
import { median } from "./Rounds.ts"

const calls = 300
const most = 100

const program = Effect.gen(function*() {
  const url = yield* Database.create(yield* Database.start, "bench")
  let handedOver = yield* Deferred.make<number>()
  const layer = Core.layer(
    url,
    () =>
      Effect.suspend(() =>
        Effect.as(Deferred.succeed(handedOver, performance.now()), { provider: "bench", reference: undefined })
      )
  )
  const delays: Array<number> = []
  yield* Effect.gen(function*() {
    for (let call = -10; call < calls; call++) {
      // Idle long enough for the worker to have settled the one before.
      yield* Effect.sleep(50 + Math.random() * 100)
      handedOver = yield* Deferred.make<number>()
      yield* Core.setNewPhone
      const answered = performance.now()
      const delay = (yield* Deferred.await(handedOver)) - answered
      if (call >= 0) delays.push(delay)
    }
  }).pipe(Effect.provide(layer))
  const sorted = delays.toSorted((a, b) => a - b)
  yield* Console.log(
    `hand-over after the answer: median ${median(delays).toFixed(1)} ms, ` +
      `95 % within ${sorted[Math.floor(calls * 0.95)]!.toFixed(1)} ms, ${calls} calls`
  )
  yield* Console.log(`${median(delays) <= most ? "kept" : "MISSED"}: at most ${most} ms at the median`)
  if (median(delays) > most) process.exitCode = 1
})

await Effect.runPromise(Effect.scoped(program))
