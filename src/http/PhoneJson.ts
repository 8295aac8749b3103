/**
 * Answers as they are in JSON: sequences and times as text, secrets in the clear.
 */
import * as DateTime from "effect/DateTime"
import * as Redacted from "effect/Redacted"
import type { GetPhoneAnswer, PendingCodeStatus } from "../core/GetPhone.ts"
import type { Details } from "../core/UserStore.ts"
import type { CodeAnswer } from "../core/Verification.ts"
import type { CodeResponse, DetailsResponse, GetPhoneResponse } from "./PhoneApi.ts"

/**
 * Of setting and resending.
 *
 * @category conversions
 * @since 0.1.0
 */
export const codeAnswer = ({ details, verificationCode }: CodeAnswer): typeof CodeResponse.Encoded => ({
  details: detailsJson(details),
  ...(verificationCode === undefined ? {} : { verificationCode: Redacted.value(verificationCode) })
})

/**
 * Of verifying, removing and unlocking.
 *
 * @category conversions
 * @since 0.1.0
 */
export const detailsAnswer = ({ details }: { readonly details: Details }): typeof DetailsResponse.Encoded => ({
  details: detailsJson(details)
})

const detailsJson = ({ changeDate, resourceOwner, sequence }: Details) => ({
  sequence: String(sequence),
  changeDate: timeJson(changeDate),
  resourceOwner
})

const timeJson = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(".000Z", "Z")

/**
 * Of reading.
 *
 * @category conversions
 * @since 0.1.0
 */
export const phoneAnswer = (
  { details, pendingCode, phone, verificationOff }: GetPhoneAnswer
): typeof GetPhoneResponse.Encoded => ({
  details: {
    ...(details.sequence === 0n ? {} : { sequence: String(details.sequence) }),
    ...(details.changeDate === undefined ? {} : { changeDate: timeJson(details.changeDate) }),
    resourceOwner: details.resourceOwner
  },
  phone: phone === undefined
    ? {}
    : { phone: Redacted.value<string>(phone.number), ...(phone.verified ? { isVerified: true as const } : {}) },
  ...(pendingCode === undefined ? {} : { pendingCode: pendingCodeJson(pendingCode) }),
  ...(verificationOff ? { verificationOff: true as const } : {})
})

const pendingCodeJson = ({ canResendAt, delivery, expiresAt, guessesLeft }: PendingCodeStatus) => ({
  expiresAt: timeJson(expiresAt),
  ...(guessesLeft === undefined ? {} : { guessesLeft }),
  canResendAt: timeJson(canResendAt),
  ...(delivery === undefined ? {} : {
    delivery: {
      state: delivery.state,
      attempts: delivery.attempts,
      ...(delivery.reason === undefined ? {} : { reason: delivery.reason })
    }
  })
})
