/** SetPhone over everything that it can be called by: the cases of `test/cases`. */
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { organization, type SetPhoneCase, writer } from "../cases/Case.ts"
import { everyOptionByEveryCaller, furtherCallers, numbers, userIds } from "../cases/SetPhone.ts"
import { authorization, newTarget, request } from "../fixtures/Calls.ts"
import { json1, json2 } from "../fixtures/JsonTransport.ts"
import { rpcTransports } from "../fixtures/RpcTransport.ts"
import * as TestServer from "../fixtures/TestServer.ts"
import { assertFailure, type Transport } from "../fixtures/Transport.ts"

/** A user as the case wants it before the call; one with another id where no user can have the case's. */
const prepare = Effect.fnUntraced(function*({ before, target, userId }: SetPhoneCase) {
  const asked = Option.getOrUndefined(UserId.makeOption(userId ?? ""))
  const known = asked && (yield* UserStore.use((store) => store.load(asked)))
  const id = known?.userId ?? (yield* newTarget(target, asked))
  const header = yield* authorization(writer, id)
  const prepared = { userId: id, authorization: header }
  // Another transport had this user.
  if (known !== undefined) yield* request({ ...prepared, method: "DELETE" })
  if (before !== undefined) {
    const { status } = yield* request({ ...prepared, method: "POST", body: { phone: before, isVerified: true } })
    assert.strictEqual(status, 200)
  }
  return id
})

const queuedFor = Effect.fnUntraced(function*(userId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`SELECT message_id FROM user_phone.outbox WHERE user_id = ${userId} AND kind = 'code'`
  return rows.length
})

layer(TestServer.layer, { excludeTestServices: true, timeout: "60 seconds" })("SetPhone", (it) => {
  const run = ({ call, name }: Transport, version: string) => (testCase: SetPhoneCase) =>
    it.effect(`${name}, ${version}: ${testCase.name}`, () =>
      Effect.gen(function*() {
        const { url } = yield* TestServer.TestServer
        const store = yield* UserStore
        const id = yield* prepare(testCase)
        const before = yield* store.load(id)
        const queued = yield* queuedFor(id)
        const header = yield* authorization(testCase.caller, id)
        const response = yield* Effect.promise(() =>
          call(url, {
            version,
            operation: "SetPhone",
            userId: testCase.userId ?? id,
            fields: testCase.request,
            headers: header === undefined ? {} : { authorization: header }
          })
        )
        const after = yield* store.load(id)

        if ("failure" in testCase.outcome) {
          assertFailure(response, testCase.outcome.failure)
          assert.deepStrictEqual(after, before)
          assert.strictEqual(yield* queuedFor(id), queued)
          return
        }

        const { code, number, verified } = testCase.outcome
        assert.deepStrictEqual([response.code, response.message], [0, ""])
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

  for (const transport of [json1, json2, ...rpcTransports]) {
    const all = [...everyOptionByEveryCaller, ...furtherCallers, ...numbers, ...userIds]
    all.forEach(run(transport, "v2"))
    everyOptionByEveryCaller.forEach(run(transport, "v2beta"))
  }
})
