/**
 * Numbers as the operations see them: read by the policy in force, with the fingerprints under which they are kept, and
 * with test numbers told from others.
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import { CodeVault } from "../CodeVault.ts"
import type { InvalidPhoneNumber } from "../Errors.ts"
import { parse, type PhoneNumber, PhonePolicy } from "../PhoneNumber.ts"
import { find, type TestNumber, TestNumbers } from "../TestNumbers.ts"

export const make = Effect.gen(function*() {
  const vault = yield* CodeVault
  const policy = yield* PhonePolicy
  const testNumbers = yield* TestNumbers

  /** The entry of a test number, to which the policy does not apply. */
  const listed = (number: PhoneNumber, now: DateTime.Utc): TestNumber | undefined => find(testNumbers, number, now)

  return {
    listed,
    read: (written: Redacted.Redacted, now: DateTime.Utc): Result.Result<PhoneNumber, InvalidPhoneNumber> =>
      parse(written, policy, (number) => listed(number, now) !== undefined),
    fingerprint: (number: PhoneNumber): Effect.Effect<string> => vault.fingerprint("number", [Redacted.value(number)])
  }
})
