/** What is kept of the words of a provider, whose message may not be known any more. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { keepable, kindOf, tellOf } from "../../src/core/internal/Printable.ts"
import { E164 } from "../../src/core/PhoneNumber.ts"

const lateCode = (code: string) => {
  const receipt = keepable({ status: "failed", code })
  return receipt.status === "failed" ? receipt.code : undefined
}

const quote = "what quotes the message"

describe("a provider's words", () => {
  it("about a message of long ago may be any code that is no number and no code of ours", () => {
    for (const code of ["30005", "EC_INVALID_DESTINATION", "smpp-69-err-011", "c0a80101-7f3e-4b1c", "HTTP 503"]) {
      assert.strictEqual(lateCode(code), code)
    }
    for (const code of ["314159", "text 314159 is your code", "+41791112233", "(079) 111-22-33", "079/111 22 33"]) {
      assert.strictEqual(lateCode(code), quote)
    }
  })

  it("about a message at hand quote neither its code nor its number, however that is written", () => {
    const told = tellOf({ recipient: Redacted.make(E164.make("+41791112233")), code: Redacted.make("K7Q2") })
    for (const text of ["0041791112233", "079 111 22 33", "+41 (0)79 111-22-33", "sent K7Q2"]) {
      assert.strictEqual(told(text), quote)
    }
    for (const text of ["30005", "SM0123456789abcdef0123456789abcdef", "to +41791112234"]) {
      assert.strictEqual(told(text), text)
    }
  })

  it("leave of an error nothing but its kind", () => {
    const named = Object.assign(new Error("secret"), { name: "to +41791112233" })
    assert.deepStrictEqual([new TypeError("secret"), named, "secret", null].map(kindOf), [
      "TypeError",
      "Error",
      "string",
      "object"
    ])
  })
})
