/**
 * Makes a code for a number, or has a provider make it, and seals the messages that a decision calls for. The code is
 * in clear text only in between.
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { CodeGenerator } from "../CodeGenerator.ts"
import { CodeVault, type MessageBody } from "../CodeVault.ts"
import type { Decision, MessageIntent, NewCode } from "../Decision.ts"
import type { OutboxMessage } from "../Outbox.ts"
import type { CodeRecord } from "../PendingCode.ts"
import type { PhoneNumber } from "../PhoneNumber.ts"
import type { UserId } from "../UserId.ts"
import type { UserPhone } from "../UserPhone.ts"
import { VerificationProvider } from "../VerificationProvider.ts"
import * as Numbers from "./Numbers.ts"

/** The number that a code proves, and its fingerprint. */
export interface Proves {
  readonly number: PhoneNumber
  readonly fingerprint: string
}

export const make = Effect.gen(function*() {
  const generator = yield* CodeGenerator
  const vault = yield* CodeVault
  const random = yield* SecureRandom.SecureRandom
  const provider = yield* VerificationProvider
  const numbers = yield* Numbers.make
  const { enclose } = yield* makeEnvelope

  return {
    enclose,

    /**
     * A new code that proves this number for this user, and what is kept of it. A provider's code is not known here; a
     * test number's code is fixed.
     */
    issue: Effect.fnUntraced(function*({ now, proves: { fingerprint, number }, sent, userId }: {
      readonly userId: UserId
      readonly proves: Proves
      readonly sent: boolean
      readonly now: DateTime.Utc
    }) {
      const codeId = yield* random.uuidV4()
      const listed = numbers.listed(number, now)
      if (provider !== undefined && listed === undefined) {
        const { id: providerId, lifetime } = provider
        const expiresAt = DateTime.addDuration(now, lifetime)
        const record: NewCode = { codeId, number: fingerprint, providerId, createdAt: now, expiresAt }
        return { code: undefined, record }
      }
      const code = listed?.code ?? (yield* generator.next)
      const expiresAt = DateTime.addDuration(now, generator.lifetime)
      const { digest, keyId } = yield* vault.digest(code, { userId, number, codeId })
      const record: CodeRecord = {
        codeId,
        number: fingerprint,
        digest,
        keyId,
        sent,
        createdAt: now,
        expiresAt: listed === undefined ? expiresAt : DateTime.min(expiresAt, listed.until)
      }
      return { code, record }
    })
  }
})

/** The part that needs no code generator. */
export const makeEnvelope = Effect.gen(function*() {
  const vault = yield* CodeVault
  const random = yield* SecureRandom.SecureRandom

  const seal = Effect.fnUntraced(function*(
    intent: MessageIntent,
    { language, userId }: UserPhone,
    code: Redacted.Redacted | undefined,
    createdAt: DateTime.Utc
  ) {
    const messageId = yield* random.uuidV7()
    const codeId = intent.kind === "code" ? intent.codeId : undefined
    const sealed = yield* vault.seal(bodyOf(intent, language, code), { messageId, userId, codeId })
    const { expiresAt, kind } = intent
    const route = intent.kind === "code" ? intent.route : "sms"
    const resends = intent.kind === "code" ? intent.resends : 0
    const message: OutboxMessage = { messageId, userId, kind, route, codeId, ...sealed, createdAt, expiresAt, resends }
    return message
  })

  return {
    /** The messages that a decision calls for, sealed. */
    enclose: ({ after, messages }: Decision, code: Redacted.Redacted | undefined, now: DateTime.Utc) =>
      Effect.forEach(messages, (intent) => seal(intent, after, code, now))
  }
})

const bodyOf = (
  intent: MessageIntent,
  language: string | undefined,
  code: Redacted.Redacted | undefined
): MessageBody =>
  intent.kind === "code"
    ? { kind: "code", recipient: intent.recipient, language, code }
    : { kind: "notice", recipient: intent.recipient, language, change: intent.change }
