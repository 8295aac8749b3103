/** Actors from plain values. */
import { assert, describe, it } from "@effect/vitest"
import { Actor } from "../../src/core/index.ts"

describe("Actor", () => {
  it("keeps its grants as sets by organisation", () => {
    const actor = Actor.make({
      userId: "ada",
      organization: "demo",
      grants: { demo: ["user.read", "user.write", "user.read"], other: [] }
    })
    assert.deepStrictEqual({ ...actor, grants: Array.from(actor.grants) as ReadonlyArray<unknown> }, {
      userId: actor.userId,
      organization: actor.organization,
      grants: [["demo", new Set(["user.read", "user.write"])], ["other", new Set()]]
    })
    assert.strictEqual(`${actor.userId} of ${actor.organization}`, "ada of demo")
  })

  it("has no grants unless it is given some", () => {
    assert.strictEqual(Actor.make({ userId: "ada", organization: "demo" }).grants.size, 0)
  })

  it("takes no id that is empty or too long", () => {
    for (const id of ["", "x".repeat(201)]) {
      assert.throws(() => Actor.make({ userId: id, organization: "demo" }))
      assert.throws(() => Actor.make({ userId: "ada", organization: id }))
      assert.throws(() => Actor.make({ userId: "ada", organization: "demo", grants: { [id]: ["user.write"] } }))
    }
  })
})
