/**
 * Deep equality that also looks into `Redacted` values, which Vitest's own takes for equal whatever they hide.
 */
import { assert } from "@effect/vitest"
import * as Redacted from "effect/Redacted"

export const assertSame = (actual: unknown, expected: unknown): void =>
  assert.deepStrictEqual(revealed(actual), revealed(expected))

const revealed = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return { redacted: Redacted.value(value) }
  if (Array.isArray(value)) return value.map(revealed)
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, revealed(member)]))
  }
  return value
}
