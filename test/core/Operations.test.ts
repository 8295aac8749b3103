/** What the operations share, over in-memory layers: settings, stores that cannot count, and what they list in their types. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import type { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import {
  type Access,
  Actor,
  type CodeGenerator,
  type CodeVault,
  GetPhone,
  Limits,
  Operations,
  type Outbox,
  PhoneNumber,
  RemovePhone,
  ResendPhoneCode,
  SetPhone,
  UnlockPhoneVerification,
  UserId,
  Users,
  UserStore,
  VerifyPhone
} from "../../src/core/index.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
const number = "+41791234567"

const newUser = Effect.gen(function*() {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  return userId
})

/** A user whose number has a code that was returned. */
const proving = Effect.gen(function*() {
  const userId = yield* newUser
  const { setPhone } = yield* SetPhone.SetPhone
  const { verificationCode } = yield* setPhone({
    userId,
    phone: Redacted.make(number),
    verification: { _tag: "ReturnCode" }
  })
  return { userId, code: verificationCode! }
})

const asAdmin = Effect.provideService(Actor.Actor, admin)

const layerOperations = (settings: Layer.Layer<never>) =>
  Operations.layer.pipe(Layer.provide(settings), Layer.provideMerge(Memory.layerPorts))

layer(layerOperations(Layer.succeed(ResendPhoneCode.Grace, Duration.zero)))("a grace of zero", (it) => {
  it.effect("accepts no code but the new one after a resend", () =>
    Effect.gen(function*() {
      const { code: old, userId } = yield* proving
      const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
      const { verifyPhone } = yield* VerifyPhone.VerifyPhone
      const { verificationCode } = yield* resendPhoneCode({ userId, verification: { _tag: "ReturnCode" } })
      const error = yield* Effect.flip(verifyPhone({ userId, verificationCode: old }))
      assert.deepInclude({ ...error }, { _tag: "InvalidCode", reason: "CODE_WRONG" })
      yield* verifyPhone({ userId, verificationCode: verificationCode! })
    }).pipe(asAdmin))
})

describe("a grace of ten seconds", () => {
  it.effect("accepts the code before for ten seconds", () =>
    Effect.gen(function*() {
      const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
      const { verifyPhone } = yield* VerifyPhone.VerifyPhone
      for (const [wait, outcome] of [["9999 millis", "Success"], ["10 seconds", "Failure"]] as const) {
        const { code, userId } = yield* proving
        yield* resendPhoneCode({ userId })
        yield* TestClock.adjust(wait)
        const result = yield* Effect.result(verifyPhone({ userId, verificationCode: code }))
        assert.strictEqual(result._tag, outcome)
      }
    }).pipe(
      asAdmin,
      Effect.provide(layerOperations(Layer.succeed(ResendPhoneCode.Grace, Duration.seconds(10))))
    ))
})

describe("limits that are off", () => {
  it.effect("let a user guess, send and resend without end, and tell of no number of guesses", () =>
    Effect.gen(function*() {
      const { code, userId } = yield* proving
      const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
      const { verifyPhone } = yield* VerifyPhone.VerifyPhone
      for (let i = 0; i < 120; i++) {
        const error = yield* Effect.flip(verifyPhone({ userId, verificationCode: Redacted.make("x") }))
        assert.strictEqual(JSON.stringify(error), "{\"_tag\":\"InvalidCode\",\"reason\":\"CODE_WRONG\"}")
      }
      const status = yield* GetPhone.GetPhone.use(({ getPhone }) => getPhone({ userId }))
      assert.strictEqual(status.pendingCode?.guessesLeft, undefined)
      assert.isFalse(status.verificationOff)
      for (let i = 0; i < 30; i++) yield* resendPhoneCode({ userId, verification: { _tag: "SendCode" } })
      assert.isTrue(Redacted.value(code).length === 6)
    }).pipe(asAdmin, Effect.provide(layerOperations(Layer.succeed(Limits.Limits, Limits.off)))))
})

describe("a store without counters", () => {
  const storeWithout = Layer.effect(
    UserStore.UserStore,
    Effect.map(UserStore.UserStore, (store) => UserStore.UserStore.of({ ...store, counts: false }))
  )
  const starting = <A, R extends Layer.Success<typeof Memory.layerPorts>>(
    operation: Layer.Layer<A, Limits.LimitsRefused, R>
  ) =>
  (limits: Limits.Limits) =>
    Layer.build(operation.pipe(
      Layer.provide(storeWithout),
      Layer.provide(Layer.succeed(Limits.Limits, limits)),
      Layer.provide(Memory.layerPorts)
    )).pipe(Effect.scoped, Effect.asVoid)

  for (
    const [name, start] of [
      ["SetPhone", starting(SetPhone.layer)],
      ["ResendPhoneCode", starting(ResendPhoneCode.layer)],
      ["VerifyPhone", starting(VerifyPhone.layer)],
      ["RemovePhone", starting(RemovePhone.layer)]
    ] as const
  ) {
    it.effect(`keeps ${name} from starting while a limit needs them, and says which`, () =>
      Effect.gen(function*() {
        const { codesPerNumber, codesPerUser, noticesPerNumber, wrongGuessesPerNumber, ...without } = Limits.defaults
        const counted = [{ codesPerNumber }, { codesPerUser }, { wrongGuessesPerNumber }, { noticesPerNumber }]
        for (const limits of counted) {
          const error = yield* Effect.flip(start({ ...Limits.off, ...limits }))
          assert.strictEqual(error._tag, "LimitsRefused")
          assert.include(error.message, Object.keys(limits)[0]!)
        }
        yield* start({ ...Limits.off, ...without })
      }))
  }
})

