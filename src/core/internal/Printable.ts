/**
 * What a provider says, as it may be kept: its ids and codes are short and printable, and whatever else comes could not be
 * stored, or would break a line of a log.
 */

import type { Receipt } from "../SmsNotifier.ts"

/** At most 255 printable characters of ASCII. */
export const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 255)

/** A receipt with a code that can be kept. */
export const keepable = (receipt: Receipt): Receipt =>
  receipt.status === "failed" ? { ...receipt, code: printable(receipt.code) } : receipt
