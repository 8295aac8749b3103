/** The use case over in-memory layers: what is stored, races, queues and repeated requests. */
import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Latch, Layer, Redacted, Schedule } from "effect"
import type { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import { SmsInbox } from "../../src/adapters/MemorySmsNotifier.ts"
import {
  Access,
  Actor,
  type CodeGenerator,
  CodeVault,
  Decision,
  Limits,
  type Outbox,
  type PendingCode,
  PhoneNumber,
  SetPhone,
  UserId,
  Users,
  UserStore
} from "../../src/core/index.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
const text = (line: number) => `+4179${String(line).padStart(7, "0")}`

const newUser = Effect.fnUntraced(function*(language?: string) {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active", language })
  )
  return userId
})

const setPhone = (request: Partial<SetPhone.SetPhoneRequest> & { readonly userId: string }, actor = admin) =>
  SetPhone.SetPhone.use((service) =>
    service.setPhone({ phone: Redacted.make(text(1)), verification: { _tag: "ReturnCode" }, ...request })
  ).pipe(Effect.provideService(Actor.Actor, actor))

/** The memory layers with a store that does something else before each commit. */
const layerInterfering = (before: (attempt: number, commit: UserStore.Commit) => Effect.Effect<void>) => {
  let attempt = 0
  const store = Layer.effect(
    UserStore.UserStore,
    Effect.map(UserStore.UserStore, (inner) =>
      UserStore.UserStore.of({
        ...inner,
        commit: (commit) => Effect.andThen(before(++attempt, commit), inner.commit(commit))
      }))
  )
  return SetPhone.layer.pipe(Layer.provide(store), Layer.provideMerge(Memory.layerPorts))
}

