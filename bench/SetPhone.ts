/**
 * SetPhone with the code returned, over JSON, beside a server written by hand for the same change: both on one PostgreSQL,
 * in databases of their own, in turn. The product is the standalone server as it is deployed: token checked, everything
 * validated, limits on. `npm run bench:set-phone`.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Effect, Layer, Redacted } from "effect"
import * as Database from "./Database.ts"
import { closedLoop, type Load, post, quantile } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"

const users = 10_000
const rounds = 7

let numbers = 41_790_000_000
let user = 0

/** Another number for another user each time. */
const loadOf = (url: string, token: string | undefined): Load => ({
  url,
  next: () =>
    post(
      url,
      `/v2/users/user-${user++ % users}/phone`,
      token === undefined ? {} : { authorization: `Bearer ${token}` },
      `{"phone":"+${++numbers}","returnCode":{}}`
    )
})

/** What was made durable in a database so far. */
const written = (url: Redacted.Redacted, events: string) =>
  Effect.provide(
    PgClient.PgClient.use((sql) =>
      sql`SELECT xact_commit::int AS commits, (SELECT count(*)::int FROM ${sql.literal(events)}) AS events
        FROM pg_stat_database WHERE datname = current_database()`
    ),
    Layer.fresh(PgClient.layer({ url, maxConnections: 1 }))
  ).pipe(Effect.map(([row]) => row))

const program = Effect.gen(function*() {
  const server = yield* Database.start
  const byHand = yield* Database.create(server, "by_hand")
  const baseline = yield* Processes.start("baselines/HandWritten.mjs", { DATABASE_URL: Redacted.value(byHand) })
  const product = yield* Product.start(server, { database: "product", users })
  yield* Effect.provide(
    PgClient.PgClient.use((sql) =>
      sql`INSERT INTO users (id, organization) SELECT 'user-' || n, 'bench' FROM generate_series(0, ${users - 1}) n`
    ),
    Layer.fresh(PgClient.layer({ url: byHand, maxConnections: 1 }))
  )
  const sides = [
    { name: "by hand", load: loadOf(baseline.url, undefined), database: byHand, events: "events" },
    {
      name: "product",
      load: loadOf(product.url, product.token),
      database: product.databaseUrl,
      events: "user_phone.events"
    }
  ] as const
  for (const { load } of sides) yield* Effect.promise(() => closedLoop(load, { calls: 4000, connections: 64 }))

  for (const [connections, calls] of [[64, 6000], [1, 600]] as const) {
    const rates = new Map<string, Array<number>>(sides.map(({ name }) => [name, []]))
    const latencies = new Map<string, Array<number>>(sides.map(({ name }) => [name, []]))
    const before = yield* Effect.forEach(sides, ({ database, events }) => written(database, events))
    for (let round = 0; round < rounds; round++) {
      for (const { load, name } of round % 2 === 0 ? sides : sides.toReversed()) {
        const result = yield* Effect.promise(() => closedLoop(load, { calls, connections }))
        rates.get(name)!.push(result.rate)
        latencies.get(name)!.push(quantile(result.latencies, 0.5))
      }
    }
    yield* Console.log(`\n${connections} connections, ${rounds} rounds of ${calls} calls`)
    for (const [index, { database, events, name }] of sides.entries()) {
      const all = rates.get(name)!
      yield* Console.log(
        `  ${name.padEnd(8)} ${median(all).toFixed(0)}/s (${Math.min(...all).toFixed(0)} to ${
          Math.max(...all).toFixed(0)
        }), ` +
          `median latency ${median(latencies.get(name)!).toFixed(2)} ms; ` +
          `before ${JSON.stringify(before[index])}, after ${JSON.stringify(yield* written(database, events))}`
      )
    }
    const ratio = median(rates.get("product")!) / median(rates.get("by hand")!)
    const slower = median(latencies.get("product")!) / median(latencies.get("by hand")!)
    yield* Console.log(`  ratio of rates ${ratio.toFixed(2)}, of latencies ${slower.toFixed(2)}`)
  }
})

await Effect.runPromise(Effect.scoped(program))
