/** SetPhone over real HTTP: the cases of `test/cases`, by JSON and HTTP/1.1. */
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { OrganizationId, UserId } from "../../src/core/UserId.ts"
import { Users } from "../../src/core/Users.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import type { Caller, Failure, SetPhoneCase } from "../cases/Case.ts"
import { everyOptionByEveryCaller, furtherCallers, numbers, userIds } from "../cases/SetPhone.ts"
import * as TestServer from "../fixtures/TestServer.ts"

/** What HTTP makes of a gRPC code. */
const httpStatus: Readonly<Record<number, number>> = { 3: 400, 5: 404, 7: 403, 9: 400, 16: 401 }

const organization = "acme"

const authorization = Effect.fnUntraced(function*(caller: Caller, targetId: string) {
  const { token } = yield* TestServer.TestServer
  switch (caller.token) {
    case "none":
      return undefined
    case "malformed":
      return "Basic YTpi"
    case "bad":
      return `Bearer ${yield* token({ userId: targetId, organization }).pipe(Effect.map((text) => text.slice(0, -6)))}`
    case "expired":
      return `Bearer ${yield* token({ userId: targetId, organization }, { expired: true })}`
    case "valid": {
      const grants = caller.writes === undefined
        ? undefined
        : { [caller.writes === "another organisation" ? "elsewhere" : organization]: ["user.write"] }
      return `Bearer ${yield* token({
        userId: caller.is === "target" ? targetId : "someone",
        organization,
        ...(grants === undefined ? {} : { grants })
      })}`
    }
  }
})

const call = Effect.fnUntraced(function*(
  version: string,
  userId: string,
  header: string | undefined,
  body: unknown
) {
  const { url } = yield* TestServer.TestServer
  const response = yield* Effect.promise(() =>
    fetch(`${url}/${version}/users/${encodeURIComponent(userId)}/phone`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(header === undefined ? {} : { authorization: header }) },
      body: JSON.stringify(body)
    })
  )
  const text = yield* Effect.promise(() => response.text())
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as any }
})

/** A user as the case wants it before the call; one with another id where no user can have the case's. */
const prepare = Effect.fnUntraced(function*({ before, target, userId }: SetPhoneCase) {
  const users = yield* Users
  const id = Option.getOrElse(UserId.makeOption(userId ?? ""), () => UserId.make(crypto.randomUUID()))
  if (target === "unknown") return id
  yield* users.register({
    userId: id,
    resourceOwner: OrganizationId.make(organization),
    kind: target === "machine" ? "machine" : "human",
    state: target === "initial" ? "initial" : "active"
  }).pipe(Effect.catchTag("UserAlreadyExists", Effect.die))
  if (target === "removed") yield* users.remove(id)
  if (before !== undefined) {
    const header = yield* authorization({ token: "valid", is: "other", writes: "target's organisation" }, id)
    const { status } = yield* call("v2", id, header, { phone: before, isVerified: true })
    assert.strictEqual(status, 200)
  }
  return id
})

const queuedFor = Effect.fnUntraced(function*(userId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`SELECT message_id FROM user_phone.outbox WHERE user_id = ${userId}`
  return rows.length
})

const assertFailure = (
  { body, headers, status }: { readonly status: number; readonly headers: Headers; readonly body: any },
  { code, id, message, violations }: Failure
) => {
  const details = [
    ...(id === undefined
      ? []
      : [{
        "@type": "type.googleapis.com/zitadel.v1.ErrorDetail",
        id,
        message: message.slice(0, -` (${id})`.length)
      }]),
    ...(violations === undefined
      ? []
      : [{ "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: violations }])
  ]
  assert.deepStrictEqual(body, { code, message, ...(details.length === 0 ? {} : { details }) })
  assert.strictEqual(status, httpStatus[code])
  assert.strictEqual(headers.get("content-type"), "application/json")
  assert.strictEqual(headers.get("www-authenticate"), code === 16 ? "Bearer" : null)
}

layer(TestServer.layer, { excludeTestServices: true, timeout: "60 seconds" })("SetPhone over HTTP", (it) => {
  const run = (version: string) => (testCase: SetPhoneCase) =>
    it.effect(`${version}: ${testCase.name}`, () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const id = yield* prepare(testCase)
        const before = yield* store.load(id)
        const queued = yield* queuedFor(id)
        const header = yield* authorization(testCase.caller, id)
        const response = yield* call(version, testCase.userId ?? id, header, testCase.request)
        const after = yield* store.load(id)

        if ("failure" in testCase.outcome) {
          assertFailure(response, testCase.outcome.failure)
          assert.deepStrictEqual(after, before)
          assert.strictEqual(yield* queuedFor(id), queued)
          return
        }

        const { code, number, verified } = testCase.outcome
        assert.strictEqual(response.status, 200)
        const { details, verificationCode, ...rest } = response.body
        assert.deepStrictEqual(rest, {})
        assert.deepStrictEqual(details, {
          sequence: String(before!.sequence + 2n),
          changeDate: new Date(after!.changeDate!.epochMilliseconds).toISOString().replace(".000Z", "Z"),
          resourceOwner: organization
        })
        if (code === "returned") assert.match(verificationCode, /^\d{6}$/)
        else assert.isUndefined(verificationCode)
        assert.strictEqual(yield* queuedFor(id), queued + (code === "sent" ? 1 : 0))
        assert.strictEqual(Redacted.value(after!.phone!.number), number)
        assert.strictEqual(after!.phone!.verified, verified)
        assert.strictEqual(after!.pending === undefined, code === "nowhere")
        assert.strictEqual(after!.sequence, before!.sequence + 2n)
      }))

  for (const testCase of [...everyOptionByEveryCaller, ...furtherCallers, ...numbers, ...userIds]) run("v2")(testCase)
  for (const testCase of everyOptionByEveryCaller) run("v2beta")(testCase)
})
