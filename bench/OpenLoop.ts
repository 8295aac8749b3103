/**
 * How long SetPhone takes when requests come on their own time, at half of the product's peak rate: a request's latency
 * counts from when it was to be sent, so that whoever stands still pays for all who would have come meanwhile. Beside it
 * the server written by hand, at the same rate. `npm run bench:open-loop`; `SECONDS` and `ROUNDS` make it shorter.
 */
import { Console, Effect } from "effect"
import * as Database from "./Database.ts"
import * as HandWritten from "./HandWritten.ts"
import { closedLoop, type Load, openLoop, quantile, setPhone } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"

const users = 10_000
const seconds = Number(process.env["SECONDS"] ?? 15)
const rounds = Number(process.env["ROUNDS"] ?? 7)
const shares = [0.5, 0.99, 0.999]

/** The most requests a second that a server answers, of 64 connections; tells also how long its process works on each. */
const peakOf = Effect.fnUntraced(function*(name: string, load: Load, pid: number) {
  const calls = 5000
  const measure = Effect.promise(() => closedLoop(load, { calls, connections: 64 }))
  yield* measure
  const before = Processes.processorTime(pid)
  const rates = (yield* Effect.replicateEffect(measure, 5)).map(({ rate }) => rate)
  const work = (Processes.processorTime(pid) - before) / (5 * calls)
  yield* Console.log(
    `${name.padEnd(8)} peak ${median(rates).toFixed(0)}/s, ${work.toFixed(3)} ms of processor for each`
  )
  return median(rates)
})

const program = Effect.gen(function*() {
  const server = yield* Database.start
  const servers = [
    yield* HandWritten.start(server, { database: "by_hand", users }),
    yield* Product.start(server, { database: "product", users })
  ] as const
  const [byHand, product] = [setPhone(servers[0], { users }), setPhone(servers[1], { users })]
  yield* peakOf("by hand", byHand, servers[0].pid)
  const peak = yield* peakOf("product", product, servers[1].pid)
  const rate = peak / 2

  const sides = [{ name: "by hand", load: byHand }, { name: "product", load: product }]
  const results = new Map(sides.map(({ name }) => [name, shares.map((): Array<number> => [])]))
  for (let round = -1; round < rounds; round++) {
    for (const { load, name } of round % 2 === 0 ? sides : sides.toReversed()) {
      const { latencies } = yield* Effect.promise(() => openLoop(load, { rate, seconds }))
      // The first round is to warm up.
      if (round >= 0) shares.forEach((share, index) => results.get(name)![index]!.push(quantile(latencies, share)))
    }
  }
  yield* Console.log(`${rate.toFixed(0)} requests a second, ${rounds} rounds of ${seconds} s, medians of the rounds`)
  for (const [name, quantiles] of results) {
    const told = quantiles.map((all, index) =>
      `p${shares[index]! * 100} ${median(all).toFixed(2)} ms (${Math.min(...all).toFixed(2)} to ${
        Math.max(...all).toFixed(2)
      })`
    )
    yield* Console.log(`  ${name.padEnd(8)} ${told.join(", ")}`)
  }
  const [ours, theirs] = ["product", "by hand"].map((name) => median(results.get(name)![1]!)) as [number, number]
  yield* Console.log(
    `${ours <= theirs ? "kept" : "MISSED"}: p99 at ${(ours / theirs).toFixed(2)} of the one by hand, at most 1`
  )
  if (ours > theirs) process.exitCode = 1
})

await Effect.runPromise(Effect.scoped(program))
