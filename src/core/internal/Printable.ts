/**
 * Makes a provider's words fit to be kept: ids and codes are short and printable, and anything else could not be stored
 * or would break a log line.
 */

import type { Receipt } from "../SmsNotifier.ts"

/** At most 255 printable characters of ASCII. */
export const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 255)

/** Turns a provider's words into something that can be kept. */
export type Tell = (text: string) => string

/** A receipt with a code that can be kept. */
export const keepable = (receipt: Receipt, told: Tell = printable): Receipt =>
  receipt.status === "failed" ? { ...receipt, code: told(receipt.code) } : receipt
