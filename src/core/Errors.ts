/**
 * Every failure that a caller can meet, one class each. None carries a phone number, a code or a token.
 *
 * The two transports translate them by one table (`src/http/Status.ts`). A comment says how an error differs from its
 * neighbours, which is what a caller needs in order to decide what to do.
 */
import * as Schema from "effect/Schema"

/**
 * The caller is not known: there is no token, a header that is not a bearer token, or a token that is not valid (any
 * more). Unlike `PermissionDenied`, another token may help.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  reason: Schema.Literals(["TokenMissing", "HeaderMalformed", "TokenInvalid"])
}) {
  override get message() {
    return {
      TokenMissing: "auth header missing",
      HeaderMalformed: "invalid auth header",
      TokenInvalid: "Token is invalid"
    }[this.reason]
  }
}

/**
 * The caller is known and may not do this. If the request is about another user, this is answered before that user is
 * looked up, so it does not tell whether the user exists.
 *
 * @category errors
 * @since 0.1.0
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {}) {
  override get message() {
    return "No matching permissions found"
  }
}

/**
 * There is no such human user for this caller: unknown, removed, a machine user, or a user of an organisation in which
 * the caller has no rights. The answer is the same to the letter in all four cases.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {
  override get message() {
    return "Phone not found"
  }
}

/**
 * The request's shape is wrong: a field is missing, too long, of another type, or two members of one choice are set.
 * Unlike `InvalidPhoneNumber`, this is seen without knowing anything about phones.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  /** The message type on the wire, such as `SetPhoneRequest`. */
  request: Schema.String,
  /** The member at fault in lower camel case, such as `userId`; absent when the request as a whole is at fault. */
  field: Schema.optionalKey(Schema.String),
  /** What the rule is, such as `value length must be between 1 and 200 runes, inclusive`. */
  rule: Schema.String
}) {
  override get message() {
    const path = this.field === undefined ? "" : `.${this.field.charAt(0).toUpperCase()}${this.field.slice(1)}`
    return `invalid ${this.request}${path}: ${this.rule}`
  }
}

/**
 * The text is not a phone number that this service takes; `reason` says why. Unlike `PhoneNotChanged`, no user can
 * have this number.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidPhoneNumber extends Schema.TaggedError<InvalidPhoneNumber>()("InvalidPhoneNumber", {
  reason: Schema.Literals(["NotANumber", "NoCountryCode", "NotValid", "TypeRefused", "RegionRefused"])
}) {
  override get message() {
    return "Phone is invalid"
  }

  /** What is wrong and what to do, for the caller. */
  get rule() {
    return {
      NotANumber: "must be a phone number: a plus sign, a country code and digits, such as +41791234567",
      NoCountryCode: "must start with a plus sign and a country code, such as +41791234567",
      NotValid: "must be a number that exists in its country's numbering plan; check for a missing or extra digit",
      TypeRefused: "must be a number of a line type that is accepted here, such as a mobile number",
      RegionRefused: "must be a number of a country that is accepted here"
    }[this.reason]
  }
}

/**
 * The user exists but has not finished signing up, so its phone cannot be set yet.
 *
 * @category errors
 * @since 0.1.0
 */
export class UserNotInitialized extends Schema.TaggedError<UserNotInitialized>()("UserNotInitialized", {}) {
  override get message() {
    return "User is not yet initialized"
  }
}

/**
 * The user already has this very number, verified or not. To get another code, resend instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class PhoneNotChanged extends Schema.TaggedError<PhoneNotChanged>()("PhoneNotChanged", {}) {
  override get message() {
    return "Phone not changed"
  }
}

/**
 * The user has no phone to remove. Unlike `NotFound`, there is such a user.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoPhone extends Schema.TaggedError<NoPhone>()("NoPhone", {}) {
  override get message() {
    return "Phone not found"
  }
}

/**
 * No code is pending that a new one could follow: there never was one, or the number is verified, changed or removed.
 * Set a number instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoPendingCode extends Schema.TaggedError<NoPendingCode>()("NoPendingCode", {}) {
  override get message() {
    return "Code is empty"
  }
}

/**
 * A provider makes the codes here and reveals them to nobody. Ask for the code to be sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class CodeNotReturnable extends Schema.TaggedError<CodeNotReturnable>()("CodeNotReturnable", {}) {
  override get message() {
    return "the code is made by a provider and cannot be returned; ask for it to be sent"
  }
}

/**
 * The code proves nothing. Only with `CODE_WRONG` was the guess compared and counted; with the other reasons, and when
 * no guesses are left, a new code is needed. Unlike `TooManyRequests`, waiting does not help.
 *
 * - `CODE_WRONG`: it is not the code.
 * - `CODE_SPENT`: too many wrong guesses were made on the pending code, so no guess is checked any more, right or
 *   wrong.
 * - `CODE_EXPIRED`: the pending code is too old, or the key to check it with is gone.
 * - `NO_CODE`: there is no pending code; it may have been used already.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidCode extends Schema.TaggedError<InvalidCode>()("InvalidCode", {
  reason: Schema.Literals(["CODE_WRONG", "CODE_SPENT", "CODE_EXPIRED", "NO_CODE"]),
  /**
   * How many more guesses at the pending code will be checked; absent if guesses are not limited. Wrong guesses by
   * others at the same phone number may leave fewer.
   */
  guessesLeft: Schema.optionalKey(Schema.Natural)
}) {
  override get message() {
    return "Code is invalid"
  }
}

/**
 * After too many wrong codes in a row, nobody can verify this user's phone, and the user cannot set it or ask for a
 * code. Unlike `TooManyRequests`, waiting does not help: someone else with `user.write` has to unlock it.
 *
 * @category errors
 * @since 0.1.0
 */
export class VerificationOff extends Schema.TaggedError<VerificationOff>()("VerificationOff", {}) {
  override get message() {
    return "phone verification is off after too many wrong codes, until it is unlocked by someone with user.write"
  }
}

/**
 * A limit is reached; nothing was changed, sent or counted. Unlike `Unavailable`, the time to come back is known.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", {
  /**
   * The limit's name: `WAIT_BETWEEN_CODES`, `CODES_PER_NUMBER`, `CODES_PER_USER`, `WRONG_GUESSES_PER_USER` or
   * `WRONG_GUESSES_PER_NUMBER`.
   */
  reason: Schema.String,
  /** When the same request may succeed. */
  until: Schema.DateTimeUtc
}) {
  override get message() {
    return "Too many requests"
  }
}

/**
 * The idempotency key was used within the last 24 hours for a different request. Take a new key.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdempotencyKeyReused extends Schema.TaggedError<IdempotencyKeyReused>()("IdempotencyKeyReused", {}) {
  override get message() {
    return "the idempotency key was used for another request"
  }
}

/**
 * The database, a provider or this process cannot answer now. Whether a change was made is then not known for certain;
 * an idempotency key makes it safe to repeat SetPhone and ResendPhoneCode, and after VerifyPhone, GetPhone tells
 * whether the number is verified.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  /**
   * What cannot be reached, for the operator's log; never shown to a caller. The adapter uses its own words, since
   * those of a driver or a provider can quote a row or a request.
   */
  cause: Schema.String
}) {
  override get message() {
    return "the service is unavailable, try again later"
  }
}
