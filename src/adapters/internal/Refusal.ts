/**
 * Turns a provider's refusal of a message into an error of the core.
 *
 * Codes are taken only in the form that the vendor documents: anything else in an answer may quote the number or the
 * text, and is left out.
 */
import type * as Duration from "effect/Duration"
import {
  AccountRefused,
  DestinationRefused,
  OptedOut,
  Permanent,
  SmsNotSent,
  Throttled,
  Transient
} from "../../core/SmsNotifier.ts"

/** The classes that a vendor's code may belong to. */
export type Refusal = "Transient" | "Throttled" | "Permanent" | "OptedOut" | "AccountRefused" | "DestinationRefused"

/** `code` is what is kept of the answer: the vendor's code, or a word such as `HTTP 500`. */
export const notSent = (refusal: Refusal, code: string, retryAfter?: Duration.Duration): SmsNotSent => {
  const wait = retryAfter === undefined ? {} : { retryAfter }
  switch (refusal) {
    case "Transient":
      return new SmsNotSent({ reason: new Transient({ cause: code, ...wait }) })
    case "Throttled":
      return new SmsNotSent({ reason: new Throttled(wait) })
    case "Permanent":
      return new SmsNotSent({ reason: new Permanent({ code }) })
    case "OptedOut":
      return new SmsNotSent({ reason: new OptedOut() })
    case "AccountRefused":
      return new SmsNotSent({ reason: new AccountRefused({ code }) })
    case "DestinationRefused":
      return new SmsNotSent({ reason: new DestinationRefused({ code }) })
  }
}

/** What an HTTP status says if the vendor's own code says nothing. */
export const ofStatus = (status: number): Refusal => {
  if (status === 429) return "Throttled"
  // These say nothing about the message: no credentials, no funds, not allowed, nothing there, not by this method.
  if ([401, 402, 403, 404, 405, 410].includes(status)) return "AccountRefused"
  // 408: the request took too long; 425: too early. A redirect is not followed, since it would take credentials along.
  if (status === 408 || status === 425 || status < 400 || status >= 500) return "Transient"
  return "Permanent"
}
