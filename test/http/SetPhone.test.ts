/** SetPhone over real HTTP: the cases of `test/cases`, by JSON and HTTP/1.1. */
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { organization, type SetPhoneCase, writer } from "../cases/Case.ts"
import { everyOptionByEveryCaller, furtherCallers, numbers, userIds } from "../cases/SetPhone.ts"
import { assertFailure, authorization, newTarget, request } from "../fixtures/Calls.ts"
import * as TestServer from "../fixtures/TestServer.ts"

/** A user as the case wants it before the call; one with another id where no user can have the case's. */
const prepare = Effect.fnUntraced(function*({ before, target, userId }: SetPhoneCase) {
  const id = yield* newTarget(target, Option.getOrUndefined(UserId.makeOption(userId ?? "")))
  if (before !== undefined) {
    const header = yield* authorization(writer, id)
    const body = { phone: before, isVerified: true }
    const { status } = yield* request({ method: "POST", userId: id, authorization: header, body })
    assert.strictEqual(status, 200)
  }
  return id
})

const queuedFor = Effect.fnUntraced(function*(userId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`SELECT message_id FROM user_phone.outbox WHERE user_id = ${userId} AND kind = 'code'`
  return rows.length
})

layer(TestServer.layer, { excludeTestServices: true, timeout: "60 seconds" })("SetPhone over HTTP", (it) => {
  const run = (version: string) => (testCase: SetPhoneCase) =>
    it.effect(`${version}: ${testCase.name}`, () =>
      Effect.gen(function*() {
        const store = yield* UserStore
        const id = yield* prepare(testCase)
        const before = yield* store.load(id)
        const queued = yield* queuedFor(id)
        const header = yield* authorization(testCase.caller, id)
        const response = yield* request({
          method: "POST",
          version,
          userId: testCase.userId ?? id,
          authorization: header,
          body: testCase.request
        })
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
