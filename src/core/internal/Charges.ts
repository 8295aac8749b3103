/**
 * Which counters a command charges. A number appears in a counter's name as its fingerprint only.
 *
 * Those who have proven a number by a code that was sent to it count apart from those for whom a host has vouched, and both
 * from all others, so that neither strangers nor hosts who vouch for anything can lock its owner out.
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
 * What a guess costs that was compared with these codes, the pending one first. A right one costs nothing, but needs the
 * room that a wrong one takes: else it would be told from a wrong one at a full counter, where guesses are refused for free.
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

/** What a guess costs whose outcome is not known yet, at a code that was sent to the number with this fingerprint. */
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

/** The limit that keeps a notice back, and nothing else. */
export const noticeLimit = "NOTICES_PER_NUMBER"

/** What it costs to send a notice to a number, by what it stands proven as. */
export const forNotice = (
  { noticesPerNumber: windows }: Limits,
  proven: string,
  at: DateTime.Utc
): ReadonlyArray<Charge> =>
  windows === "off" ? [] : [{ counter: `notices/number/${proven}`, reason: noticeLimit, at, windows }]

/** As what a number stands proven that nothing was sent to: a host vouched for it, or had the code returned. */
export const vouchedFor = (number: string): string => `vouched/${number}`

const whose = ({ proven }: UserPhone, number: string): string => {
  if (proven === number) return `holders-of-number/${number}`
  return proven === vouchedFor(number) ? `vouched-for-number/${number}` : `number/${number}`
}
