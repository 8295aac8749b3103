/**
 * SetPhone with the code returned, over JSON, beside a server written by hand for the same change: both on one PostgreSQL,
 * in databases of their own, in turn. The product is the standalone server as it is deployed: token checked, everything
 * validated, limits on. `npm run bench:set-phone`.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Effect, Layer, type Redacted } from "effect"
import * as Database from "./Database.ts"
import * as HandWritten from "./HandWritten.ts"
import { closedLoop, quantile, setPhone } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"

const users = 10_000
const rounds = 7
/** As ratios of rates and of latencies, product to by hand. */
const [leastRate, mostLatency] = [1.5, 1.3]

/** What a database and its cluster have made durable so far. */
const written = (url: Redacted.Redacted, events: string) =>
  Effect.provide(
    PgClient.PgClient.use((sql) =>
      sql<Record<"commits" | "events" | "wal", number>>`SELECT xact_commit::float8 AS commits,
        (SELECT count(*)::float8 FROM ${sql.literal(events)}) AS events,
        (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 AS wal
        FROM pg_stat_database WHERE datname = current_database()`
    ),
    Layer.fresh(PgClient.layer({ url, maxConnections: 1 }))
  ).pipe(Effect.map(([row]) => row!))

const program = Effect.gen(function*() {
  const server = yield* Database.start
  const baseline = yield* HandWritten.start(server, { database: "by_hand", users })
  const product = yield* Product.start(server, { database: "product", users })
  const sides = [
    { name: "by hand", server: baseline, load: setPhone({ url: baseline.url }, { users }), events: "events" },
    { name: "product", server: product, load: setPhone(product, { users }), events: "user_phone.events" }
  ] as const
  for (const { load } of sides) yield* Effect.promise(() => closedLoop(load, { calls: 30000, connections: 64 }))

  for (const [connections, calls] of [[64, 10000], [1, 1000]] as const) {
    const results = sides.map((side) => ({
      ...side,
      rates: new Array<number>(),
      latencies: new Array<number>(),
      busy: 0,
      durable: { commits: 0, events: 0, wal: 0 }
    }))
    for (let round = 0; round < rounds; round++) {
      for (const side of round % 2 === 0 ? results : results.toReversed()) {
        const { events, load, server: { databaseUrl, pid } } = side
        const [before, busy] = [yield* written(databaseUrl, events), Processes.processorTime(pid)]
        const result = yield* Effect.promise(() => closedLoop(load, { calls, connections }))
        side.rates.push(result.rate)
        side.latencies.push(quantile(result.latencies, 0.5))
        side.busy += Processes.processorTime(pid) - busy
        // PostgreSQL's backends tell of their commits once a second.
        yield* Effect.sleep("1100 millis")
        const after = yield* written(databaseUrl, events)
        for (const key of ["commits", "events", "wal"] as const) side.durable[key] += after[key] - before[key]
      }
    }
    yield* Console.log(`\n${connections} connections, ${rounds} rounds of ${calls} calls`)
    const all = rounds * calls
    for (const { busy, durable, latencies, name, rates } of results) {
      yield* Console.log(
        `  ${name.padEnd(8)} ${median(rates).toFixed(0)}/s (${Math.min(...rates).toFixed(0)} to ${
          Math.max(...rates).toFixed(0)
        }), median latency ${median(latencies).toFixed(2)} ms; a call: ${
          (busy / all).toFixed(2)
        } ms of the server's processor, ` +
          `${(durable.commits / all).toFixed(2)} commits, ${(durable.events / all).toFixed(2)} events, ${
            (durable.wal / all / 1024).toFixed(1)
          } KiB of WAL`
      )
    }
    const [byHand, ours] = results as [typeof results[number], typeof results[number]]
    const rate = median(ours.rates) / median(byHand.rates)
    const latency = median(ours.latencies) / median(byHand.latencies)
    yield* Console.log(`  ratio of rates ${rate.toFixed(2)}, of latencies ${latency.toFixed(2)}`)
    if (connections > 1 ? rate < leastRate : latency > mostLatency) process.exitCode = 1
  }
})

await Effect.runPromise(Effect.scoped(program))
