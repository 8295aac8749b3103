/**
 * A user's life in commits: every event, with every member that it may have, and so every member of the state.
 */
import * as DateTime from "effect/DateTime"
import type { CodeRecord } from "../../core/PendingCode.ts"
import { evolve, nextEvent, type PhoneChange, type UserPhone } from "../../core/UserPhone.ts"
import type { Commit } from "../../core/UserStore.ts"
import { codeFor, numberOf } from "./Samples.ts"

/** The changes of each commit, one commit a second. */
const changesFrom = (start: DateTime.Utc): ReadonlyArray<readonly [PhoneChange, ...Array<PhoneChange>]> => {
  const second = (count: number) => DateTime.add(start, { seconds: count })
  const [previous, current]: readonly [CodeRecord, CodeRecord] = [codeFor(second(-30)), {
    ...codeFor(start),
    sent: false
  }]
  const { codeId } = current
  const messageId = globalThis.crypto.randomUUID()
  const wait = { step: 3, sentAt: start, until: second(240) }
  const ownCode = { _tag: "OwnCode" as const, current, previous, resends: 2, wrongGuesses: 1 }
  const providerCode = {
    _tag: "ProviderCode" as const,
    codeId: globalThis.crypto.randomUUID(),
    number: "fingerprint of another number",
    providerId: "provider",
    createdAt: second(6),
    expiresAt: second(606),
    wrongGuesses: 0
  }
  const ofProvider = { codeId: providerCode.codeId }
  return [
    [{ type: "user.human.phone.changed", number: numberOf(1) }, {
      type: "user.human.phone.code.added",
      pending: ownCode,
      wait
    }],
    [{ type: "user.human.phone.code.sent", codeId, messageId }],
    [{ type: "user.human.phone.code.delivered", codeId, messageId }],
    [{ type: "user.human.phone.verification.failed", codeId }],
    [{ type: "user.human.phone.verification.unlocked" }],
    [{ type: "user.human.phone.verified", proven: "fingerprint", vouched: false }],
    [{ type: "user.human.phone.changed", number: numberOf(2) }, {
      type: "user.human.phone.code.added",
      pending: providerCode
    }],
    [{ type: "user.human.phone.code.sent", ...ofProvider, messageId, verificationId: "verification" }],
    [{ type: "user.human.phone.code.undelivered", ...ofProvider, messageId, code: "30005" }],
    [{ type: "user.human.phone.verification.attempted", ...ofProvider, attemptId: "first" }],
    [{ type: "user.human.phone.verification.unanswered", ...ofProvider, attemptId: "first" }],
    [{ type: "user.human.phone.verification.attempted", ...ofProvider, attemptId: "second" }],
    [{ type: "user.human.phone.verification.attempted", ...ofProvider, attemptId: "third" }],
    [{ type: "user.human.phone.verification.failed", ...ofProvider, attemptId: "second" }],
    [{ type: "user.human.phone.verification.unanswered", ...ofProvider, attemptId: "third", dead: "spent" }],
    [{ type: "user.human.phone.verification.attempted", ...ofProvider, attemptId: "fourth" }],
    [{ type: "user.human.phone.verified", proven: "another", vouched: false, attemptId: "fourth" }],
    [{ type: "user.human.phone.removed" }],
    [{ type: "user.human.phone.changed", number: numberOf(3) }, {
      type: "user.human.phone.verified",
      proven: "third",
      vouched: true
    }]
  ]
}

/** The commits of a life that begins now. */
export const lifeOf = (registered: UserPhone, now: DateTime.Utc): ReadonlyArray<Commit> => {
  let user = registered
  return changesFrom(now).map(([first, ...others], seconds) => {
    const before = user
    const append = (change: PhoneChange) => {
      const event = nextEvent(user, change, DateTime.add(now, { seconds }))
      user = evolve(user, event)
      return event
    }
    return { before, events: [append(first), ...others.map(append)], after: user, messages: [], charges: [] }
  })
}
