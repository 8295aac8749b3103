/**
 * Protobuf's JSON mapping to the letter, on both sides that speak it: the JSON endpoints, and Connect with JSON. Bodies go
 * out and answers come in as text, so that nothing is made right on the way.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { writer } from "../cases/Case.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import * as TestServer from "../fixtures/TestServer.ts"

interface Side {
  readonly name: string
  /** Sends the members of a SetPhoneRequest, as they are. */
  readonly set: (url: string, userId: string, members: string, authorization: string) => Promise<Response>
  readonly get: (url: string, userId: string, authorization: string) => Promise<Response>
}

const post = (url: string, body: string, authorization: string) =>
  fetch(url, { method: "POST", body, headers: { authorization, "content-type": "application/json" } })

const sides: ReadonlyArray<Side> = [
  {
    name: "JSON",
    set: (url, userId, members, authorization) =>
      post(`${url}/v2/users/${userId}/phone`, `{${members}}`, authorization),
    get: (url, userId, authorization) => fetch(`${url}/v2/users/${userId}/phone`, { headers: { authorization } })
  },
  {
    name: "Connect",
    set: (url, userId, members, authorization) =>
      post(`${url}/zitadel.user.v2.UserService/SetPhone`, `{"userId":"${userId}",${members}}`, authorization),
    get: (url, userId, authorization) =>
      post(`${url}/effectuserphone.v1.PhoneService/GetPhone`, `{"user_id":"${userId}"}`, authorization)
  }
]

const phone = `"phone":"+41791112233"`

/** The members of a request, and whether a code is returned, sent, or not needed. */
const taken: ReadonlyArray<readonly [name: string, members: string, code: "returned" | "sent" | "none"]> = [
  ["lowerCamelCase", `${phone},"returnCode":{}`, "returned"],
  ["snake_case", `${phone},"return_code":{}`, "returned"],
  ["both spellings, of which one is null", `${phone},"return_code":null,"returnCode":{}`, "returned"],
  [
    "members of a choice that are null but one",
    `${phone},"sendCode":null,"returnCode":{},"isVerified":null`,
    "returned"
  ],
  ["null for the whole choice", `${phone},"sendCode":null`, "sent"],
  ["a choice that is not made", phone, "sent"],
  ["true", `${phone},"is_verified":true`, "none"],
  ["false, which is a choice all the same", `${phone},"isVerified":false`, "sent"],
  ["a URL template, without one", `${phone},"sendCode":{"urlTemplate":null}`, "sent"],
  ["members that nobody knows", `${phone},"returnCode":{"x":[1]},"nickname":{"a":1e400},"verification":5`, "returned"],
  ["a member twice, the last of which counts", `"phone":"+41791112299",${phone},"returnCode":{}`, "returned"],
  ["escapes", `"phone":"\\u002b41791112233","return\\u0043ode":{}`, "returned"],
  ["white space", `\n\t${phone} ,\r\n "returnCode" : { } `, "returned"]
]

const refused: ReadonlyArray<readonly [name: string, members: string, field: string, rule: string]> = [
  ["two of a choice", `${phone},"sendCode":{},"returnCode":{}`, "returnCode", "must not be set together"],
  [
    "two of a choice, one of them false",
    `${phone},"returnCode":{},"is_verified":false`,
    "isVerified",
    "must not be set together"
  ],
  ["one member in two spellings", `${phone},"return_code":{},"returnCode":{}`, "returnCode", "at once"],
  ["a number that is a number", `"phone":41791112233`, "phone", "must be a string"],
  ["a number that is null", `"phone":null`, "phone", "length"],
  ["a flag that is text", `${phone},"isVerified":"true"`, "isVerified", "true or false"],
  ["a flag that is a number", `${phone},"isVerified":1`, "isVerified", "true or false"],
  ["a message that is a list", `${phone},"returnCode":[]`, "returnCode", "must be an object"],
  ["a message that is true", `${phone},"returnCode":true`, "returnCode", "must be an object"],
  ["names in other cases", `"Phone":"+41791112233"`, "phone", "length"]
]

const server = TestServer.layer.pipe(Layer.provideMerge(FrozenClock.layer))

