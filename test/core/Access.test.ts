/** What actors may do to others: by their grants, or whatever they like. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Access, Actor, UserId } from "../../src/core/index.ts"

const organization = "demo"
const user = { userId: UserId.UserId.make("ada"), resourceOwner: UserId.OrganizationId.make(organization) }
const actor = (grants?: Readonly<Record<string, ReadonlyArray<Actor.Permission>>>) =>
  Actor.make({ userId: "grace", organization, grants })

/** Whether an actor may write anywhere, and over the user. */
const writes = Effect.fnUntraced(function*(caller: Actor.Actor["Service"]) {
  const access = yield* Access.Access
  return [yield* access.holdsAnywhere(caller, "user.write"), yield* access.holdsOver(caller, "user.write", user)]
})

describe("Access", () => {
  it.effect("lets a permission hold over the users of the organisation that it was granted in", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* writes(actor({ [organization]: ["user.write"] })), [true, true])
      assert.deepStrictEqual(yield* writes(actor({ other: [], [organization]: ["user.write"] })), [true, true])
      assert.deepStrictEqual(yield* writes(actor({ other: ["user.write"] })), [true, false])
      assert.deepStrictEqual(yield* writes(actor({ other: ["user.write"], [organization]: [] })), [true, false])
    }).pipe(Effect.provide(Access.layer)))

  it.effect("takes one permission for no other, and none for none", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* writes(actor({ [organization]: ["user.read"] })), [false, false])
      assert.deepStrictEqual(yield* writes(actor({ [organization]: [] })), [false, false])
      assert.deepStrictEqual(yield* writes(actor()), [false, false])
    }).pipe(Effect.provide(Access.layer)))

  it.effect("lets everyone do everything for a host that decides before it calls", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* writes(actor()), [true, true])
    }).pipe(Effect.provide(Access.layerAllowAll)))
})
