/** The contract suites of stores hold them to all that there is. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { PendingCode, UserPhone, Users } from "../src/core/index.ts"
import { lifeOf } from "../src/testing/internal/Life.ts"
import { newUserId, organization } from "../src/testing/internal/Samples.ts"

describe("the life that stores have to keep", () => {
  const user = Users.stateOf({ userId: newUserId(), resourceOwner: organization, kind: "human", state: "active" })
  const life = lifeOf(user, DateTime.makeUnsafe(0))
  const membersOf = (values: ReadonlyArray<object>) => [...new Set(values.flatMap(Object.keys))]

  it("has every event that there is, with every member that it may have", () => {
    const changes = life.flatMap(({ events }) => events.map(({ change }) => change))
    for (const { fields } of UserPhone.PhoneChange.members) {
      const type = fields.type.schema.literal
      assert.sameMembers(membersOf(changes.filter((change) => change.type === type)), Object.keys(fields), type)
    }
  })

  it("has every kind of pending code, with every member that it may have", () => {
    const codes = life.flatMap(({ after }) => after.pending ?? [])
    for (const [kind, { fields }] of Object.entries(PendingCode.PendingCode.cases)) {
      assert.sameMembers(membersOf(codes.filter(({ _tag }) => _tag === kind)), Object.keys(fields), kind)
    }
  })
})
