/** Users that come into being with their first token. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Memory from "../../src/adapters/Memory.ts"
import { Actor, Errors, TokenVerifier, UserId, Users, UserStore } from "../../src/core/index.ts"
import { record } from "../fixtures/Telemetry.ts"

/** A verifier for which a token is its subject's id; `bad` is no token. */
const verifier = Layer.succeed(TokenVerifier.TokenVerifier, {
  verify: (token) =>
    Redacted.value(token) === "bad"
      ? Effect.fail(new Errors.Unauthenticated({ reason: "TokenInvalid" }))
      : Effect.succeed(Actor.make({ userId: Redacted.value(token), organization: "demo" }))
})

const verify = (subject: string) => TokenVerifier.TokenVerifier.use((service) => service.verify(Redacted.make(subject)))

/** The verifier over users whose registrations are recorded, once `before` has let them through. */
const registering = (
  before: (registered: Array<string>) => Effect.Effect<void, Errors.Unavailable> = () => Effect.void
) => {
  const registered: Array<string> = []
  const users = Layer.effect(
    Users.Users,
    Effect.map(Users.Users, (inner) =>
      Users.Users.of({
        ...inner,
        register: (user) =>
          Effect.suspend(() => {
            registered.push(user.userId)
            return Effect.andThen(before(registered), inner.register(user))
          })
      }))
  )
  const layer = TokenVerifier.layerRegisteringUsers.pipe(
    Layer.provide([verifier, users]),
    Layer.provideMerge(Memory.layerStores)
  )
  return { layer, registered }
}

describe("TokenVerifier that registers users", () => {
  it.effect("registers the subject as an active human user of its organisation, and answers the actor", () => {
    const { layer } = registering()
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* verify("ada"), Actor.make({ userId: "ada", organization: "demo" }))
      const user = yield* UserStore.UserStore.use((store) => store.load(UserId.UserId.make("ada")))
      const { kind, resourceOwner, sequence, state } = user!
      assert.deepStrictEqual({ kind, resourceOwner: String(resourceOwner), sequence, state }, {
        kind: "human",
        resourceOwner: "demo",
        sequence: 0n,
        state: "active"
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("registers each subject once", () => {
    const { layer, registered } = registering()
    return Effect.gen(function*() {
      for (const subject of ["ada", "grace", "ada", "grace", "ada"]) {
        assert.strictEqual((yield* verify(subject)).userId as string, subject)
      }
      assert.deepStrictEqual(registered, ["ada", "grace"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("takes users as they are when they exist, and leaves removed ones removed", () => {
    const { layer } = registering()
    return Effect.gen(function*() {
      const users = yield* Users.Users
      const store = yield* UserStore.UserStore
      const [machine, removed] = [UserId.UserId.make("machine"), UserId.UserId.make("removed")]
      const resourceOwner = UserId.OrganizationId.make("other")
      yield* users.register({ userId: machine, resourceOwner, kind: "machine", state: "initial" })
      yield* users.register({ userId: removed, resourceOwner, kind: "human", state: "active" })
      yield* users.remove(removed)
      for (const userId of [machine, removed]) assert.strictEqual((yield* verify(userId)).userId, userId)
      assert.strictEqual((yield* store.load(machine))?.kind, "machine")
      assert.isUndefined(yield* store.load(removed))
    }).pipe(Effect.provide(layer))
  })

  it.effect("registers nobody for a token that is not valid", () => {
    const { layer, registered } = registering()
    return Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(verify("bad")))._tag, "Unauthenticated")
      assert.deepStrictEqual(registered, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fails when the users cannot be reached, and tries again with the next token", () => {
    const { layer, registered } = registering((all) =>
      all.length === 1 ? Effect.fail(new Errors.Unavailable({ cause: "down" })) : Effect.void
    )
    return Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(verify("ada")))._tag, "Unavailable")
      yield* verify("ada")
      assert.deepStrictEqual(registered, ["ada", "ada"])
      assert.isDefined(yield* UserStore.UserStore.use((store) => store.load(UserId.UserId.make("ada"))))
    }).pipe(Effect.provide(layer))
  })

  it.effect("remembers 100,000 subjects, and starts anew with the next", () => {
    const { layer, registered } = registering()
    return Effect.gen(function*() {
      const remembered = 100_000
      for (let subject = 0; subject < remembered; subject++) yield* verify(String(subject))
      yield* verify("0")
      assert.strictEqual(registered.length, remembered)
      for (const subject of ["next", "0", "next"]) yield* verify(subject)
      assert.deepStrictEqual(registered.slice(remembered), ["next", "0"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is traced without the token", () => {
    const { layer } = registering()
    const telemetry = record()
    return Effect.gen(function*() {
      yield* verify("ada")
      assert.deepStrictEqual(telemetry.spans.map(({ attributes, name }) => [name, ...attributes]), [
        ["TokenVerifier.verify"]
      ])
    }).pipe(Effect.provide([layer, telemetry.layer]))
  })
})
