/**
 * What a request has to look like before anything is looked up. `request` is the message type on the wire.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../Errors.ts"
import { isStorable, lengthRule, textRule, UserId } from "../UserId.ts"
import type { Verification } from "../Verification.ts"

/** The user id of a request, if its shape is right. */
export const checkUserId = (request: string, userId: string): Effect.Effect<UserId, InvalidArgument> =>
  isUserId(userId)
    ? Effect.succeed(userId)
    : invalid(request, "userId", typeof userId !== "string" || isStorable(userId) ? lengthRule : textRule)

/** A number as it is written is 1 to 200 code points. */
export const checkPhone = (request: string, phone: Redacted.Redacted): Effect.Effect<void, InvalidArgument> => {
  if (!Redacted.isRedacted(phone)) return invalid(request, "phone", redactedRule)
  return isPhoneLength(Redacted.value(phone)) ? Effect.void : invalid(request, "phone", lengthRule)
}

/** An unknown way is refused, rather than taken for the default one, which may send an SMS. */
export const checkVerification = (
  request: string,
  verification: Verification,
  ways: ReadonlyArray<string>
): Effect.Effect<void, InvalidArgument> =>
  ways.includes(verification?._tag)
    ? Effect.void
    : invalid(request, "verification", `must be one of ${ways.join(", ")}`)

const redactedRule = "value must be a secret, as Redacted.make makes it"

/** A code as it is typed is 1 to 20 code points, and something is left of it when it is read as a code. */
export const checkCode = (
  request: string,
  typed: Redacted.Redacted,
  read: (typed: Redacted.Redacted) => Redacted.Redacted
): Effect.Effect<Redacted.Redacted, InvalidArgument> => {
  if (!Redacted.isRedacted(typed)) return invalid(request, "verificationCode", redactedRule)
  if (!isCodeLength(Redacted.value(typed))) {
    return invalid(request, "verificationCode", "value length must be between 1 and 20 runes, inclusive")
  }
  const code = read(typed)
  return Redacted.value(code) === ""
    ? invalid(request, "verificationCode", "value must not be blank")
    : Effect.succeed(code)
}

/** An idempotency key is 1 to 255 visible ASCII characters. */
export const checkIdempotencyKey = (request: string, key: string | undefined): Effect.Effect<void, InvalidArgument> =>
  key === undefined || (typeof key === "string" && /^[\x21-\x7E]{1,255}$/.test(key))
    ? Effect.void
    : invalid(request, "idempotencyKey", "value must be 1 to 255 visible ASCII characters")

const invalid = (request: string, field: string, rule: string) =>
  Effect.fail(new InvalidArgument({ request, field, rule }))

const isUserId = Schema.is(UserId)
const isPhoneLength = Schema.is(Schema.String.check(Schema.isBetweenCodePoints(1, 200)))
const isCodeLength = Schema.is(Schema.String.check(Schema.isBetweenCodePoints(1, 20)))
