/**
 * Deep equality that also looks into `Redacted` values and errors. To Vitest, two `Redacted` are equal whatever they
 * hide, and so are two errors with one message, whatever else they carry.
 */
import { assert } from "@effect/vitest"
import * as Redacted from "effect/Redacted"

export const assertSame = (actual: unknown, expected: unknown, what?: string): void =>
  assert.deepStrictEqual(revealed(actual), revealed(expected), what)

const revealed = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return { redacted: Redacted.value(value) }
  if (Array.isArray(value)) return value.map(revealed)
  if (value instanceof Error) return { error: value.name, message: value.message, ...revealedMembers(value) }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return revealedMembers(value)
  }
  return value
}

const revealedMembers = (value: object) =>
  Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revealed(member)]))
