/** The cases and stories of `test/cases` on the services of the core, in memory: what every transport shows of them. */
import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Redacted, Result } from "effect"
import * as Memory from "../../src/adapters/Memory.ts"
import { Actor, Limits, Operations, SetPhone, UserId, Users, UserStore } from "../../src/core/index.ts"
import * as Status from "../../src/http/Status.ts"
import {
  type Caller,
  detailsOf,
  type Failure,
  organization,
  type SetPhoneCase,
  type Target,
  type ValidCaller
} from "../cases/Case.ts"
import { everyOptionByEveryCaller, furtherCallers, numbers, userIds } from "../cases/SetPhone.ts"
import { stories } from "../cases/Stories.ts"
import { type Hero, minutes, type Story } from "../cases/Story.ts"
import { actorOf, call, take, verificationOf } from "../fixtures/CoreTeller.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"

/** Whether a case is about a token or the shape of a message, which is a transport's to see. */
const isOfTransport = (caller: Caller, failure: Failure | undefined): boolean =>
  caller.token !== "valid" ||
  (failure?.violations ?? []).some(({ description }) =>
    description.startsWith("must not be set together") || description === "must be an object"
  )

const failureOf = (outcome: { readonly failure: Failure } | object) =>
  "failure" in outcome ? outcome.failure : undefined

const newTarget = Effect.fnUntraced(function*(target: Target, id = UserId.UserId.make(crypto.randomUUID())) {
  if (target === "unknown") return id
  const users = yield* Users.Users
  yield* users.register({
    userId: id,
    resourceOwner: UserId.OrganizationId.make(organization),
    kind: target === "machine" ? "machine" : "human",
    state: target === "initial" ? "initial" : "active"
  })
  if (target === "removed") yield* users.remove(id)
  return id
})

const assertFailure = Effect.fnUntraced(function*(error: Status.CallerError, failure: Failure) {
  const { code, details, message } = Status.of(error, yield* DateTime.now)
  assert.deepStrictEqual({ code, message, details }, {
    code: failure.code,
    message: failure.message,
    details: detailsOf(failure)
  })
})

const loaded = (userId: string) =>
  UserStore.UserStore.use((store) =>
    Effect.all({
      user: store.load(userId as UserId.UserId),
      log: store.history(userId as UserId.UserId)
    })
  )

const layerOperations = Operations.layer.pipe(
  Layer.provide(Layer.succeed(Limits.Limits, Limits.off)),
  Layer.provideMerge(Memory.layerPorts),
  Layer.provideMerge(FrozenClock.layer)
)

layer(layerOperations, { excludeTestServices: true })("Stories in memory", (it) => {
  const tell = (story: Story) =>
    it.effect(story.name, () =>
      Effect.gen(function*() {
        const userId = yield* newTarget(story.target)
        const hero: Hero = { userId, codes: [] }
        for (const step of story.given) yield* take(hero, step)
        const before = yield* loaded(userId)
        const actor = actorOf(story.caller as ValidCaller, userId)
        const result = yield* Effect.result(call(hero, story.call).pipe(Effect.provideService(Actor.Actor, actor)))
        const after = yield* loaded(userId)

        const events = after.log.slice(before.log.length).map(({ change }) => change.type)
        const expected = (story.outcome.events ?? []).map((type) => `user.human.phone.${type}`)
        assert.deepStrictEqual<ReadonlyArray<string>>(events, expected)
        if ("failure" in story.outcome) {
          assert.isTrue(Result.isFailure(result))
          return yield* assertFailure(Result.getOrThrow(Result.flip(result)), story.outcome.failure)
        }
        const { details } = Result.getOrThrow(result)
        assert.deepStrictEqual([details.sequence, details.changeDate, details.resourceOwner], [
          after.user!.sequence,
          after.user!.changeDate,
          organization
        ])
        const { number, pending = false, verified } = story.outcome
        assert.strictEqual(after.user!.phone && Redacted.value<string>(after.user!.phone.number), number)
        assert.strictEqual(after.user!.phone?.verified, number === undefined ? undefined : verified)
        assert.strictEqual(after.user!.pending !== undefined, pending)
        const { verificationCode } = { verificationCode: undefined, ...Result.getOrThrow(result) }
        assert.strictEqual(verificationCode !== undefined, story.outcome.code === "returned")
      }))

  stories(10 * minutes).filter(({ caller, outcome }) => !isOfTransport(caller, failureOf(outcome))).forEach(tell)
})

layer(layerOperations, { excludeTestServices: true })("SetPhone in memory", (it) => {
  const run = (testCase: SetPhoneCase) =>
    it.effect(testCase.name, () =>
      Effect.gen(function*() {
        const { before, caller, outcome, request, target, userId } = testCase
        const id = yield* newTarget(target, Option.getOrUndefined(UserId.UserId.makeOption(userId ?? "")))
        if (before !== undefined) {
          yield* take({ userId: id, codes: [] }, { step: "set", number: before, option: { isVerified: true } })
        }
        const { setPhone } = yield* SetPhone.SetPhone
        const result = yield* setPhone({
          userId: userId ?? id,
          phone: Redacted.make(String(request.phone ?? "")),
          verification: request.isVerified === true ? { _tag: "AlreadyVerified" } : verificationOf(request)
        }).pipe(
          Effect.provideService(Actor.Actor, actorOf(caller as ValidCaller, id)),
          Effect.result
        )
        if ("failure" in outcome) {
          assert.isTrue(Result.isFailure(result))
          return yield* assertFailure(Result.getOrThrow(Result.flip(result)), outcome.failure)
        }
        const { replayed, verificationCode } = Result.getOrThrow(result)
        const { phone } = (yield* loaded(id)).user!
        assert.deepStrictEqual([Redacted.value<string>(phone!.number), phone!.verified, replayed], [
          outcome.number,
          outcome.verified,
          false
        ])
        assert.strictEqual(verificationCode !== undefined, outcome.code === "returned")
      }))

  const cases = [...everyOptionByEveryCaller, ...furtherCallers, ...numbers, ...userIds]
  cases.filter(({ caller, outcome }) => !isOfTransport(caller, failureOf(outcome))).forEach(run)
})
