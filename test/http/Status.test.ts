/** How long a caller is told to wait. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { Errors } from "../../src/core/index.ts"
import { Status } from "../../src/http/index.ts"

describe("a limit", () => {
  const now = DateTime.makeUnsafe(1_000_000)
  const retryAfter = (millis: number) =>
    Status.of(
      new Errors.TooManyRequests({ reason: "CODES_PER_USER", until: DateTime.add(now, { milliseconds: millis }) }),
      now
    ).retryAfter

  it("is waited for in whole seconds, of which one that has begun counts, and at least one", () => {
    assert.deepStrictEqual([2001, 2000, 1001, 1000, 1, 0, -1, -5000].map(retryAfter), [3, 2, 2, 1, 1, 1, 1, 1])
  })
})
