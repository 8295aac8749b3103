/**
 * The standalone server as it is deployed: tokens of an OpenID Connect issuer by its published keys, users from the
 * command line or from the tokens.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import { randomBytes } from "node:crypto"
import type * as Http from "node:http"
import { developmentIssuer } from "../../examples/server/Settings.ts"
import { deployed, Issuer, layerIssuer, type SignOptions } from "../fixtures/Deployment.ts"
import { DatabaseUrl, layerDatabase } from "../fixtures/Postgres.ts"
import * as Servers from "./Servers.ts"

const users = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  return yield* Servers.users({ NODE_ENV: "production", DATABASE_URL: Redacted.value(yield* DatabaseUrl) }, ...args)
})

class Server extends Context.Service<Server, Effect.Success<ReturnType<typeof deployed>>>()("test/Server") {}

const layerServer = Layer.effect(Server, deployed()).pipe(
  Layer.provideMerge(Layer.merge(layerDatabase, layerIssuer))
)

const invalid = {
  code: 16,
  message: "Token is invalid (AUTH-7fs1e)",
  details: [{ "@type": "type.googleapis.com/zitadel.v1.ErrorDetail", id: "AUTH-7fs1e", message: "Token is invalid" }]
}

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("A deployed server", (it) => {
  const setPhone = Effect.fnUntraced(function*(token: string) {
    return yield* Servers.setPhone(yield* Server, token, "stranger", "+41791234567", {})
  })

  const accepts = (what: string, options?: SignOptions) =>
    it.effect(`knows the bearer of ${what}`, () =>
      Effect.gen(function*() {
        const { sign } = yield* Issuer
        // Another user without a grant: authenticated, but not allowed.
        assert.strictEqual((yield* setPhone(yield* sign(options))).status, 403)
      }))

  accepts("a token signed with RS256")
  accepts("a token signed with ES256", { header: { alg: "ES256", kid: "ec" } })
  accepts("a token that names no key", { header: { kid: undefined as never } })

  const refuses = (what: string, token: Effect.Effect<string, never, Issuer>) =>
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function*() {
        const { body, headers, status } = yield* setPhone(yield* token)
        assert.strictEqual(status, 401)
        assert.deepStrictEqual(body, invalid)
        assert.strictEqual(headers["www-authenticate"], "Bearer")
      }))

  const signed = (options: SignOptions) => Effect.flatMap(Issuer, ({ sign }) => sign(options))
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

  refuses("a token of another issuer", signed({ claims: { iss: "https://other.example" } }))
  refuses("a token of development mode's issuer", signed({ claims: { iss: developmentIssuer } }))
  refuses(
    "a token that development mode would sign",
    signed({
      header: { alg: "HS256", kid: undefined as never },
      claims: { iss: developmentIssuer, aud: "effect-user-phone" },
      key: randomBytes(32)
    })
  )
  refuses("a token for another audience", signed({ claims: { aud: "others" } }))
  refuses("a token with an unknown key id", signed({ header: { kid: "unknown" } }))
  refuses("a token with another key's id", signed({ header: { kid: "ec" } }))
  refuses("an expired token", signed({ claims: { exp: 1 } }))
  refuses("a token that never expires", signed({ claims: { exp: undefined } }))
  refuses(
    "a token signed with HS256 and the public key as the secret",
    Effect.flatMap(
      Issuer,
      ({ publicKey, sign }) => sign({ header: { alg: "HS256" }, key: new TextEncoder().encode(publicKey) })
    )
  )
  refuses(
    "a token signed with nothing",
    Effect.map(signed({}), (token) => `${base64({ alg: "none", kid: "rsa" })}.${token.split(".")[1]}.`)
  )

  it.effect("logs in JSON, and first of all that its codes are printed", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const [warning, listening] = server.output().split("\n")
      assert.deepInclude(JSON.parse(warning!), {
        level: "WARN",
        message: "SMS_PROVIDER has console: numbers and codes are printed here, and no message is sent"
      })
      assert.strictEqual(listening, `listening on ${server.url}`)
    }))

  it.effect("answers for any host, and behind a proxy", () =>
    Effect.gen(function*() {
      const { url } = yield* Server
      const { status } = yield* Servers.call(`${url}/readyz`, {
        headers: { "host": "phones.example", "x-forwarded-for": "192.0.2.1" }
      })
      assert.strictEqual(status, 200)
    }))

  it.effect("is not ready where the database takes no changes, as one does that was demoted", () =>
    Effect.gen(function*() {
      const url = `${Redacted.value(yield* DatabaseUrl)}?options=-c%20default_transaction_read_only%3Don`
      const server = yield* deployed({ DATABASE_URL: url })
      const { body, status } = yield* Servers.call(`${server.url}/readyz`)
      assert.strictEqual(status, 503)
      assert.strictEqual(body.code, 14)
    }))

  it.effect("takes mobile numbers with their country code only, where no setting says otherwise", () =>
    Effect.gen(function*() {
      const server = yield* Server
      yield* Servers.onDatabase(Redacted.value(yield* DatabaseUrl), Servers.register(["fay"], "acme"))
      const token = yield* signed({ claims: { sub: "fay" } })
      const set = (number: string) => Servers.setPhone(server, token, "fay", number, {})
      for (const number of ["+41446681800", "079 123 45 67"]) {
        const { body, status } = yield* set(number)
        assert.deepStrictEqual([status, body.message], [400, "Phone is invalid (PHONE-so0wa)"])
      }
      for (const number of ["+41791234567", "+33612345678"]) assert.strictEqual((yield* set(number)).status, 200)
    }))

  it.effect("knows the users that the command line adds, as long as it does not remove them", () =>
    Effect.gen(function*() {
      const server = yield* Server
      const token = yield* signed({})
      const set = (index: number) => Servers.setPhone(server, token, "eve", Servers.number(index), {})
      assert.strictEqual((yield* set(1)).status, 404)

      const [added, machine] = yield* Effect.all([
        users("add", "eve", "--organization", "acme", "--initial"),
        users("add", "robot", "--organization", "acme", "--language", "fr", "--machine")
      ], { concurrency: 2 })
      assert.deepStrictEqual(added, { code: 0, output: "added eve\n" })
      assert.deepStrictEqual(machine, { code: 0, output: "added robot\n" })
      assert.include((yield* set(1)).body.message, "COMMAND-uz0Uu")

      const [updated, moved] = yield* Effect.all([
        users("update", "eve", "--state", "active", "--language", "de-CH"),
        users("update", "robot", "--organization", "other")
      ], { concurrency: 2 })
      assert.deepStrictEqual(updated, { code: 0, output: "updated eve\n" })
      assert.deepStrictEqual(moved, { code: 0, output: "updated robot\n" })
      assert.strictEqual((yield* set(1)).status, 200)

      const [listed, again, none, incomplete, spoken] = yield* Effect.all([
        users("list"),
        users("add", "eve", "--organization", "acme"),
        users("update", "nobody", "--state", "active"),
        users("add", "frank"),
        users("update", "eve", "--language", "german")
      ], { concurrency: 2 })
      assert.strictEqual(listed.code, 0)
      assert.sameOrderedMembers(listed.output.split("\n").filter((line) => !line.startsWith("fay\t")), [
        "eve\tacme\thuman\tactive\tde-CH\tphone not verified",
        "robot\tother\tmachine\tactive\tfr\tno phone",
        ""
      ])
      assert.deepStrictEqual(again, {
        code: 1,
        output: "effect-user-phone: a user with this id exists already, or existed and was removed\n"
      })
      assert.deepStrictEqual(none, { code: 1, output: "effect-user-phone: there is no user nobody\n" })
      assert.strictEqual(incomplete.code, 1)
      assert.include(incomplete.output, "Missing required flag: --organization")
      assert.notInclude(incomplete.output, "effect-user-phone:")
      assert.strictEqual(spoken.code, 1)
      assert.include(spoken.output, "must be a language tag, such as de-CH")

      const removed = yield* users("remove", "eve")
      assert.deepStrictEqual(removed, {
        code: 0,
        output: "removed eve, and its phone with it; the id is not used again\n"
      })
      assert.strictEqual((yield* set(2)).status, 404)
    }))

  it.effect("lists the users to the last one, however many there are", () =>
    Effect.gen(function*() {
      const userIds = Array.from({ length: 501 }, (_, index) => `user-${index}`)
      yield* Servers.onDatabase(Redacted.value(yield* DatabaseUrl), Servers.register(userIds, "many"))
      const { output } = yield* users("list")
      const listed = output.split("\n").filter((line) => line.includes("\tmany\t")).map((line) => line.split("\t")[0])
      assert.deepStrictEqual(listed, userIds.toSorted())
    }))

  it.effect("finds no users where it is not told in which database", () =>
    Effect.gen(function*() {
      const directory = yield* Servers.temporaryDirectory
      const environments = [{ NODE_ENV: "production" }, { FINGERPRINT_KEY: "" }]
      const answers = yield* Effect.forEach(
        environments,
        (environment) => Servers.users({ DATA_DIRECTORY: directory, ...environment }, "list"),
        { concurrency: 2 }
      )
      const output = "effect-user-phone: these settings need attention:\n  DATABASE_URL is missing\n"
      assert.deepStrictEqual(answers, [{ code: 1, output }, { code: 1, output }])
    }))

  it.effect("registers users at their first token where it is told to, once it has the issuer's keys", () =>
    Effect.gen(function*() {
      const { answer, keys } = yield* Issuer
      const server = yield* deployed({ USERS: "from-token", LOG_LEVEL: "Error" })
      assert.strictEqual(server.output(), `listening on ${server.url}\n`)
      const token = yield* signed({ claims: { sub: "zoe" } })
      let index = 0
      const set = Effect.suspend(() => Servers.setPhone(server, token, "zoe", Servers.number(index++), {}))

      const outages: ReadonlyArray<Http.RequestListener> = [
        ({ socket }) => socket.destroy(),
        (_, response) => response.writeHead(500).end(),
        (_, response) => response.end("<html>"),
        (_, response) => response.end("{}")
      ]
      for (const outage of outages) {
        answer(outage)
        const { body, headers, status } = yield* set
        assert.strictEqual(status, 503)
        assert.strictEqual(body.code, 14)
        assert.strictEqual(headers["retry-after"], "1")
      }

      answer(keys)
      const first = yield* set
      assert.strictEqual(first.status, 200)
      assert.deepInclude(first.body.details, { sequence: "2", resourceOwner: "acme" })
      assert.strictEqual((yield* set).status, 200)

      assert.strictEqual((yield* users("remove", "zoe")).code, 0)
      assert.strictEqual((yield* set).status, 404)
      assert.strictEqual((yield* set).status, 404)
    }).pipe(Effect.ensuring(Effect.flatMap(Issuer, ({ answer, keys }) => Effect.sync(() => answer(keys))))))

  // The last one on this server, whose output is gone then.
  it.effect("goes on when nobody takes what it prints", () =>
    Effect.gen(function*() {
      const server = yield* Server
      yield* Servers.onDatabase(Redacted.value(yield* DatabaseUrl), Servers.register(["mia"], "acme"))
      const token = yield* signed({ claims: { sub: "mia" } })
      for (const stream of [server.child.stdout!, server.child.stderr!]) stream.destroy()
      for (const index of [1, 2]) {
        assert.strictEqual((yield* Servers.setPhone(server, token, "mia", Servers.number(index), {})).status, 200)
        yield* Servers.call(`${server.url}/v2/users/mia/phone`, { token }).pipe(
          Effect.repeat({
            until: ({ body }) => body.pendingCode.delivery.state === "sent",
            schedule: Schedule.spaced("20 millis")
          }),
          Effect.timeout("20 seconds")
        )
      }
      assert.isNull(server.child.exitCode)
    }))
})