layer(SetPhone.layer.pipe(Layer.provideMerge(Memory.layerPorts)))("SetPhone", (it) => {
  it.effect("stores a digest that only the code, the number and the user match", () =>
    Effect.gen(function*() {
      const vault = yield* CodeVault.CodeVault
      const store = yield* UserStore.UserStore
      const [userId, otherId] = [yield* newUser(), yield* newUser()]
      const { verificationCode } = yield* setPhone({ userId })
      const { pending, phone } = (yield* store.load(userId))!
      assert.strictEqual(pending?._tag, "OwnCode")
      const { current } = pending as Extract<PendingCode.PendingCode, { readonly _tag: "OwnCode" }>
      const binding = { userId, number: phone!.number, codeId: current.codeId }

      assert.isTrue(yield* vault.matches(verificationCode!, current, binding))
      assert.isFalse(yield* vault.matches(Redacted.make("00000x"), current, binding))
      assert.isFalse(yield* vault.matches(verificationCode!, current, { ...binding, userId: otherId }))
      assert.isFalse(
        yield* vault.matches(verificationCode!, current, {
          ...binding,
          number: Redacted.make(PhoneNumber.E164.make(text(2)))
        })
      )
      assert.isFalse(yield* vault.matches(verificationCode!, current, { ...binding, codeId: "other" }))
      assert.strictEqual(current.number, yield* vault.fingerprint("number", [text(1)]))
      assert.deepStrictEqual(DateTime.distance(current.createdAt, current.expiresAt), Duration.minutes(10))
    }))

  it.effect("answers a repeated request with the first details and without a code", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      const request = { userId, idempotencyKey: "key-1" }
      const first = yield* setPhone(request)
      yield* TestClock.adjust("23 hours")
      const again = yield* setPhone({ ...request, phone: Redacted.make("+41 79 000 00 01") })
      assert.deepStrictEqual(again, { details: first.details, replayed: true })
      assert.isFalse(first.replayed)

      yield* TestClock.adjust("2 hours")
      assert.strictEqual((yield* Effect.flip(setPhone(request)))._tag, "PhoneNotChanged")
    }))

  it.effect("refuses another request under the same key, and keeps keys of other callers and users apart", () =>
    Effect.gen(function*() {
      const [userId, otherId] = [yield* newUser(), yield* newUser()]
      const idempotencyKey = "key-2"
      yield* setPhone({ userId, idempotencyKey })
      const changes: ReadonlyArray<Partial<SetPhone.SetPhoneRequest>> = [
        { phone: Redacted.make(text(2)) },
        { verification: { _tag: "SendCode" } },
        { verification: { _tag: "AlreadyVerified" } }
      ]
      for (const change of changes) {
        const error = yield* Effect.flip(setPhone({ userId, idempotencyKey, ...change }))
        assert.strictEqual(error._tag, "IdempotencyKeyReused")
      }
      assert.isFalse((yield* setPhone({ userId: otherId, idempotencyKey })).replayed)
      const colleague = Actor.make({ userId: "colleague", organization, grants: { [organization]: ["user.write"] } })
      const theirs = yield* setPhone({ userId, idempotencyKey, phone: Redacted.make(text(2)) }, colleague)
      assert.isFalse(theirs.replayed)
    }))

  it.effect("checks access before it replays", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      yield* setPhone({ userId, idempotencyKey: "key-3" })
      const demoted = Actor.make({ userId: "admin", organization })
      assert.strictEqual(
        (yield* Effect.flip(setPhone({ userId, idempotencyKey: "key-3" }, demoted)))._tag,
        "PermissionDenied"
      )
    }))

  it.effect("forgets the key of a request that failed", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      const failed = yield* Effect.flip(setPhone({ userId, idempotencyKey: "key-4", phone: Redacted.make("+4112") }))
      assert.strictEqual(failed._tag, "InvalidPhoneNumber")
      assert.isFalse((yield* setPhone({ userId, idempotencyKey: "key-4" })).replayed)
    }))

  for (const key of ["", " ", "a b", "ä", "a\n", "x".repeat(256)]) {
    it.effect(`refuses the idempotency key ${JSON.stringify(key).slice(0, 12)}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(setPhone({ userId: yield* newUser(), idempotencyKey: key }))
        assert.strictEqual(error._tag === "InvalidArgument" && error.field, "idempotencyKey")
      }))
  }

  it.effect("takes idempotency keys of 1 and 255 visible ASCII characters", () =>
    Effect.gen(function*() {
      for (const idempotencyKey of ["!", "~".repeat(255)]) yield* setPhone({ userId: yield* newUser(), idempotencyKey })
    }))

  it.effect("makes the requests with one key that arrive at once one change", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      const answers = yield* Effect.forEach(
        Array.from({ length: 50 }),
        () => setPhone({ userId, idempotencyKey: "key-5" }),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(answers.filter((answer) => !answer.replayed).length, 1)
      assert.strictEqual(new Set(answers.map((answer) => answer.details.sequence)).size, 1)
      assert.strictEqual((yield* UserStore.UserStore.use((store) => store.history(userId))).length, 2)
    }))
})

layer(Memory.layer, { excludeTestServices: true })("SetPhone with a delivery worker", (it) => {
  it.effect("delivers the code of the stored digest, to the number, from the outbox", () =>
    Effect.gen(function*() {
      const inbox = yield* SmsInbox
      const userId = yield* newUser()
      const answer = yield* setPhone({ userId, phone: Redacted.make(text(44)), verification: { _tag: "SendCode" } })
      assert.isUndefined(answer.verificationCode)
      const history = yield* UserStore.UserStore.use((store) => store.history(userId)).pipe(
        Effect.repeat({ until: (events) => events.length >= 3, schedule: Schedule.spaced("10 millis") }),
        Effect.timeout("10 seconds")
      )
      assert.deepStrictEqual(history.map(({ change }) => change.type), [
        "user.human.phone.changed",
        "user.human.phone.code.added",
        "user.human.phone.code.sent"
      ])

      const number = Redacted.make(PhoneNumber.E164.make(text(44)))
      const [sms, ...more] = yield* inbox.messagesTo(number)
      assert.deepStrictEqual(more, [])
      const [, code] = /^(\d{6}) is your verification code/.exec(Redacted.value(sms!.text))!
      const { pending } = (yield* UserStore.UserStore.use((store) => store.load(userId)))!
      const { current } = pending as Extract<PendingCode.PendingCode, { readonly _tag: "OwnCode" }>
      const vault = yield* CodeVault.CodeVault
      assert.isTrue(yield* vault.matches(Redacted.make(code!), current, { userId, number, codeId: current.codeId }))
    }))
})

describe("SetPhone in a race", () => {
  const meddle = (commit: UserStore.Commit) =>
    Effect.gen(function*() {
      const store = yield* UserStore.UserStore
      const decision = Decision.decideSetPhone(commit.before, {
        number: Redacted.make(PhoneNumber.E164.make(text(900 + Number(commit.before.sequence)))),
        fingerprint: "fingerprint",
        code: undefined
      }, { now: yield* DateTime.now, limits: Limits.off, notices: "off", bySelf: false, chance: 0 })
      if (decision._tag === "Failure") return yield* Effect.die(decision.failure)
      yield* store.commit({ ...decision.success, messages: [] })
    })

  const racing = (losses: number) =>
    Effect.gen(function*() {
      const stores = yield* Effect.context<UserStore.UserStore>()
      return layerInterfering((attempt, commit) =>
        attempt <= losses ? Effect.orDie(Effect.provideContext(meddle(commit), stores)) : Effect.void
      )
    }).pipe(Layer.unwrap, Layer.provideMerge(Memory.layerPorts))

  it.live("decides anew on the state that it finds, up to ten times", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      const { details } = yield* setPhone({ userId })
      assert.strictEqual(details.sequence, 22n)
      const history = yield* UserStore.UserStore.use((store) => store.history(userId))
      assert.deepStrictEqual(
        history.map((event) => event.sequence),
        Array.from({ length: 22 }, (_, i) => BigInt(i + 1))
      )
    }).pipe(Effect.provide(racing(10))))

  it.live("gives up after losing an eleventh time, with the change not made", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      const error = yield* Effect.flip(setPhone({ userId }))
      assert.strictEqual(error._tag, "Unavailable")
      const user = yield* UserStore.UserStore.use((store) => store.load(userId))
      assert.strictEqual(user?.sequence, 22n)
    }).pipe(Effect.provide(racing(11))))

  it.live("lets 64 calls on one user queue, refuses the next, and has room again afterwards", () => {
    const latch = Latch.makeUnsafe()
    return Effect.gen(function*() {
      const [userId, otherId] = [yield* newUser(), yield* newUser()]
      const waiting = yield* Effect.forEach(
        Array.from({ length: 64 }, (_, line) => line),
        (line) => Effect.forkChild(setPhone({ userId, phone: Redacted.make(text(line)) }), { startImmediately: true })
      )
      assert.strictEqual((yield* Effect.flip(setPhone({ userId })))._tag, "Unavailable")
      const other = yield* Effect.forkChild(setPhone({ userId: otherId }), { startImmediately: true })
      yield* Effect.forEach(waiting.slice(32), Fiber.interrupt)
      yield* latch.open
      yield* Fiber.join(other)
      yield* Effect.forEach(waiting.slice(0, 32), Fiber.join)
      const { details } = yield* setPhone({ userId, phone: Redacted.make(text(99)) })
      assert.strictEqual(details.sequence, 66n)
    }).pipe(Effect.provide(layerInterfering(() => latch.await)))
  })
})

describe("SetPhone's queue", () => {
  it.live("has no place for those who may not touch the user", () => {
    const latch = Latch.makeUnsafe()
    const elsewhere = Actor.make({ userId: "other", organization, grants: { elsewhere: ["user.write"] } })
    return Effect.gen(function*() {
      const userId = yield* newUser()
      const first = yield* Effect.forkChild(setPhone({ userId }), { startImmediately: true })
      const errors = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => Effect.flip(setPhone({ userId }, elsewhere)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(errors.map(({ _tag }) => _tag))], ["NotFound"])
      const second = yield* Effect.forkChild(setPhone({ userId, phone: Redacted.make(text(2)) }), {
        startImmediately: true
      })
      yield* latch.open
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(second)).details.sequence, 4n)
    }).pipe(Effect.timeout("10 seconds"), Effect.provide(layerInterfering(() => latch.await)))
  })
})

describe("SetPhone's layers", () => {
  it.effect("lets a host that decides before it calls allow everything", () =>
    Effect.gen(function*() {
      const userId = yield* newUser()
      const nobody = Actor.make({ userId: "nobody", organization: "elsewhere" })
      const { verificationCode } = yield* setPhone({ userId }, nobody)
      assert.isDefined(verificationCode)
      assert.strictEqual((yield* Effect.flip(setPhone({ userId: "unknown" }, nobody)))._tag, "NotFound")
    }).pipe(
      Effect.provide(SetPhone.layer.pipe(Layer.provide(Access.layerAllowAll), Layer.provideMerge(Memory.layerPorts)))
    ))

  it("list every failure and every need in their types", () => {
    const needs = Layer.satisfiesServicesType<
      | Access.Access
      | UserStore.UserStore
      | CodeVault.CodeVault
      | Outbox.Outbox
      | CodeGenerator.CodeGenerator
      | SecureRandom.SecureRandom
    >()
    needs(SetPhone.layer)
    const errors = Effect.satisfiesErrorType<SetPhone.SetPhoneError>()
    errors(
      SetPhone.SetPhone.use((service) =>
        service.setPhone({ userId: "", phone: Redacted.make(""), verification: { _tag: "SendCode" } })
      )
    )
  })
})
