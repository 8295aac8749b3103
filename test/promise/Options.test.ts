/** What the options of `promise/Postgres` change, and what calls of a long-lived host leave behind: nothing. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { getEventListeners } from "node:events"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Memory from "../../src/adapters/Memory.ts"
import { Errors, Operations, SmsText, UserStore } from "../../src/core/index.ts"
import * as UserPhones from "../../src/promise/index.ts"
import * as OverPostgres from "../../src/promise/Postgres.ts"
import * as SmsSender from "../../src/promise/SmsSender.ts"
import { DatabaseUrl, layerClient, layerDatabase } from "../fixtures/Postgres.ts"
import { record } from "../fixtures/Telemetry.ts"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const admin = { userId: "admin", organization: "demo", grants: { demo: ["user.write"] } } as const

let numbers = 0
/** A number that no other test uses. */
const newNumber = () => `+4179${4_000_000 + numbers++}`

/** What a promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then((value) => assert.fail(`not rejected: ${JSON.stringify(value)}`), (error: unknown) => error)

/** A provider that takes everything: what it was given, and its next message. */
const provider = () => {
  const sent: Array<SmsSender.OutgoingSms> = []
  const { promise: first, resolve } = Promise.withResolvers<SmsSender.OutgoingSms>()
  return {
    sent,
    first: Effect.promise(() => first),
    layer: SmsSender.layer("acme", (sms) => {
      sent.push(sms)
      resolve(sms)
      return Promise.resolve()
    })
  }
}

const optionsWith = (options: Partial<OverPostgres.PostgresOptions>) =>
  Effect.map(DatabaseUrl, (url): OverPostgres.PostgresOptions => ({
    databaseUrl: Redacted.value(url),
    codeKeys: `a:${Buffer.alloc(32, 1).toString("base64")}`,
    fingerprintKey: Buffer.alloc(32, 2).toString("base64"),
    sms: provider().layer,
    ...options
  }))

const started = (layer: ReturnType<typeof OverPostgres.layer>) =>
  Effect.acquireRelease(
    Effect.promise(() => UserPhones.make(layer)),
    (phones) => Effect.promise(() => phones.close())
  )

const startedWith = (options: Partial<OverPostgres.PostgresOptions>) =>
  Effect.flatMap(optionsWith(options), (options) => started(OverPostgres.layer(options)))

const register = (phones: UserPhones.UserPhones) => {
  const userId = crypto.randomUUID()
  return Effect.as(Effect.promise(() => phones.users.register({ userId, resourceOwner: "demo" })), userId)
}

