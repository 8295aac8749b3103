/**
 * A change of phone beside better-auth's, in turn, on one PostgreSQL in databases of their own. In each round 64 connections
 * ask for codes, each for another user and another number, until a local stand-in for the provider has received the last
 * message; then the codes that it received are all verified. `npm run bench:better-auth`.
 *
 * The product is the standalone server as it is deployed: token checked, everything validated, limits on. Of the two ways in
 * which better-auth proves a number, this is the one that costs it less: the number stands in the user's row already, and no
 * session is read or made (`disableSession`). A change by a signed-in user (`updatePhoneNumber`) reads the session as well.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Effect, Layer, Redacted } from "effect"
import * as Database from "./Database.ts"
import { closedLoop, post } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { median } from "./Rounds.ts"
import * as StandIn from "./StandIn.ts"

/** Fewer of them for a quick look. */
const rounds = Number(process.env["ROUNDS"] ?? 7)
const calls = Number(process.env["CALLS"] ?? 3000)
const warmUp = Number(process.env["WARM_UP"] ?? 3000)
const connections = 64
const leastSend = 6
const leastChange = 10

/** Users of both sides, each for one change. */
const users = warmUp + rounds * calls
const numberOf = (user: number) => `+${41_790_000_000 + user}`

interface Side {
  readonly name: string
  readonly url: string
  readonly database: Redacted.Redacted
  readonly provider: StandIn
  readonly send: (user: number) => Buffer
  readonly verify: (user: number, code: string) => Buffer
  /** How many users have a number that is proven. */
  readonly proven: string
}

type StandIn = Effect.Success<typeof StandIn.start>

const query = <A>(url: Redacted.Redacted, work: (sql: PgClient.PgClient) => Effect.Effect<A, unknown>) =>
  Effect.provide(PgClient.PgClient.use(work), Layer.fresh(PgClient.layer({ url, maxConnections: 1 })))

const startProduct = Effect.fnUntraced(function*(server: Redacted.Redacted) {
  const provider = yield* StandIn.start
  const { databaseUrl: database, token, url } = yield* Product.start(server, {
    database: "product",
    users: 0,
    environment: {
      SMS_PROVIDER: "webhook",
      SMS_WEBHOOK_URL: provider.url,
      SMS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString("base64")}`
    }
  })
  yield* query(database, (sql) =>
    sql`INSERT INTO user_phone.users (user_id, resource_owner, kind, state, guesses)
      SELECT 'user-' || n, 'bench', 'human', 'active', '{"wrongInARow":0,"wrongAt":[]}'
      FROM generate_series(0, ${users - 1}) n`)
  const headers = { authorization: `Bearer ${token}` }
  const side: Side = {
    name: "product",
    url,
    database,
    provider,
    send: (user) => post(url, `/v2/users/user-${user}/phone`, headers, `{"phone":"${numberOf(user)}","sendCode":{}}`),
    verify: (user, code) => post(url, `/v2/users/user-${user}/phone/verify`, headers, `{"verificationCode":"${code}"}`),
    proven: "user_phone.users WHERE phone_verified"
  }
  return side
})

const startBetterAuth = Effect.fnUntraced(function*(server: Redacted.Redacted) {
  const provider = yield* StandIn.start
  const database = yield* Database.create(server, "better_auth")
  const { url } = yield* Processes.start("baselines/BetterAuth.mjs", {
    DATABASE_URL: Redacted.value(database),
    PROVIDER_URL: provider.url
  })
  yield* query(
    database,
    (sql) =>
      sql`INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt", "phoneNumber", "phoneNumberVerified")
      SELECT 'user-' || n, 'user-' || n, 'user-' || n || '@example.com', true, now(), now(), '+' || (41790000000 + n), false
      FROM generate_series(0, ${users - 1}) n`
  )
  const side: Side = {
    name: "better-auth",
    url,
    database,
    provider,
    send: (user) => post(url, "/api/auth/phone-number/send-otp", {}, `{"phoneNumber":"${numberOf(user)}"}`),
    verify: (user, code) =>
      post(
        url,
        "/api/auth/phone-number/verify",
        {},
        `{"phoneNumber":"${numberOf(user)}","code":"${code}","disableSession":true}`
      ),
    proven: `"user" WHERE "phoneNumberVerified"`
  }
  return side
})

/**
 * Changes the numbers of so many users from this one on, and answers how long it took in seconds: until all calls for codes
 * were answered, until all codes were received, and until all were verified.
 */
const change = async ({ provider, send, url, verify }: Side, first: number, count: number) => {
  let user = first
  const begin = performance.now()
  const received = provider.expect(count)
  const answers = closedLoop({ url, next: () => send(user++) }, { calls: count, connections })
  const [{ rate }] = await Promise.all([answers, received])
  const sent = performance.now()
  user = first
  const next = () => verify(user, provider.codeOf(numberOf(user++))!)
  await closedLoop({ url, next }, { calls: count, connections })
  return { answer: count / rate, send: (sent - begin) / 1000, change: (performance.now() - begin) / 1000 }
}

/** What was made durable in a database so far. */
const written = ({ database, proven }: Side) =>
  query(
    database,
    (sql) =>
      sql`SELECT xact_commit::int AS commits, tup_inserted::int AS inserted, tup_updated::int AS updated,
        tup_deleted::int AS deleted, (SELECT count(*)::int FROM ${sql.literal(proven)}) AS proven
      FROM pg_stat_database WHERE datname = current_database()`
  ).pipe(Effect.map(([row]) => row))

const program = Effect.gen(function*() {
  const server = yield* Database.start
  const betterAuth = yield* startBetterAuth(server)
  const product = yield* startProduct(server)
  const sides = [betterAuth, product]
  for (const side of sides) {
    yield* query(side.database, (sql) => sql`VACUUM ANALYZE`)
    yield* Effect.promise(() => change(side, 0, warmUp))
  }
  const before = yield* Effect.forEach(sides, written)

  const none = () => new Map(sides.map((side): [Side, Array<number>] => [side, []]))
  const rates = { answer: none(), send: none(), change: none() }
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const took = yield* Effect.promise(() => change(side, warmUp + round * calls, calls))
      rates.answer.get(side)!.push(calls / took.answer)
      rates.send.get(side)!.push(calls / took.send)
      rates.change.get(side)!.push(calls / took.change)
    }
  }

  yield* Console.log(`\n${connections} connections, ${rounds} rounds of ${calls} changes`)
  for (const [index, side] of sides.entries()) {
    yield* Console.log(
      `  ${side.name}: before ${JSON.stringify(before[index])}, after ${JSON.stringify(yield* written(side))}, ` +
        `${side.provider.count()} messages`
    )
  }
  for (
    const [kind, title, least] of [
      ["answer", "code asked for and answered", 0],
      ["send", "code sent and received", leastSend],
      ["change", "sent, received and verified", leastChange]
    ] as const
  ) {
    yield* Console.log(`\n${title}`)
    for (const [{ name }, all] of rates[kind]) {
      yield* Console.log(
        `  ${name.padEnd(12)} median ${median(all).toFixed(0)}/s (${Math.min(...all).toFixed(0)} to ${
          Math.max(...all).toFixed(0)
        })`
      )
    }
    const ratio = median(rates[kind].get(product)!) / median(rates[kind].get(betterAuth)!)
    const told = `${ratio.toFixed(2)} times`
    yield* Console.log(least === 0 ? told : `${ratio >= least ? "kept" : "MISSED"}: ${told}, at least ${least}`)
    if (ratio < least) process.exitCode = 1
  }
})

await Effect.runPromise(Effect.scoped(program))
