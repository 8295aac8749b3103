/** Numbers with a fixed code: what is the same for them as for any other. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import { SmsInbox } from "../../src/adapters/MemorySmsNotifier.ts"
import * as TestSmsNotifier from "../../src/adapters/TestSmsNotifier.ts"
import {
  Actor,
  GetPhone,
  Limits,
  Operations,
  PhoneNumber,
  ResendPhoneCode,
  SetPhone,
  SmsDelivery,
  SmsNotifier,
  TestNumbers,
  UserId,
  Users,
  UserStore,
  VerificationProvider,
  VerifyPhone
} from "../../src/core/index.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

const [made, lost, silent, slow] = ["+15555550100", "+41791234567", "+41791234568", "+41791234569"] as const
const until = DateTime.makeUnsafe("1970-01-03T00:00:00Z")
const numbers: ReadonlyArray<TestNumbers.TestNumber> = ([
  [made, "424242", "delivered"],
  [lost, "111111", "undeliverable"],
  [silent, "222222", "opted-out"],
  [slow, "333333", "slow"]
] as const).map(([number, code, outcome]) => ({
  number: Redacted.make(PhoneNumber.E164.make(number)),
  code: Redacted.make(code),
  until,
  outcome
}))

/** Operations and a worker in memory, with an inbox behind the test numbers. */
const layers = (more: Layer.Layer<never> = Layer.empty) =>
  Operations.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(
      more,
      Layer.succeed(TestNumbers.TestNumbers, numbers),
      Layer.succeed(PhoneNumber.PhonePolicy, { accept: "mobile", regions: ["CH"] })
    )),
    Layer.provideMerge(Memory.layerPorts)
  )

const asAdmin = Effect.provideService(Actor.Actor, admin)
const newUser = Effect.gen(function*() {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  return userId
})
const set = (userId: string, phone: string, way: "SendCode" | "ReturnCode" = "SendCode") =>
  asAdmin(
    SetPhone.SetPhone.use(({ setPhone }) =>
      setPhone({ userId, phone: Redacted.make(phone), verification: { _tag: way } })
    )
  )
const resend = (userId: string) =>
  asAdmin(ResendPhoneCode.ResendPhoneCode.use(({ resendPhoneCode }) => resendPhoneCode({ userId })))
const verify = (userId: string, code: string) =>
  asAdmin(
    VerifyPhone.VerifyPhone.use(({ verifyPhone }) => verifyPhone({ userId, verificationCode: Redacted.make(code) }))
  )
const get = (userId: string) => asAdmin(GetPhone.GetPhone.use(({ getPhone }) => getPhone({ userId })))
const deliver = Effect.gen(function*() {
  const notifier = yield* SmsNotifier.SmsNotifier
  const { deliverDue } = yield* SmsDelivery.make().pipe(
    Effect.provideService(SmsNotifier.SmsNotifier, TestSmsNotifier.make(numbers, notifier))
  )
  yield* Effect.repeat(deliverDue, { while: (count) => count > 0 })
})

