/**
 * SetPhone with the code returned, by one, two and four server processes on one database: the rates, and that the log is
 * what was answered, whoever has answered it. `npm run bench:servers`; `CALLS` and `ROUNDS` make it shorter.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Effect } from "effect"
import { availableParallelism } from "node:os"
import * as Database from "./Database.ts"
import { closedLoop, type Load, setPhone } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"

const calls = Number(process.env["CALLS"] ?? 6000)
const rounds = Number(process.env["ROUNDS"] ?? 7)
const users = 1000
const connections = 64
const counts = [1, 2, 4] as const

/** The rate of so many servers together, with as many connections and calls in all as one alone would have. */
const rateOf = (loads: ReadonlyArray<Load>) =>
  Effect.promise(async () => {
    const start = performance.now()
    await Promise.all(
      loads.map((load) => closedLoop(load, { calls: calls / loads.length, connections: connections / loads.length }))
    )
    return calls * 1000 / (performance.now() - start)
  })

const program = Effect.gen(function*() {
  const databaseUrl = yield* Database.create(yield* Database.start, "product")
  const { environment, token } = yield* Product.makeSettings(databaseUrl)
  const servers = yield* Effect.replicateEffect(
    Processes.start("../examples/server/main.ts", environment),
    Math.max(...counts)
  )
  yield* Product.registerUsers(databaseUrl, users)
  const loads = // Any user each time, so that the servers meet at the same ones.
    servers.map(({ url }) => setPhone({ url, token }, { users, order: "random" }))
  const rates = new Map(counts.map((count) => [count, [] as Array<number>]))
  // All are warm at first.
  let made = calls
  yield* rateOf(loads)
  for (let round = 0; round < rounds; round++) {
    for (const count of round % 2 === 0 ? counts : counts.toReversed()) {
      rates.get(count)!.push(yield* rateOf(loads.slice(0, count)))
      made += calls
    }
  }
  const one = median(rates.get(1)!)
  yield* Console.log(`${connections} connections in all, ${availableParallelism()} processors for everything`)
  for (const [count, all] of rates) {
    yield* Console.log(
      `${count} ${count === 1 ? "process  " : "processes"} ${median(all).toFixed(0)}/s (${
        Math.min(...all).toFixed(0)
      } to ` +
        `${Math.max(...all).toFixed(0)}), ${(median(all) / one).toFixed(2)} of one's`
    )
  }

  const [log] = yield* Effect.provide(
    PgClient.PgClient.use((sql) =>
      sql<Log>`SELECT
        (SELECT count(*)::int FROM user_phone.events WHERE type = 'user.human.phone.changed') AS changes,
        (SELECT count(*)::int FROM user_phone.users u WHERE sequence <> (
          SELECT count(*) FROM user_phone.events e WHERE e.user_id = u.user_id AND e.sequence <= u.sequence
        )) AS gaps`
    ),
    PgClient.layer({ url: databaseUrl, maxConnections: 1 })
  )
  const isRight = log!.changes === made && log!.gaps === 0
  yield* Console.log(
    `${isRight ? "kept" : "MISSED"}: ${made} calls answered, ${log!.changes} changes in the log, ${
      log!.gaps
    } users with gaps`
  )
  if (!isRight) process.exitCode = 1
})

interface Log {
  readonly changes: number
  readonly gaps: number
}

await Effect.runPromise(Effect.scoped(program))
