/**
 * What a provider says, as it may be kept: its ids and codes are short and printable, and whatever else comes could not be
 * stored, or would break a line of a log.
 */

import type { Receipt } from "../SmsNotifier.ts"

/** At most 255 printable characters of ASCII. */
export const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 255)

/** Makes of a provider's words what can be kept. */
export type Tell = (text: string) => string

/** A receipt with a code that can be kept. */
export const keepable = (receipt: Receipt, told: Tell = printable): Receipt =>
  receipt.status === "failed" ? { ...receipt, code: told(receipt.code) } : receipt