describe("a test number", () => {
  it.effect("has its code no longer than to the end of its last day", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(DateTime.makeUnsafe("1970-01-02T23:59:00.000Z").epochMilliseconds)
      const userId = yield* newUser
      yield* set(userId, made)
      assert.strictEqual(
        DateTime.formatIso((yield* get(userId)).pendingCode!.expiresAt),
        "1970-01-03T00:00:00.000Z"
      )
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(verify(userId, "424242"))
      assert.deepInclude(error, { _tag: "InvalidCode", reason: "CODE_EXPIRED" })
    }).pipe(Effect.provide(layers())))

  it.effect("is taken although it is none of its plan, has its code, and no provider is asked", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, "+1 555 555 0100")
      yield* deliver
      assert.deepStrictEqual((yield* get(userId)).pendingCode?.delivery, {
        state: "delivered",
        attempts: 1,
        reason: undefined
      })
      yield* verify(userId, "424242")
      assert.isTrue((yield* get(userId)).phone?.verified)
      assert.lengthOf(yield* SmsInbox.use((inbox) => inbox.all), 0)
    }).pipe(Effect.provide(layers())))

  it.effect("has the same code again after a resend, and in an answer that returns it", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      const { verificationCode } = yield* set(userId, made, "ReturnCode")
      assert.strictEqual(Redacted.value(verificationCode!), "424242")
      yield* resend(userId)
      yield* verify(userId, "424242")
    }).pipe(Effect.provide(layers())))

  it.effect("is under the same limits as any other", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, made)
      for (let guess = 0; guess < 5; guess++) yield* Effect.flip(verify(userId, "111111"))
      const spent = yield* Effect.flip(verify(userId, "424242"))
      assert(spent._tag === "InvalidCode" && spent.reason === "CODE_SPENT")
      assert.strictEqual((yield* Effect.flip(resend(userId)))._tag, "TooManyRequests")
      const log = yield* UserStore.UserStore.use((store) => store.history(userId))
      assert.lengthOf(log.filter(({ change }) => change.type === "user.human.phone.verification.failed"), 5)
    }).pipe(Effect.provide(layers())))

  it.effect("is judged and served like any other after its last day", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(1970, 0, 2, 23, 59, 59))
      const [early, late] = [yield* newUser, yield* newUser]
      yield* set(early, made)
      yield* deliver
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(set(late, made))
      assert(error._tag === "InvalidPhoneNumber" && error.reason === "NotValid")
      assert.strictEqual((yield* Effect.flip(resend(early)))._tag, "TooManyRequests")
      yield* set(late, lost)
      yield* deliver
      assert.lengthOf(yield* SmsInbox.use((inbox) => inbox.all), 1)
      yield* Effect.flip(verify(late, "111111"))
    }).pipe(Effect.provide(layers())))

  it.effect("may be one whose messages do not arrive, whose holder wants none, or that is slow", () =>
    Effect.gen(function*() {
      const stateOf = Effect.fnUntraced(function*(phone: string) {
        const userId = yield* newUser
        yield* set(userId, phone)
        yield* deliver
        const { pendingCode } = yield* get(userId)
        return [pendingCode?.delivery?.state, pendingCode?.delivery?.reason]
      })
      assert.deepStrictEqual(yield* stateOf(lost), ["failed", "not delivered: undeliverable"])
      assert.deepStrictEqual(yield* stateOf(silent), ["failed", "opted out"])

      const slowly = yield* Effect.forkChild(
        TestSmsNotifier.make(numbers, yield* SmsNotifier.SmsNotifier).send({
          recipient: Redacted.make(PhoneNumber.E164.make(slow))
        } as SmsNotifier.Sms),
        { startImmediately: true }
      )
      yield* TestClock.adjust("19 seconds")
      assert.isUndefined(slowly.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isDefined(slowly.pollUnsafe())
    }).pipe(Effect.provide(layers())))

  it.effect("has a code of ours also where a provider makes the others", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, made)
      yield* deliver
      yield* verify(userId, "424242")
      const { verificationCode } = yield* set(yield* newUser, made, "ReturnCode")
      assert.strictEqual(Redacted.value(verificationCode!), "424242")
      assert.strictEqual(
        (yield* Effect.flip(set(yield* newUser, "+41791234560", "ReturnCode")))._tag,
        "CodeNotReturnable"
      )
    }).pipe(Effect.provide(layers(Layer.succeed(VerificationProvider.VerificationProvider, {
      id: "provider",
      lifetime: "unused" as never,
      start: () => Effect.die("asked"),
      check: () => Effect.die("asked")
    })))))

  it.effect("leaves all other numbers to the notifier behind, and its receipts readable", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, "+41791234560")
      yield* deliver
      assert.lengthOf(yield* SmsInbox.use((inbox) => inbox.all), 1)
      const behind = { send: () => Effect.die("asked"), receipts: new Map([["x", () => Effect.undefined]]) }
      const { receipts } = yield* SmsNotifier.SmsNotifier.pipe(
        Effect.provide(TestSmsNotifier.layer.pipe(Layer.provide(Layer.succeed(SmsNotifier.SmsNotifier, behind))))
      )
      assert.deepStrictEqual([...receipts.keys()], ["x"])
    }).pipe(Effect.provide(layers(Layer.succeed(Limits.Limits, Limits.off)))))
})
