/** What a host is told about its users. */
import { assert, describe, it } from "@effect/vitest"
import { UserAlreadyExists } from "../../src/core/Users.ts"

describe("UserAlreadyExists", () => {
  it("says that an id stays taken", () => {
    assert.strictEqual(
      new UserAlreadyExists().message,
      "a user with this id exists already, or existed and was removed"
    )
  })
})
