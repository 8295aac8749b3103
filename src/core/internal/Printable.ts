/**
 * Makes a provider's words fit to be kept and logged: ids and codes are short and printable, and quote no message.
 * Anything else could not be stored, would break a log line, or would tell a secret to whoever reads of the delivery.
 */
import * as Redacted from "effect/Redacted"
import type { PhoneNumber } from "../PhoneNumber.ts"
import type { Receipt } from "../SmsNotifier.ts"

/** Turns a provider's words into something that can be kept. */
export type Tell = (text: string) => string

/** At most 255 printable characters of ASCII. */
const printable: Tell = (text) => text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 255)

const quote = "what quotes the message"

/** For words about a known message: nothing that contains its code, or its number in any spelling. */
export const tellOf = (
  message: { readonly recipient: PhoneNumber; readonly code: Redacted.Redacted | undefined }
): Tell => {
  const code = message.code && Redacted.value(message.code)
  // The end of a number is the same with its country code, with a trunk prefix and without either.
  const end = Redacted.value<string>(message.recipient).slice(-7)
  return (text) => {
    const quotes = text.replaceAll(/\D/g, "").includes(end) || code !== undefined && text.includes(code)
    return quotes ? quote : printable(text)
  }
}

/** For words about a message that is not known any more: nothing that could be its code, or a number in any spelling. */
const tellOfAny: Tell = (text) => /\d{6}|\d(?:[ ()./-]*\d){8}/.test(text) ? quote : printable(text)

/** The kind of an error, and nothing that it says. */
export const kindOf = (error: unknown): string => {
  if (!(error instanceof Error)) return typeof error
  // A name can be anything, too.
  return /^[A-Za-z]{1,64}$/.test(error.name) ? error.name : "Error"
}

/** A receipt with a code that can be kept. */
export const keepable = (receipt: Receipt, told: Tell = tellOfAny): Receipt =>
  receipt.status === "failed" ? { ...receipt, code: told(receipt.code) } : receipt
