/**
 * What the layers of a SetPhone cost the server, one upon the other: Node's HTTP, Effect's `HttpApi`, this library's routes, and
 * then the product, with everything that these answer without. All of them in turn, the server written by hand beside
 * them. `npm run bench:layers`; it has no aim of its own.
 */
import { Console, Effect } from "effect"
import * as Database from "./Database.ts"
import * as HandWritten from "./HandWritten.ts"
import { closedLoop, setPhone } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"

const users = 10_000
const rounds = 7
const calls = 20_000

const program = Effect.gen(function*() {
  const database = yield* Database.start
  const product = yield* Product.start(database, { database: "product", users })
  const byHand = yield* HandWritten.start(database, { database: "by_hand", users })
  const constant = (layers: string) => Processes.start("Constant.ts", { LAYERS: layers })
  const sides = [
    { name: "Node's HTTP alone", server: yield* constant("node") },
    { name: "Effect's HttpApi", server: yield* constant("effect") },
    { name: "the routes, with constant answers", server: yield* constant("product") },
    { name: "the product", server: product },
    { name: "by hand", server: byHand }
  ].map(({ name, server }) => ({
    name,
    pid: server.pid,
    // A token is read wherever there is one to read.
    load: setPhone({ url: server.url, token: server === byHand ? undefined : product.token }, { users }),
    rates: new Array<number>(),
    busy: new Array<number>()
  }))
  for (const { load } of sides) yield* Effect.promise(() => closedLoop(load, { calls: 30_000, connections: 64 }))
  for (let round = 0; round < rounds; round++) {
    for (const { busy, load, pid, rates } of round % 2 === 0 ? sides : sides.toReversed()) {
      const before = Processes.processorTime(pid)
      const { rate } = yield* Effect.promise(() => closedLoop(load, { calls, connections: 64 }))
      busy.push((Processes.processorTime(pid) - before) / calls)
      rates.push(rate)
    }
  }
  yield* Console.log(`64 connections, ${rounds} rounds of ${calls} calls`)
  for (const { busy, name, rates } of sides) {
    yield* Console.log(
      `  ${name.padEnd(34)} ${median(rates).toFixed(0).padStart(6)}/s (${Math.min(...rates).toFixed(0)} to ${
        Math.max(...rates).toFixed(0)
      }), ${median(busy).toFixed(3)} ms of the server's processor a call`
    )
  }
})

await Effect.runPromise(Effect.scoped(program))
