/** A call leaves nothing to the garbage collector that the next collection of the young generation would not take. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Memory from "../../src/adapters/Memory.ts"
import { Actor, Operations, SetPhone, UserId, Users } from "../../src/core/index.ts"
import { leftBy } from "../fixtures/Leftovers.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

describe("what calls used", () => {
  it.live("would be found if a generator function made for each call kept it", () =>
    Effect.gen(function*() {
      const left = yield* leftBy((ballast) =>
        Effect.gen(function*() {
          yield* Effect.yieldNow
          return ballast
        })
      )
      assert.isAbove(left, 0.5)
    }))

  it.live("is gone with the calls of SetPhone", () =>
    Effect.gen(function*() {
      const users = yield* Users.Users
      const { setPhone } = yield* SetPhone.SetPhone
      let calls = 0
      const left = yield* leftBy((ballast) => {
        const userId = UserId.UserId.make(`user-${++calls}`)
        const phone = Object.assign(Redacted.make(`+4179${String(calls).padStart(7, "0")}`), ballast)
        return users.register({ userId, resourceOwner: organization, kind: "human", state: "active" }).pipe(
          Effect.andThen(setPhone({ userId, phone, verification: { _tag: "ReturnCode" } })),
          Effect.provideService(Actor.Actor, admin)
        )
      })
      assert.isBelow(left, 0.2)
    }).pipe(Effect.provide(Operations.layer.pipe(Layer.provideMerge(Memory.layerPorts)))))
})
