/**
 * Receipt ids: what a provider names when it reports on a message. Each holds the message's id and a keyed part of 132
 * bits, so that nobody else can make one. Receipt ids are not stored.
 */
import * as Effect from "effect/Effect"
import { CodeVault } from "../CodeVault.ts"

/** In characters of 6 bits each. */
const keyedLength = 22

export const make = Effect.gen(function*() {
  const vault = yield* CodeVault

  const of = (messageId: string): Effect.Effect<string> =>
    Effect.map(
      vault.fingerprint("receipt", [messageId]),
      (fingerprint) => `${messageId}.${fingerprint.slice(0, keyedLength)}`
    )

  return {
    of,
    /** The message of a receipt id, or undefined if the id was not made here. */
    read: Effect.fnUntraced(function*(receiptId: string) {
      const messageId = receiptId.slice(0, -keyedLength - 1)
      return isSame(receiptId, yield* of(messageId)) ? messageId : undefined
    })
  }
})

/** Takes the same time wherever the two differ. */
const isSame = (given: string, expected: string): boolean => {
  let difference = given.length ^ expected.length
  for (let index = 0; index < expected.length; index++) {
    difference |= given.charCodeAt(index) ^ expected.charCodeAt(index)
  }
  return difference === 0
}
