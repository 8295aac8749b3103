/** Notices to the holder of a number that is replaced or removed: when they go out, and what keeps them back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import { SmsInbox } from "../../src/adapters/MemorySmsNotifier.ts"
import {
  Actor,
  Notices,
  Operations,
  RemovePhone,
  SetPhone,
  SmsDelivery,
  UserId,
  Users,
  type Verification
} from "../../src/core/index.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
const [first, second] = ["+41791234567", "+41791234568"]

const layers = (settings: Layer.Layer<never> = Layer.empty) =>
  Operations.layer.pipe(Layer.provide(settings), Layer.provideMerge(Memory.layerPorts))

const asAdmin = Effect.provideService(Actor.Actor, admin)
const set = (userId: string, phone: string, way: Verification["_tag"] = "AlreadyVerified") =>
  asAdmin(
    SetPhone.SetPhone.use(({ setPhone }) =>
      setPhone({ userId, phone: Redacted.make(phone), verification: { _tag: way } })
    )
  )
const remove = (userId: string) => asAdmin(RemovePhone.RemovePhone.use(({ removePhone }) => removePhone({ userId })))

const newUser = Effect.gen(function*() {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  return userId
})

/** What is in the inbox once everything is delivered: to whom, and what it is. */
const delivered = Effect.gen(function*() {
  const { deliverDue } = yield* SmsDelivery.make()
  yield* Effect.repeat(deliverDue, { while: (count) => count > 0 })
  const messages = yield* SmsInbox.use((inbox) => inbox.all)
  return messages.map(({ content, recipient }) => [
    Redacted.value(recipient),
    content.kind === "notice" ? content.change : "code"
  ])
})

describe("a notice", () => {
  it.effect("goes to the verified number that is replaced or removed, beside the code for the new one", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, first)
      yield* set(userId, second, "SendCode")
      yield* remove(userId)
      yield* set(userId, first)
      yield* remove(userId)
      assert.sameDeepMembers(yield* delivered, [[first, "replaced"], [first, "removed"]])
      const messages = yield* SmsInbox.use((inbox) => inbox.all)
      assert.include(
        messages.map(({ text }) => Redacted.value(text)),
        "This phone number was replaced in your account. If this was not you, contact support."
      )
    }).pipe(Effect.provide(layers())))

  it.effect("goes to one number five times a day, and the change is made all the same", () =>
    Effect.gen(function*() {
      for (let time = 0; time < 7; time++) {
        const userId = yield* newUser
        yield* set(userId, first)
        const { details } = time % 2 === 0 ? yield* remove(userId) : yield* set(userId, second, "ReturnCode")
        assert.strictEqual(details.sequence, time % 2 === 0 ? 3n : 4n)
      }
      assert.lengthOf(yield* delivered, 5)
      yield* TestClock.adjust("24 hours")
      const userId = yield* newUser
      yield* set(userId, first)
      yield* remove(userId)
      assert.lengthOf(yield* delivered, 6)
    }).pipe(Effect.provide(layers())))

  it.effect("is kept back by its limit without keeping the code back that belongs to the same change", () =>
    Effect.gen(function*() {
      for (let time = 0; time < 6; time++) {
        const userId = yield* newUser
        yield* set(userId, first)
        if (time < 5) yield* remove(userId)
        else yield* set(userId, second, "SendCode")
      }
      const messages = yield* delivered
      assert.deepStrictEqual(messages.filter(([, kind]) => kind === "code"), [[second, "code"]])
      assert.lengthOf(messages, 6)
    }).pipe(Effect.provide(layers())))

  it.effect("is not sent where notices are off", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, first)
      yield* remove(userId)
      assert.deepStrictEqual(yield* delivered, [])
    }).pipe(Effect.provide(layers(Layer.succeed(Notices.Notices, "off")))))

  it.effect("is tried for an hour", () =>
    Effect.gen(function*() {
      const userId = yield* newUser
      yield* set(userId, first)
      yield* remove(userId)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* delivered, [])
    }).pipe(Effect.provide(layers())))
})