describe("a policy that was narrowed after a number was set", () => {
  it.effect("lets no more codes be sent to that number, but has them returned and checked", () =>
    Effect.gen(function*() {
      const { userId } = yield* proving
      const narrowed = Operations.layer.pipe(
        Layer.provide(Layer.succeed(PhoneNumber.PhonePolicy, { accept: "mobile", regions: ["DE"] }))
      )
      yield* Effect.gen(function*() {
        const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
        const { verifyPhone } = yield* VerifyPhone.VerifyPhone
        const error = yield* Effect.flip(resendPhoneCode({ userId }))
        assert.deepInclude({ ...error }, { _tag: "InvalidPhoneNumber", reason: "RegionRefused" })
        const { verificationCode } = yield* resendPhoneCode({ userId, verification: { _tag: "ReturnCode" } })
        yield* verifyPhone({ userId, verificationCode: verificationCode! })
      }).pipe(Effect.provide(narrowed, { local: true }))
    }).pipe(asAdmin, Effect.provide(layerOperations(Layer.empty))))
})

describe("the operations", () => {
  it("list every failure and every need in their types", () => {
    const needs = Layer.satisfiesServicesType<
      | Access.Access
      | UserStore.UserStore
      | Outbox.Outbox
      | CodeVault.CodeVault
      | CodeGenerator.CodeGenerator
      | SecureRandom.SecureRandom
    >()
    needs(Operations.layer)
    const userId = ""
    Effect.satisfiesErrorType<VerifyPhone.VerifyPhoneError>()(
      VerifyPhone.VerifyPhone.use((service) => service.verifyPhone({ userId, verificationCode: Redacted.make("") }))
    )
    Effect.satisfiesErrorType<ResendPhoneCode.ResendPhoneCodeError>()(
      ResendPhoneCode.ResendPhoneCode.use((service) => service.resendPhoneCode({ userId }))
    )
    Effect.satisfiesErrorType<RemovePhone.RemovePhoneError>()(
      RemovePhone.RemovePhone.use((service) => service.removePhone({ userId }))
    )
    Effect.satisfiesErrorType<GetPhone.GetPhoneError>()(
      GetPhone.GetPhone.use((service) => service.getPhone({ userId }))
    )
    Effect.satisfiesErrorType<UnlockPhoneVerification.UnlockPhoneVerificationError>()(
      UnlockPhoneVerification.UnlockPhoneVerification.use((service) => service.unlockPhoneVerification({ userId }))
    )
  })

  it.effect("refuse ids and codes of the wrong shape by the names of their own messages", () =>
    Effect.gen(function*() {
      const { verifyPhone } = yield* VerifyPhone.VerifyPhone
      const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
      const { removePhone } = yield* RemovePhone.RemovePhone
      const { getPhone } = yield* GetPhone.GetPhone
      const { unlockPhoneVerification } = yield* UnlockPhoneVerification.UnlockPhoneVerification
      const userId = ""
      const errors = yield* Effect.forEach([
        verifyPhone({ userId, verificationCode: Redacted.make("1") }),
        resendPhoneCode({ userId }),
        removePhone({ userId }),
        getPhone({ userId }),
        unlockPhoneVerification({ userId })
      ] as ReadonlyArray<Effect.Effect<unknown, { readonly message: string }, Actor.Actor>>, Effect.flip)
      const rule = "UserId: value length must be between 1 and 200 runes, inclusive"
      assert.deepStrictEqual(errors.map(({ message }) => message), [
        `invalid VerifyPhoneRequest.${rule}`,
        `invalid ResendPhoneCodeRequest.${rule}`,
        `invalid RemovePhoneRequest.${rule}`,
        `invalid GetPhoneRequest.${rule}`,
        `invalid UnlockPhoneVerificationRequest.${rule}`
      ])
      const { userId: known } = yield* proving
      const key = yield* Effect.flip(resendPhoneCode({ userId: known, idempotencyKey: "a b" }))
      assert.deepInclude({ ...key }, { request: "ResendPhoneCodeRequest", field: "idempotencyKey" })
    }).pipe(asAdmin, Effect.provide(layerOperations(Layer.empty))))
})
