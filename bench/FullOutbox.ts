/**
 * What a full outbox costs SetPhone: its latency beside an outbox with 100,000 messages that wait, in one run, with a worker
 * at work on both. They wait because they were put off, or because no provider takes any. `npm run bench:outbox`.
 */
import { Console, Context, DateTime, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as CryptoCodeVault from "../src/adapters/CryptoCodeVault.ts"
import { CodeVault, PhoneNumber, SmsNotifier } from "../src/core/index.ts"
import * as Core from "./Core.ts"
import * as Database from "./Database.ts"
import { compare, median } from "./Rounds.ts"

const waiting = 100_000
const calls = 400
const rounds = 9
const most = 1.2

/** Providers that take everything, and none that takes anything. */
const notifiers = {
  up: () => Effect.succeed({ provider: "bench", reference: undefined }),
  down: () =>
    Effect.flatMap(DateTime.now, (now) =>
      Effect.fail(
        new SmsNotifier.SmsNotSent({ reason: new SmsNotifier.Paused({ until: DateTime.add(now, { seconds: 1 }) }) })
      ))
}

/** Opens also what the outbox is filled with, which nobody has sealed. */
const layerVault = Layer.effect(
  CodeVault.CodeVault,
  Effect.map(CodeVault.CodeVault, (vault) => ({
    ...vault,
    open: (box, binding) =>
      box.keyId === "key"
        ? Effect.succeed({
          kind: "notice",
          recipient: Redacted.make(PhoneNumber.E164.make("+41790000000")),
          change: "removed"
        })
        : vault.open(box, binding)
  }))
).pipe(Layer.provide(CryptoCodeVault.layerRandomKeys))

/** Messages that are due, or put off for an hour. */
const fill = (due: boolean) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`INSERT INTO user_phone.outbox
        (message_id, user_id, kind, code_id, key_id, sealed, created_at, expires_at, due_at)
      SELECT gen_random_uuid(), 'waiting-' || n, 'notice', NULL, 'key', decode(repeat('00', 120), 'hex'),
        now() - interval '1 minute', now() + interval '2 hours',
        now() - interval '1 minute' + CASE WHEN ${due} THEN interval '0' ELSE interval '1 hour' END
      FROM generate_series(1, ${waiting}) n`
    yield* sql`ANALYZE user_phone.outbox`
  })

/** The median latency of so many calls, one after the other, in milliseconds. */
const latency = Effect.map(Effect.replicateEffect(Core.setNewPhone, calls), median)

const scenario = Effect.fnUntraced(function*(server: Redacted.Redacted, provider: keyof typeof notifiers) {
  yield* Console.log(provider === "up" ? "\nput off, while new ones are sent" : "\ndue, while no provider takes any")
  const sideOn = Effect.fnUntraced(function*<E>(name: string, before: Effect.Effect<void, E, SqlClient.SqlClient>) {
    const url = yield* Database.create(server, `${name}_${provider}`)
    const layer = Core.layer(url, notifiers[provider], layerVault)
    const services = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
    yield* Effect.provideContext(before, services)
    const measure = Effect.provideContext(latency, services)
    yield* measure
    return { sql: Context.get(services, SqlClient.SqlClient), measure }
  })
  const none = yield* sideOn("none", Effect.void)
  const many = yield* sideOn("many", fill(provider === "down"))

  const ratio = yield* compare({
    first: { name: "none waiting", measure: none.measure },
    second: { name: `${waiting.toLocaleString("en")} waiting`, measure: many.measure },
    rounds,
    unit: "ms a call"
  })
  for (const [name, { sql }] of Object.entries({ none, many })) {
    const rows =
      yield* sql`SELECT status, count(*)::int AS count FROM user_phone.outbox GROUP BY status ORDER BY status`
    yield* Console.log(`  ${name}: ${JSON.stringify(rows)}`)
  }
  yield* Console.log(`${ratio <= most ? "kept" : "MISSED"}: at most ${most}`)
  if (ratio > most) process.exitCode = 1
}, Effect.scoped)

const program = Effect.gen(function*() {
  const server = yield* Database.start
  yield* scenario(server, "up")
  yield* scenario(server, "down")
})

await Effect.runPromise(Effect.scoped(program))
