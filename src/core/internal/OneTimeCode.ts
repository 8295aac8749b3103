/**
 * Makes a code for a number and puts it into the messages that carry it. The code exists in clear only in between.
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { CodeGenerator } from "../CodeGenerator.ts"
import { CodeVault } from "../CodeVault.ts"
import type { Decision } from "../Decision.ts"
import type { OutboxMessage } from "../Outbox.ts"
import type { PhoneNumber } from "../PhoneNumber.ts"
import type { UserId } from "../UserId.ts"
import type { CodeRecord } from "../UserPhone.ts"

export const make = Effect.gen(function*() {
  const generator = yield* CodeGenerator
  const vault = yield* CodeVault
  const random = yield* SecureRandom.SecureRandom

  return {
    /** A new code that proves this number for this user, and what is kept of it. */
    issue: Effect.fnUntraced(function*({ now, number, sent, userId }: {
      readonly userId: UserId
      readonly number: PhoneNumber
      readonly sent: boolean
      readonly now: DateTime.Utc
    }) {
      const codeId = yield* random.uuidV4()
      const code = yield* generator.next
      const { digest, keyId } = yield* vault.digest(code, { userId, number, codeId })
      const record: CodeRecord = {
        codeId,
        number: yield* vault.fingerprint("number", [Redacted.value(number)]),
        digest,
        keyId,
        sent,
        createdAt: now,
        expiresAt: DateTime.addDuration(now, generator.lifetime)
      }
      return { code, record }
    }),

    /** The messages that a decision calls for, sealed. */
    enclose: Effect.fnUntraced(function*(decision: Decision, code: Redacted.Redacted | undefined, now: DateTime.Utc) {
      const { language, userId } = decision.after
      const messages: Array<OutboxMessage> = []
      for (const { codeId, expiresAt, kind, recipient } of decision.messages) {
        if (code === undefined) return yield* Effect.die(new Error("a code message without a code"))
        const messageId = yield* random.uuidV7()
        const sealed = yield* vault.seal({ kind, recipient, language, code }, { messageId, userId, codeId })
        messages.push({ messageId, userId, kind, codeId, ...sealed, createdAt: now, expiresAt })
      }
      return messages
    })
  }
})
