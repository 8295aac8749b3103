/**
 * What settings do that are right: one deployed server with all of those that the other tests leave as they are by default.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Servers from "../examples/Servers.ts"
import * as Deployment from "../fixtures/Deployment.ts"
import { layerStores } from "../fixtures/Postgres.ts"
import * as StandIn from "../fixtures/StandIn.ts"
import * as WebhookReceiver from "../fixtures/WebhookReceiver.ts"

class Deployed extends Context.Service<Deployed, {
  readonly server: Effect.Success<ReturnType<typeof Deployment.deployed>>
  readonly posts: ReadonlyArray<WebhookReceiver.Posted>
}>()("test/Deployed") {}

const layerDeployed = Layer.effect(
  Deployed,
  Effect.gen(function*() {
    const { posts, url } = yield* WebhookReceiver.make()
    const server = yield* Deployment.deployed({
      ...WebhookReceiver.settings(url),
      USERS: "from-token",
      PHONE_ACCEPT: "valid",
      PHONE_COUNTRIES: "CH, DE",
      PHONE_DEFAULT_REGION: "CH",
      CODE_PRESET: "zitadel",
      RESEND_GRACE: "0s",
      PHONE_NOTICES: "off",
      SMS_LEASE: "5m",
      TEST_NUMBERS: "+41791110000=ABC123 until 2099-01-31, +41791110001=ABC123 until 2026-01-31",
      TEST_NUMBERS_IN_PRODUCTION: "1"
    })
    return { server, posts }
  })
).pipe(Layer.provideMerge(Layer.merge(Deployment.layerIssuer, layerStores)))

/** A user who calls for itself, with the messages that it gets. */
const newUser = Effect.gen(function*() {
  const { posts, server } = yield* Deployed
  const { sign } = yield* Deployment.Issuer
  const userId = crypto.randomUUID()
  const token = yield* sign({ claims: { sub: userId } })
  const phone = `${server.url}/v2/users/${userId}/phone`
  const statusOf = Effect.map(({ status }: Servers.Answer) => status)
  const texts = () => posts.filter((post) => post.userId === userId)
  return {
    set: (number: string) => statusOf(Servers.setPhone(server, token, userId, number, {})),
    resend: statusOf(Servers.call(`${phone}/resend`, { method: "POST", token, body: {} })),
    verify: (verificationCode: string) =>
      statusOf(Servers.call(`${phone}/verify`, { method: "POST", token, body: { verificationCode } })),
    /** The message with that place among the user's, once it is there. */
    message: (place: number) =>
      Effect.map(StandIn.until(() => texts().length > place), () => {
        const { number, text } = texts()[place]!
        return { number, text, code: text.slice(0, 6) }
      })
  }
})

layer(layerDeployed, { excludeTestServices: true, timeout: "60 seconds" })(
  "a server with settings of its own",
  (it) => {
    it.effect("says at its start which doors stand open, but for those that have closed by themselves", () =>
      Effect.gen(function*() {
        const { server } = yield* Deployed
        const [warning, ...others] = server.output().trimEnd().split("\n")
        assert.deepInclude(JSON.parse(warning!), {
          level: "WARN",
          message: "TEST_NUMBERS: 1 numbers have a code that is always the same"
        })
        assert.deepStrictEqual(others, [`listening on ${server.url}`])
      }))

    it.effect("reads numbers as those of its region, takes any line that is valid, and no other country's", () =>
      Effect.gen(function*() {
        const user = yield* newUser
        assert.strictEqual(yield* user.set("044 668 18 00"), 200)
        assert.strictEqual((yield* user.message(0)).number, "+41446681800")
        assert.strictEqual(yield* user.set("+4915123456789"), 200)
        assert.strictEqual(yield* user.set("+33612345678"), 400)
      }))

    it.effect("makes codes of its preset, and takes none that was replaced", () =>
      Effect.gen(function*() {
        const user = yield* newUser
        assert.strictEqual(yield* user.set("+41791234567"), 200)
        const first = yield* user.message(0)
        assert.match(first.text, /^[A-Z0-9]{6} .*\b(60|59) minutes\b/)
        assert.strictEqual(yield* user.resend, 200)
        const second = yield* user.message(1)
        assert.strictEqual(yield* user.verify(first.code), 400)
        assert.strictEqual(yield* user.verify(second.code), 200)
      }))

    it.effect("gives a test number its code, and tells nobody whose number is replaced", () =>
      Effect.gen(function*() {
        const user = yield* newUser
        for (const number of ["+41791110000", "+41791234568"]) {
          assert.strictEqual(yield* user.set(number), 200)
          const code = number === "+41791110000" ? "ABC123" : (yield* user.message(0)).code
          assert.strictEqual(yield* user.verify(code), 200)
        }
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SELECT kind FROM user_phone.outbox WHERE kind = 'notice'`, [])
      }))

    it.effect("leaves a message to one worker for as long as it is told to", () =>
      Effect.gen(function*() {
        const user = yield* newUser
        assert.strictEqual(yield* user.set("+41791234569"), 200)
        yield* user.message(0)
        const sql = yield* SqlClient.SqlClient
        const [row] = yield* sql<{ readonly seconds: number }>`
        SELECT extract(epoch FROM max(leased_until - created_at))::float AS seconds FROM user_phone.outbox`
        assert.closeTo(row!.seconds, 300, 60)
      }))

    it.effect("is not ready where the tables are gone", () =>
      Effect.gen(function*() {
        const { server } = yield* Deployed
        const sql = yield* SqlClient.SqlClient
        const ready = Effect.map(Servers.call(`${server.url}/readyz`), ({ status }) => status)
        assert.strictEqual(yield* ready, 200)
        yield* sql`ALTER TABLE user_phone.users RENAME TO elsewhere`
        assert.strictEqual(yield* ready, 503)
        yield* sql`ALTER TABLE user_phone.elsewhere RENAME TO users`
        assert.strictEqual(yield* ready, 200)
      }))
  }
)
