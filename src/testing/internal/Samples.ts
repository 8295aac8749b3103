/**
 * Made-up users, codes, messages and changes that the contract suites work on; every id is new.
 */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Charge } from "../../core/Counters.ts"
import { decideSetPhone } from "../../core/Decision.ts"
import * as Limits from "../../core/Limits.ts"
import { Outbox, type OutboxMessage } from "../../core/Outbox.ts"
import type { CodeRecord } from "../../core/PendingCode.ts"
import { E164, type PhoneNumber } from "../../core/PhoneNumber.ts"
import { OrganizationId, UserId } from "../../core/UserId.ts"
import { evolve, type UserPhone } from "../../core/UserPhone.ts"
import { type NewUser, stateOf, Users } from "../../core/Users.ts"
import { type Commit, type CommitResult, type IdempotentRequest, UserStore } from "../../core/UserStore.ts"
import { assertSame } from "./Same.ts"

export const organization = OrganizationId.make("acme")

const uuid = (): string => globalThis.crypto.randomUUID()

export const newUserId = (): UserId => UserId.make(`user-${uuid()}`)

/** A number of a made-up Swiss mobile line. */
export const numberOf = (line: number): PhoneNumber => Redacted.make(E164.make(`+4179${String(line).padStart(7, "0")}`))

export const codeFor = (now: DateTime.Utc): CodeRecord => ({
  codeId: uuid(),
  number: "fingerprint",
  digest: "digest",
  keyId: "key",
  sent: true,
  createdAt: now,
  expiresAt: DateTime.add(now, { minutes: 10 })
})

export const messageFor = (userId: UserId, codeId: string, now: DateTime.Utc): OutboxMessage => ({
  messageId: uuid(),
  userId,
  kind: "code",
  route: "sms",
  codeId,
  keyId: "key",
  sealed: Uint8Array.from([0, 1, 2, 253, 254, 255]),
  createdAt: now,
  expiresAt: DateTime.add(now, { minutes: 10 }),
  resends: 0
})

/** Registers a new active human and gives its state. */
export const register = Effect.fnUntraced(function*(changes: Partial<NewUser> = {}) {
  const users = yield* Users
  const user: NewUser = {
    userId: newUserId(),
    resourceOwner: organization,
    kind: "human",
    state: "active",
    ...changes
  }
  yield* users.register(user)
  return stateOf(user)
})

/** The commit that sets a number on `before`, with the message that carries its code. */
export const settingNumber = (before: UserPhone, number: PhoneNumber, now: DateTime.Utc): Commit => {
  const code = codeFor(now)
  const decision = decideSetPhone(
    before,
    { number, fingerprint: code.number, code },
    { now, limits: Limits.off, notices: "off", bySelf: false, chance: 0 }
  )
  if (decision._tag === "Failure") throw new Error("a sample must change the number")
  return { ...decision.success, messages: [messageFor(before.userId, code.codeId, now)] }
}

/** Folds a user's log over the state that it was registered with. */
export const folded = Effect.fnUntraced(function*(registered: UserPhone) {
  const history = yield* UserStore.use((store) => store.history(registered.userId))
  return history.reduce(evolve, registered)
})

/** Fails unless the commit was done. */
export const committed = (result: CommitResult) =>
  result._tag === "Committed" ? Effect.succeed(result.details) : Effect.die(new Error(`not committed: ${result._tag}`))

/** A charge of one unit on a counter that takes `max` a minute. */
export const charge = (counter: string, at: DateTime.Utc, max = 2): Charge => ({
  counter,
  reason: "TEST_LIMIT",
  at,
  windows: [{ max, within: Duration.minutes(1) }]
})

/** A request that is kept for a day. */
export const request = (scope: string, now: DateTime.Utc): IdempotentRequest => ({
  scope: `scope/${scope}`,
  request: "request",
  keptUntil: DateTime.add(now, { hours: 24 })
})

/** The ids of a user's messages that are waiting; they are settled on the way. */
export const messagesOf = Effect.fnUntraced(function*({ userId }: UserPhone) {
  const outbox = yield* Outbox
  const now = DateTime.add(yield* DateTime.now, { hours: 48 })
  const found: Array<string> = []
  while (true) {
    const claimed = yield* outbox.claim({ route: "sms", now, limit: 100, lease: Duration.seconds(30) })
    if (claimed.length === 0) return found
    for (const message of claimed) {
      if (message.userId === userId) found.push(message.messageId)
      yield* outbox.settle(message, { _tag: "Dropped", reason: "test" })
    }
  }
})

/** Fails unless a change of a user who had just been registered has left nothing behind. */
export const noTraceOf = Effect.fnUntraced(function*(before: UserPhone, change: Commit) {
  const store = yield* UserStore
  assertSame(yield* store.load(before.userId), before)
  assertSame(yield* store.history(before.userId), [])
  assertSame(yield* messagesOf(before), [])
  if (change.idempotency !== undefined) {
    assert.strictEqual(yield* store.recall(change.idempotency.scope, yield* DateTime.now), undefined)
  }
})