layer(Layer.provideMerge(layerClient, layerDatabase), { excludeTestServices: true, timeout: "60 seconds" })(
  "the operations over PostgreSQL from plain settings",
  (it) => {
    it.effect("deliver nothing where another process is to", () =>
      Effect.gen(function*() {
        const [here, there] = [provider(), provider()]
        const phones = yield* startedWith({ sms: here.layer, delivers: false })
        const userId = yield* register(phones)
        yield* Effect.promise(() => phones.as(admin).setPhone({ userId, phone: newNumber() }))
        yield* startedWith({ sms: there.layer })
        assert.strictEqual((yield* there.first).userId, userId)
        assert.deepStrictEqual(here.sent, [])
      }))

    it.effect("have the limits, codes, numbers and texts that they are given", () =>
      Effect.gen(function*() {
        const { first, layer } = provider()
        const phones = yield* startedWith({
          sms: layer,
          codes: "zitadel",
          limits: { guessesPerCode: 2, waitBetweenCodes: "off" },
          phones: { regions: ["FR"] },
          texts: Layer.succeed(SmsText.SmsText, { render: () => Effect.succeed(Redacted.make("in the host's words")) })
        })
        const host = phones.as(admin)
        const userId = yield* register(phones)
        yield* Effect.promise(async () => {
          assert.instanceOf(await rejection(host.setPhone({ userId, phone: newNumber() })), Errors.InvalidPhoneNumber)
          await host.setPhone({ userId, phone: "+33612345678" })
          await host.resendPhoneCode({ userId })
          const { pendingCode } = await host.getPhone({ userId })
          assert.strictEqual(pendingCode?.guessesLeft, 2)
          // An hour, and not ten minutes.
          assert.isAbove(Date.parse(pendingCode!.expiresAt) - Date.now(), 3_000_000)
        })
        assert.strictEqual((yield* first).text, "in the host's words")
      }))

    it.effect("take no more connections than they may, however many calls there are", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const waits = sql`SELECT pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
          WHERE NOT granted AND datname = current_database()`
        /** How many are opened by twenty calls of which none is answered before so many wait at once. */
        const openedWith = Effect.fnUntraced(
          function*(options: Partial<OverPostgres.PostgresOptions>, waiting: number) {
            const { databaseUrl } = yield* optionsWith({})
            const [name, url] = [crypto.randomUUID(), new URL(databaseUrl)]
            url.searchParams.set("application_name", name)
            const phones = yield* startedWith({ ...options, databaseUrl: url.href })
            const calls = yield* Effect.gen(function*() {
              yield* sql`LOCK TABLE user_phone.users`
              const calls = Array.from(
                { length: 20 },
                () => phones.users.register({ userId: crypto.randomUUID(), resourceOwner: "demo" })
              )
              yield* Effect.repeat(waits, {
                until: (rows) => rows.length >= waiting,
                schedule: Schedule.spaced("5 millis")
              })
              return calls
            }).pipe(sql.withTransaction)
            yield* Effect.promise(() => Promise.all(calls))
            return (yield* sql`SELECT pid FROM pg_stat_activity WHERE application_name = ${name}`).length
          }
        )
        assert.isAtLeast(yield* openedWith({}, 4), 4)
        assert.isAtMost(yield* openedWith({ maxConnections: 2 }, 1), 2)
      }))

    it.effect("open no spans, also where the host has a tracer", () =>
      Effect.gen(function*() {
        const telemetry = record()
        const options = yield* optionsWith({})
        const phones = yield* started(Layer.provideMerge(OverPostgres.layer(options), telemetry.layer))
        const userId = yield* register(phones)
        yield* Effect.promise(() => phones.as(admin).setPhone({ userId, phone: newNumber() }))
        assert.deepStrictEqual(telemetry.spans, [])
      }))
  }
)

describe("calls of a host", () => {
  const startedOver = (layer: Parameters<typeof UserPhones.make>[0]) =>
    Effect.acquireRelease(
      Effect.promise(() => UserPhones.make(layer)),
      (phones) => Effect.promise(() => phones.close())
    )

  it.effect("leave no listener on a signal that outlives them, whatever they come to", () =>
    Effect.gen(function*() {
      const phones = yield* startedOver(Memory.layer)
      const userId = yield* register(phones)
      const { signal } = new AbortController()
      yield* Effect.promise(async () => {
        for (let call = 0; call < 10; call++) {
          await phones.as(admin).getPhone({ userId }, { signal })
          await rejection(phones.as(admin).getPhone({ userId: "nobody" }, { signal }))
        }
      })
      assert.deepStrictEqual(getEventListeners(signal, "abort"), [])
    }))

  it.effect("are forgotten once they are done", () =>
    Effect.gen(function*() {
      const phones = yield* startedOver(Memory.layer)
      const errors: Array<WeakRef<object>> = []
      yield* Effect.promise(async () => {
        for (let call = 0; call < 20; call++) {
          errors.push(new WeakRef(await rejection(phones.as(admin).getPhone({ userId: "nobody" })) as object))
        }
        await new Promise((next) => setImmediate(next))
      })
      collect()
      // The last one may still be at hand.
      assert.isAtMost(errors.filter((error) => error.deref() !== undefined).length, 1)
    }))

  it.effect("say why the service is unavailable in the log, once", () =>
    Effect.gen(function*() {
      const telemetry = record()
      const broken = Layer.effect(
        UserStore.UserStore,
        Effect.map(UserStore.UserStore, (store) => ({
          ...store,
          load: () => Effect.fail(new Errors.Unavailable({ cause: "the disk is full" }))
        }))
      )
      const phones = yield* startedOver(
        Layer.orDie(Operations.layer).pipe(
          Layer.provide(broken),
          Layer.provideMerge(Memory.layerPorts),
          Layer.provideMerge(telemetry.layer)
        )
      )
      const error = yield* Effect.promise(() => rejection(phones.as(admin).getPhone({ userId: "ada" })))
      assert.instanceOf(error, Errors.Unavailable)
      assert.deepStrictEqual(telemetry.logs, [["Warn", "unavailable", "the disk is full"]])
    }))
})
