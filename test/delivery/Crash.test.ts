/**
 * A server under load that is killed again and again: every message of a call that was answered arrives, once, or again
 * only where the kill fell between hand-over and settlement. `npm run test:crash` kills it thirty times.
 */
import { assert, layer } from "@effect/vitest"
import { Console, Effect, Fiber, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Servers from "../examples/Servers.ts"
import * as Deployment from "../fixtures/Deployment.ts"
import { layerClient, layerDatabase } from "../fixtures/Postgres.ts"
import * as WebhookReceiver from "../fixtures/WebhookReceiver.ts"

const kills = Number(process.env["CRASH_KILLS"] ?? 4)
const callers = 8

interface Call {
  readonly userId: string
  readonly phone: string
  /** The HTTP status, or undefined when the connection was cut. */
  readonly status: number | undefined
}

interface Row {
  readonly userId: string
  readonly messageId: string
  readonly status: string
  readonly reason: string | null
  readonly attempts: number
  readonly codesSent: number
}

const acceptedOf = (calls: ReadonlyArray<Call>) => calls.filter(({ status }) => status === 200)

const rowsOf = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<
    Row
  >`SELECT o.user_id AS "userId", o.message_id::text AS "messageId", o.status, o.reason, o.attempts,
      (SELECT count(*)::int FROM user_phone.events e
        WHERE e.user_id = o.user_id AND e.type = 'user.human.phone.code.sent') AS "codesSent"
    FROM user_phone.outbox o`
})

const layers = Layer.mergeAll(Deployment.layerIssuer, layerClient).pipe(Layer.provideMerge(layerDatabase))

layer(layers, { excludeTestServices: true, timeout: "60 seconds" })("a server that is killed", (it) => {
  it.effect(
    `${kills} times under load loses no message that was accepted, and repeats only what was in hand at a kill`,
    () =>
      Effect.gen(function*() {
        const { sign } = yield* Deployment.Issuer
        // Some of the time a message is with the receiver and not settled, so that kills fall there.
        const receiver = yield* WebhookReceiver.make(() => ({ status: 204, after: Math.random() * 40 }))
        const directory = yield* Deployment.directory
        const environment = yield* Deployment.deploymentOf({
          ...WebhookReceiver.settings(receiver.url),
          USERS: "from-token",
          SMS_LEASE: "4s",
          SMS_TIMEOUT: "1s",
          LOG_LEVEL: "Warn"
        })

        const calls: Array<Call> = []
        const killedAt: Array<number> = []
        let server = yield* Servers.start(directory, environment)
        const load = { next: 0, over: false }
        const caller = Effect.gen(function*() {
          while (!load.over) {
            const userId = crypto.randomUUID()
            const phone = Servers.number(load.next++)
            const token = yield* sign({ claims: { sub: userId } })
            const answer = yield* Effect.result(Servers.setPhone(server, token, userId, phone, { sendCode: {} }))
            calls.push({ userId, phone, status: answer._tag === "Success" ? answer.success.status : undefined })
            if (answer._tag === "Failure") yield* Effect.sleep("20 millis")
          }
        })
        const calling = yield* Effect.forkChild(
          Effect.all(Array.from({ length: callers }, () => caller), { concurrency: "unbounded" })
        )

        for (let kill = 0; kill < kills; kill++) {
          const before = acceptedOf(calls).length
          yield* Effect.sync(() => acceptedOf(calls).length).pipe(
            Effect.repeat({ until: (count) => count > before + 20, schedule: Schedule.spaced("10 millis") })
          )
          yield* Effect.sleep(`${Math.floor(Math.random() * 400)} millis`)
          yield* Servers.end(server, "SIGKILL")
          killedAt.push(performance.now())
          server = yield* Servers.start(directory, environment)
        }
        load.over = true
        yield* Fiber.join(calling)

        const rows = yield* rowsOf.pipe(
          Effect.repeat({
            until: (rows) => rows.every(({ status }) => status !== "queued"),
            schedule: Schedule.spaced("100 millis")
          }),
          Effect.timeout("45 seconds")
        )
        const accepted = acceptedOf(calls)
        const cut = calls.filter(({ status }) => status === undefined)
        assert.isAbove(accepted.length, 20 * kills)
        assert.isAtLeast(cut.length, kills, "each kill fell into calls")
        // A server that has just started may not know its issuer's keys yet.
        assert.isTrue(calls.every(({ status }) => status === 200 || status === undefined || status === 503))

        const rowOf = new Map(rows.map((row) => [row.userId, row]))
        assert.strictEqual(rowOf.size, rows.length, "one message for each user")
        for (const { phone, userId } of accepted) {
          assert.include(rowOf.get(userId), { status: "sent", reason: null, codesSent: 1 }, userId)
          assert.isNotEmpty(receiver.posts.filter((post) => post.userId === userId && post.number === phone), userId)
        }

        const refused = new Set(calls.filter(({ status }) => status === 503).map(({ userId }) => userId))
        const repeats = new Map<string, Array<WebhookReceiver.Posted>>()
        for (const post of receiver.posts) {
          const row = rowOf.get(post.userId)
          assert.strictEqual(row?.messageId, post.id, "what was sent was committed, and a repeat carries the same key")
          assert.isFalse(refused.has(post.userId), "nothing is sent for a call that was refused")
          repeats.set(post.userId, [...repeats.get(post.userId) ?? [], post])
        }
        const repeated = [...repeats.values()].filter((posts) => posts.length > 1)
        for (const posts of repeated) {
          for (const [index, post] of posts.entries()) {
            const next = posts[index + 1]
            if (next === undefined) continue
            // The first of them was in the hands of a process that was killed before it could settle.
            assert.isTrue(killedAt.some((at) => post.at - 50 < at && at < next.at && at - post.at < 1500))
          }
        }
        yield* Console.log(
          `${kills} kills, ${calls.length} calls: ${accepted.length} accepted, ${cut.length} cut off; ` +
            `${receiver.posts.length} posts, ${repeated.length} messages repeated`
        )
      }).pipe(Effect.scoped),
    60_000 + kills * 10_000
  )
})