layer(server, { excludeTestServices: true, timeout: "60 seconds" })("Protobuf's JSON mapping", (it) => {
  const prepare = Effect.gen(function*() {
    const { url } = yield* TestServer.TestServer
    const userId = yield* newTarget("active")
    return { url, userId, header: (yield* authorization(writer, userId))! }
  })
  const textOf = (response: Promise<Response>) =>
    Effect.promise(async () => {
      const { headers, status, text } = await response.then(async (answer) => ({
        headers: answer.headers,
        status: answer.status,
        text: await answer.text()
      }))
      assert.strictEqual(headers.get("content-type"), "application/json")
      return { status, text, json: JSON.parse(text) }
    })

  for (const { get, name: side, set } of sides) {
    for (const [name, members, code] of taken) {
      it.effect(`${side} takes ${name}`, () =>
        Effect.gen(function*() {
          const { header, url, userId } = yield* prepare
          const { json, status, text } = yield* textOf(set(url, userId, members, header))
          assert.strictEqual(status, 200, text)
          assert.deepStrictEqual(Object.keys(json), code === "returned" ? ["details", "verificationCode"] : ["details"])
          const user = yield* UserStore.use((store) => store.load(UserId.make(userId)))
          assert.strictEqual(user!.phone!.verified, code === "none")
          const sql = yield* SqlClient.SqlClient
          const queued = yield* sql`SELECT 1 FROM user_phone.outbox WHERE user_id = ${userId}`
          assert.lengthOf(queued, code === "sent" ? 1 : 0)
        }))
    }

    for (const [name, members, field, rule] of refused) {
      it.effect(`${side} refuses ${name}`, () =>
        Effect.gen(function*() {
          const { header, url, userId } = yield* prepare
          const { json, status, text } = yield* textOf(set(url, userId, members, header))
          assert.strictEqual(status, 400, text)
          assert.include(json.message, rule)
          assert.include(json.message.toLowerCase(), `setphonerequest.${field.toLowerCase()}:`)
          const user = yield* UserStore.use((store) => store.load(UserId.make(userId)))
          assert.strictEqual(user!.sequence, 0n)
        }))
    }

    it.effect(`${side} answers in lowerCamelCase, with 64-bit numbers as text, and without what is empty`, () =>
      Effect.gen(function*() {
        const { header, url, userId } = yield* prepare
        const untouched = yield* textOf(get(url, userId, header))
        assert.strictEqual(untouched.text, `{"details":{"resourceOwner":"acme"},"phone":{}}`)

        const sql = yield* SqlClient.SqlClient
        // The first that a double cannot hold is 2^53 + 1.
        yield* sql`UPDATE user_phone.users SET sequence = 9007199254740991 WHERE user_id = ${userId}`
        const first = yield* textOf(set(url, userId, `${phone},"isVerified":true`, header))
        assert.include(first.text, `"sequence":"9007199254740993"`)
        const then = yield* textOf(get(url, userId, header))
        assert.deepStrictEqual(then.json.phone, { phone: "+41791112233", isVerified: true })
        assert.notProperty(then.json, "pendingCode")
        assert.notProperty(then.json, "verificationOff")
        const next = yield* textOf(set(url, userId, `"phone":"+41791112234","returnCode":{}`, header))
        assert.hasAllKeys(next.json.details, ["sequence", "changeDate", "resourceOwner"])
        const pending = yield* textOf(get(url, userId, header))
        assert.deepStrictEqual(pending.json.phone, { phone: "+41791112234" })
        assert.hasAllKeys(pending.json.pendingCode, ["expiresAt", "canResendAt"])
      }))

    it.effect(`${side} answers times with as many digits as are needed, in groups of three`, () =>
      Effect.gen(function*() {
        const { header, url, userId } = yield* prepare
        const { pass } = yield* FrozenClock.FrozenClock
        const now = Effect.clockWith((clock) => clock.currentTimeMillis)
        let number = 41791110000
        for (const [millis, ending] of [[0, /:\d\dZ$/], [120, /:\d\d\.120Z$/], [5, /:\d\d\.005Z$/]] as const) {
          yield* pass(1000 - ((yield* now) % 1000) + millis)
          const members = `"phone":"+${++number}","returnCode":{}`
          const { json: { details } } = yield* textOf(set(url, userId, members, header))
          assert.match(details.changeDate, ending)
          assert.strictEqual(Date.parse(details.changeDate), yield* now)
          const { json: { pendingCode } } = yield* textOf(get(url, userId, header))
          assert.match(pendingCode.expiresAt, ending)
        }
      }))
  }
})
