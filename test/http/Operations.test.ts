/**
 * The calls that follow a SetPhone over everything that they can be called by: the stories of `test/cases`, with the codes of
 * both presets.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { UserPhone } from "../../src/core/UserPhone.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { organization } from "../cases/Case.ts"
import { stories } from "../cases/Stories.ts"
import { type GetPhoneAnswer, type Hero, minutes, type Outcome, type Story } from "../cases/Story.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import { json1, json2 } from "../fixtures/JsonTransport.ts"
import { rpcTransports } from "../fixtures/RpcTransport.ts"
import { take } from "../fixtures/StoryTeller.ts"
import * as TestServer from "../fixtures/TestServer.ts"
import { type Answer, assertFailure, operationOf, type Transport } from "../fixtures/Transport.ts"

const patterns = { digits6: /^\d{6}$/, zitadel: /^[A-Z0-9]{6}$/ }

const queuedFor = Effect.fnUntraced(function*(userId: string) {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`SELECT 1 FROM user_phone.outbox WHERE user_id = ${userId} AND kind = 'code'`).length
})

const time = (millis: number) => new Date(millis).toISOString().replace(".000Z", "Z")

const now = Effect.map(Effect.clockWith((clock) => clock.currentTimeMillis), (millis) => millis)

/** What GetPhone answers about a user, in JSON. */
const getPhoneJson = (answer: GetPhoneAnswer, user: UserPhone, at: number) => {
  const { isVerified, pendingCode, phone, verificationOff } = answer
  const { canResendIn = 0, delivery, expiresIn = 0, guessesLeft } = pendingCode ?? {}
  return {
    details: user.sequence === 0n ? { resourceOwner: organization } : {
      sequence: String(user.sequence),
      changeDate: time(user.changeDate!.epochMilliseconds),
      resourceOwner: organization
    },
    phone: { ...(phone === undefined ? {} : { phone }), ...(isVerified === undefined ? {} : { isVerified }) },
    ...(pendingCode === undefined ? {} : {
      pendingCode: {
        expiresAt: time(at + expiresIn),
        canResendAt: time(at + canResendIn),
        ...(guessesLeft === undefined ? {} : { guessesLeft }),
        ...(delivery === undefined ? {} : { delivery })
      }
    }),
    ...(verificationOff === undefined ? {} : { verificationOff })
  }
}

const assertSuccess = (
  { body, code: status, message }: Answer,
  { answer, code }: Exclude<Outcome, { readonly failure: unknown }>,
  after: UserPhone,
  at: number,
  pattern: RegExp
) => {
  assert.deepStrictEqual([status, message], [0, ""])
  if (answer !== undefined) return assert.deepStrictEqual(body, getPhoneJson(answer, after, at))
  const { details, verificationCode, ...rest } = body
  assert.deepStrictEqual(rest, {})
  assert.deepStrictEqual(details, {
    sequence: String(after.sequence),
    changeDate: time(after.changeDate!.epochMilliseconds),
    resourceOwner: organization
  })
  if (code === "returned") assert.match(verificationCode, pattern)
  else assert.isUndefined(verificationCode)
}

for (const preset of ["digits6", "zitadel"] as const) {
  const lifetime = preset === "digits6" ? 10 * minutes : 60 * minutes
  const layerServer = TestServer.layerWith({ preset }).pipe(Layer.provideMerge(FrozenClock.layer))

  layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })(`Stories with ${preset} codes`, (it) => {
    const run = ({ call, name }: Transport, version: string) => (story: Story) =>
      it.effect(`${name}, ${version}: ${story.name}`, () =>
        Effect.gen(function*() {
          const { url } = yield* TestServer.TestServer
          const store = yield* UserStore
          const userId = yield* newTarget(story.target)
          const hero: Hero = { userId, codes: [] }
          for (const step of story.given) yield* take(hero, step)
          const before = yield* store.load(userId)
          const log = yield* store.history(userId)
          const queued = yield* queuedFor(userId)

          const header = yield* authorization(story.caller, userId)
          const answer = yield* Effect.promise(() =>
            call(url, {
              version,
              userId,
              ...operationOf(story.call, hero.codes),
              headers: header === undefined ? {} : { authorization: header }
            })
          )
          const after = yield* store.load(userId)
          const appended = (yield* store.history(userId)).slice(log.length)
          const events = appended.map(({ change }) => change.type.replace("user.human.phone.", ""))

          assert.deepStrictEqual(events, [...story.outcome.events ?? []])
          if ("failure" in story.outcome) {
            assertFailure(answer, story.outcome.failure)
            assert.strictEqual(yield* queuedFor(userId), queued)
            if (events.length === 0) assert.deepStrictEqual(after, before)
            return
          }
          assertSuccess(answer, story.outcome, after!, yield* now, patterns[preset])
          const { code, number, pending = false, verified } = story.outcome
          assert.strictEqual(yield* queuedFor(userId), queued + (code === "sent" ? 1 : 0))
          assert.strictEqual(after!.phone && Redacted.value<string>(after!.phone.number), number)
          assert.strictEqual(after!.phone?.verified, number === undefined ? undefined : verified)
          assert.strictEqual(after!.pending !== undefined, pending)
        }))

    for (const transport of [json1, json2, ...rpcTransports]) {
      const all = stories(lifetime).filter(({ encoding = transport.encoding }) => encoding === transport.encoding)
      all.forEach(run(transport, "v2"))
      if (preset === "zitadel") continue
      all
        .filter(({ call }) => call.operation !== "GetPhone" && call.operation !== "UnlockPhoneVerification")
        .forEach(run(transport, "v2beta"))
    }
  })
}
