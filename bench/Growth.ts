/**
 * SetPhone with the code returned, with a million users and ten million events, beside the same server with ten thousand
 * users: two databases on one PostgreSQL, in turn. `npm run bench:growth`; `USERS`, `CALLS` and `ROUNDS` make it shorter.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Duration, Effect, Layer, type Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import * as FilledTables from "../test/fixtures/FilledTables.ts"
import * as Database from "./Database.ts"
import { closedLoop, setPhone } from "./Load.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"

const many = Number(process.env["USERS"] ?? 1_000_000)
const calls = Number(process.env["CALLS"] ?? 10_000)
const rounds = Number(process.env["ROUNDS"] ?? 7)
const few = 10_000
const connections = 64
/** As a ratio of rates. */
const least = 0.9

const onDatabase = <A, E>(
  url: Redacted.Redacted,
  effect: Effect.Effect<A, E, PgClient.PgClient | SqlClient.SqlClient>
) => Effect.provide(effect, Layer.fresh(PgClient.layer({ url, maxConnections: 1 })))

const fill = (users: number) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    yield* FilledTables.make({ users, numbers: 2, days: 730, organization: "bench" })
    yield* sql`VACUUM ANALYZE`
    yield* sql`CHECKPOINT`
    const [row] = yield* sql`SELECT pg_size_pretty(pg_database_size(current_database())) AS size,
      (SELECT count(*)::int FROM user_phone.users) AS users, (SELECT count(*)::int FROM user_phone.events) AS events,
      (SELECT count(*)::int FROM user_phone.outbox) AS messages`
    return row
  })

/** What PostgreSQL has written of so far, by what was done for it. */
const written = (url: Redacted.Redacted) =>
  onDatabase(
    url,
    PgClient.PgClient.use((sql) =>
      sql<Written>`SELECT wal_bytes::float8 AS wal, wal_fpi::float8 AS images,
          (SELECT n_tup_hot_upd::float8 FROM pg_stat_user_tables WHERE relname = 'users') AS hot,
          (SELECT n_tup_upd::float8 FROM pg_stat_user_tables WHERE relname = 'users') AS updates
        FROM pg_stat_wal`
    )
  ).pipe(Effect.map(([row]) => row!))

interface Written {
  readonly wal: number
  readonly images: number
  readonly hot: number
  readonly updates: number
}

const sideOn = Effect.fnUntraced(function*(server: Redacted.Redacted, name: string, users: number) {
  // The filled users are verified: their first change would send a notice, and few users have fewer first changes.
  const environment = { PHONE_NOTICES: "off" }
  const product = yield* Product.start(server, { database: name, users: 0, environment })
  const [time, filled] = yield* Effect.timed(onDatabase(product.databaseUrl, fill(users)))
  yield* Console.log(`${name}: ${JSON.stringify(filled)}, filled in ${Duration.toSeconds(time).toFixed(0)} s`)
  const load = setPhone(product, { users, order: "random" })
  const rates: Array<number> = []
  const work: Array<Written> = []
  const measure = Effect.gen(function*() {
    const before = yield* written(product.databaseUrl)
    const { rate } = yield* Effect.promise(() => closedLoop(load, { calls, connections }))
    // The statistics come with a delay.
    yield* Effect.sleep("1100 millis")
    const after = yield* written(product.databaseUrl)
    rates.push(rate)
    work.push({
      wal: after.wal - before.wal,
      images: after.images - before.images,
      hot: after.hot - before.hot,
      updates: after.updates - before.updates
    })
  })
  yield* measure
  rates.pop()
  work.pop()
  return { name, rates, work, measure }
})

const program = Effect.gen(function*() {
  const server = yield* Database.start
  const sides = [yield* sideOn(server, "few", few), yield* sideOn(server, "many", many)] as const
  for (let round = 0; round < rounds; round++) {
    for (const { measure } of round % 2 === 0 ? sides : sides.toReversed()) yield* measure
  }
  for (const { name, rates, work } of sides) {
    const per = (what: keyof Written) => median(work.map((one) => one[what])) / calls
    yield* Console.log(
      `${name.padEnd(5)} ${median(rates).toFixed(0)}/s (${Math.min(...rates).toFixed(0)} to ` +
        `${Math.max(...rates).toFixed(0)}); a call writes ${(per("wal") / 1024).toFixed(1)} KiB of WAL, ` +
        `${per("images").toFixed(2)} pages whole, and ${
          (100 * per("hot") / per("updates")).toFixed(0)
        } % of users in place`
    )
  }
  const [a, b] = sides
  const ratio = median(b.rates) / median(a.rates)
  yield* Console.log(
    `${ratio >= least ? "kept" : "MISSED"}: ${
      ratio.toFixed(2)
    } of the rate with few, at least ${least}, over ${rounds} rounds`
  )
  if (ratio < least) process.exitCode = 1
})

await Effect.runPromise(Effect.scoped(program))
