/**
 * Several worker processes on one database: none takes what another holds, and one that freezes loses what it held, also
 * when it wakes up and wants to settle it.
 */
import { NodeCrypto } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as CryptoCodeVault from "../../src/adapters/CryptoCodeVault.ts"
import { Access, Actor, CodeGenerator, Limits, Operations, SetPhone, UserId } from "../../src/core/index.ts"
import * as Servers from "../examples/Servers.ts"
import * as Deployment from "../fixtures/Deployment.ts"
import { layerStores } from "../fixtures/Postgres.ts"
import * as WebhookReceiver from "../fixtures/WebhookReceiver.ts"

const organization = UserId.OrganizationId.make("acme")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

/** Queues a message for each of so many new users, with the keys of the deployment. */
const queue = Effect.fnUntraced(function*(count: number, keys: Readonly<Record<string, string>>) {
  const env = ConfigProvider.fromEnv({ env: { ...keys } })
  const vault = yield* Config.all(CryptoCodeVault.keysConfig).parse(env)
  const operations = Operations.layer.pipe(
    Layer.provide(Layer.mergeAll(
      Access.layer,
      CodeGenerator.layerPreset("digits6"),
      CryptoCodeVault.layer(vault),
      Layer.succeed(Limits.Limits, Limits.off)
    )),
    Layer.provide(NodeCrypto.layer)
  )
  const userIds = Array.from({ length: count }, () => crypto.randomUUID())
  yield* Servers.register(userIds, organization)
  yield* SetPhone.SetPhone.use(({ setPhone }) =>
    Effect.forEach(
      userIds,
      (userId, index) => setPhone({ userId, phone: Redacted.make(Servers.number(index)) }),
      { concurrency: 8, discard: true }
    )
  ).pipe(Effect.provideService(Actor.Actor, admin), Effect.provide(operations, { local: true }))
  return userIds
})

const outboxRows = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<
    { readonly userId: string; readonly status: string; readonly attempts: number; readonly reference: string | null }
  >`SELECT user_id AS "userId", status, attempts, reference FROM user_phone.outbox`
})

const settled = outboxRows.pipe(
  Effect.repeat({
    until: (rows) => rows.every(({ status }) => status !== "queued"),
    schedule: Schedule.spaced("50 millis")
  }),
  Effect.timeout("60 seconds")
)

const codesSent = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`SELECT user_id FROM user_phone.events WHERE type = 'user.human.phone.code.sent'`
  return rows.length
})

const layers = Layer.mergeAll(Deployment.layerIssuer, layerStores)

layer(layers, { excludeTestServices: true, timeout: "60 seconds" })("three worker processes", (it) => {
  it.effect(
    "share 2,000 messages, and none of them is taken twice",
    () =>
      Effect.gen(function*() {
        const keys = Deployment.newKeys()
        const receiver = yield* WebhookReceiver.make()
        const names = ["one", "two", "three"]
        yield* Effect.forEach(
          names,
          (name) =>
            Deployment.deployed({ ...keys, ...WebhookReceiver.settings(`${receiver.url}/${name}`), LOG_LEVEL: "Warn" }),
          { concurrency: "unbounded" }
        )
        yield* queue(2000, keys)
        const rows = yield* settled
        assert.lengthOf(rows.filter(({ attempts, status }) => status === "sent" && attempts === 1), 2000)
        assert.lengthOf(receiver.posts, 2000)
        assert.strictEqual(new Set(receiver.posts.map(({ id }) => id)).size, 2000)
        assert.strictEqual(yield* codesSent, 2000)
        for (const name of names) {
          const share = receiver.posts.filter(({ path }) => path === `/${name}`).length
          assert.isAbove(share, 100, `${name} took part`)
        }
      }).pipe(Effect.scoped),
    120_000
  )
})

layer(Layer.fresh(layers), { excludeTestServices: true, timeout: "60 seconds" })("a worker that freezes", (it) => {
  it.effect(
    "loses its lease to another, and changes nothing when it wakes up",
    () =>
      Effect.gen(function*() {
        const keys = Deployment.newKeys()
        const receiver = yield* WebhookReceiver.make(({ path }) => ({
          status: 200,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ id: path }),
          // Long enough for the worker to be frozen meanwhile.
          after: path === "/frozen" ? 1000 : 0
        }))
        const start = (name: string) =>
          Deployment.deployed({
            ...keys,
            ...WebhookReceiver.settings(`${receiver.url}/${name}`),
            SMS_LEASE: "5s",
            SMS_TIMEOUT: "2s",
            LOG_LEVEL: "Warn"
          })
        const frozen = yield* start("frozen")
        const [userId] = yield* queue(1, keys)
        yield* Effect.sync(() => receiver.posts.length).pipe(
          Effect.repeat({ until: (count) => count === 1, schedule: Schedule.spaced("5 millis") })
        )
        frozen.child.kill("SIGSTOP")
        yield* start("awake")
        yield* settled
        assert.deepStrictEqual(receiver.posts.map(({ path }) => path), ["/frozen", "/awake"])
        assert.strictEqual(receiver.posts[0]!.id, receiver.posts[1]!.id)
        const after = [{ userId, status: "sent", attempts: 2, reference: "/awake" }]
        assert.deepStrictEqual(yield* outboxRows, after as never)

        frozen.child.kill("SIGCONT")
        yield* Servers.printed(frozen, /an SMS lost its lease before it was settled/)
        assert.deepStrictEqual(yield* outboxRows, after as never)
        assert.strictEqual(yield* codesSent, 1)
        assert.lengthOf(receiver.posts, 2)
      }).pipe(Effect.scoped),
    120_000
  )
})
