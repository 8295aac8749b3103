/**
 * Which counters a command charges. A number appears in a counter's name as its fingerprint only.
 *
 * Users who have proven a number by a code that was sent to it, users for whom a host has vouched, and all others are
 * counted separately, so that neither strangers nor hosts that vouch for anything can lock the number's owner out.
 */
import type * as DateTime from "effect/DateTime"
import type { Charge } from "../Counters.ts"
import type { Limits } from "../Limits.ts"
import type { CodeRecord } from "../PendingCode.ts"
import type { UserPhone } from "../UserPhone.ts"

/** What it costs to send a user a code to the number with this fingerprint. */
export const forCode = (
  { codesPerNumber, codesPerUser }: Limits,
  user: UserPhone,
  number: string,
  at: DateTime.Utc
): ReadonlyArray<Charge> => [
  ...(codesPerNumber === "off" ? [] : [{
    counter: `codes/${whose(user, number)}`,
    reason: "CODES_PER_NUMBER",
    at,
    windows: codesPerNumber
  }]),
  ...(codesPerUser === "off" ? [] : [{
    counter: `codes/user/${user.userId}`,
    reason: "CODES_PER_USER",
    at,
    windows: codesPerUser
  }])
]

/**
 * What a guess costs that was compared with these codes, the pending one first. A right guess costs nothing, but needs
 * the room that a wrong one takes: otherwise a full counter, which refuses guesses for free, would tell right guesses
 * from wrong ones.
 *
 * Codes that were only returned do not count: they went to a caller who holds `user.write`, not to the number.
 */
export const forGuess = (
  limits: Limits,
  user: UserPhone,
  { codes, right }: { readonly codes: readonly [CodeRecord, ...Array<CodeRecord>]; readonly right: boolean },
  at: DateTime.Utc
): ReadonlyArray<Charge> =>
  codes.some(({ sent }) => sent)
    ? forAttempt(limits, user, codes[0].number, at).map((charge) => right ? { ...charge, instead: "check" } : charge)
    : []

/**
 * What a guess costs at a code that was sent to the number with this fingerprint, while its outcome is not known yet.
 */
export const forAttempt = (
  { wrongGuessesPerNumber: window }: Limits,
  user: UserPhone,
  number: string,
  at: DateTime.Utc
): ReadonlyArray<Charge> =>
  window === "off" ? [] : [{
    counter: `wrong-guesses/${whose(user, number)}`,
    reason: "WRONG_GUESSES_PER_NUMBER",
    at,
    windows: [window]
  }]

/** These charges taken back. */
export const refunded = (charges: ReadonlyArray<Charge>): ReadonlyArray<Charge> =>
  charges.map((charge) => ({ ...charge, instead: "refund" }))

/** The limit that holds back a notice and nothing else. */
export const noticeLimit = "NOTICES_PER_NUMBER"

/** What it costs to send a notice to a number, by how the number was proven. */
export const forNotice = (
  { noticesPerNumber: windows }: Limits,
  proven: string,
  at: DateTime.Utc
): ReadonlyArray<Charge> =>
  windows === "off" ? [] : [{ counter: `notices/number/${proven}`, reason: noticeLimit, at, windows }]

/** The `proven` of a number to which no code was sent: a host vouched for it, or had the code returned. */
export const vouchedFor = (number: string): string => `vouched/${number}`

const whose = ({ proven }: UserPhone, number: string): string => {
  if (proven === number) return `holders-of-number/${number}`
  return proven === vouchedFor(number) ? `vouched-for-number/${number}` : `number/${number}`
}
