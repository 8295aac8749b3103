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
 * The answer to SetPhone and ResendPhoneCode.
 *
 * @category conversions
 * @since 0.1.0
 */
export const codeAnswer = ({ details, verificationCode }: CodeAnswer): typeof CodeResponse.Encoded =>
  present({ details: detailsJson(details), verificationCode: verificationCode && Redacted.value(verificationCode) })

/**
 * The answer to VerifyPhone, RemovePhone and UnlockPhoneVerification.
 *
 * @category conversions
 * @since 0.1.0
 */
export const detailsAnswer = ({ details }: { readonly details: Details }): typeof DetailsResponse.Encoded => ({
  details: detailsJson(details)
})

const detailsJson = ({ changeDate, resourceOwner, sequence }: Details): typeof DetailsResponse.Encoded["details"] => ({
  sequence: String(sequence),
  changeDate: timeJson(changeDate),
  resourceOwner
})

const timeJson = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(".000Z", "Z")

/**
 * The answer to GetPhone.
 *
 * @category conversions
 * @since 0.1.0
 */
export const phoneAnswer = (
  { details, pendingCode, phone, verificationOff }: GetPhoneAnswer
): PhoneResponse =>
  present<PhoneResponse>({
    details: present<PhoneResponse["details"]>({
      sequence: details.sequence === 0n ? undefined : String(details.sequence),
      changeDate: details.changeDate && timeJson(details.changeDate),
      resourceOwner: details.resourceOwner
    }),
    phone: present<PhoneResponse["phone"]>({
      phone: phone && Redacted.value<string>(phone.number),
      isVerified: phone?.verified === true ? true : undefined
    }),
    pendingCode: pendingCode && pendingCodeJson(pendingCode),
    verificationOff: verificationOff ? true : undefined
  })

type PhoneResponse = typeof GetPhoneResponse.Encoded
type PendingCode = NonNullable<PhoneResponse["pendingCode"]>

const pendingCodeJson = ({ canResendAt, delivery, expiresAt, guessesLeft }: PendingCodeStatus) =>
  present<PendingCode>({
    expiresAt: timeJson(expiresAt),
    guessesLeft,
    canResendAt: timeJson(canResendAt),
    delivery: delivery && present<NonNullable<PendingCode["delivery"]>>({
      state: delivery.state,
      attempts: delivery.attempts,
      reason: delivery.reason
    })
  })

/** The object without its undefined members. The type asks for every member by name, so that none is forgotten. */
const present = <A extends object>(all: { readonly [Name in keyof Required<A>]: A[Name] | undefined }): A => {
  const made: Partial<A> = {}
  for (const name of Object.keys(all) as Array<keyof A>) {
    if (all[name] !== undefined) made[name] = all[name]
  }
  return made as A
}
