/** The aggregate, without any layer: what a command decides and what an event does. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Redacted, Result } from "effect"
import { E164, type PhoneNumber } from "../../src/core/PhoneNumber.ts"
import { OrganizationId, UserId } from "../../src/core/UserId.ts"
import {
  type CodeRecord,
  decideSetPhone,
  evolve,
  noGuesses,
  type PhoneChange,
  type SetPhoneCommand,
  type UserPhone
} from "../../src/core/UserPhone.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"

const at = (seconds: number) => DateTime.makeUnsafe(Date.UTC(2030, 0, 1) + seconds * 1000)
const number = (line: string): PhoneNumber => Redacted.make(E164.make(`+4179000000${line}`))

const registered: UserPhone = {
  userId: UserId.make("ada"),
  resourceOwner: OrganizationId.make("demo"),
  kind: "human",
  state: "active",
  language: "de",
  sequence: 0n,
  changeDate: undefined,
  phone: undefined,
  pending: undefined,
  guesses: noGuesses
}

const code = (codeId: string, now: DateTime.Utc): CodeRecord => ({
  codeId,
  number: "fingerprint",
  digest: "digest",
  keyId: "key",
  createdAt: now,
  expiresAt: DateTime.add(now, { minutes: 10 })
})

const decide = (user: UserPhone, command: SetPhoneCommand, now: DateTime.Utc) =>
  Result.getOrThrow(decideSetPhone(user, command, now))

const fold = (user: UserPhone, changes: ReadonlyArray<PhoneChange>, from = at(0)): UserPhone =>
  changes.reduce(
    (state, change, index) =>
      evolve(state, { sequence: state.sequence + 1n, at: DateTime.add(from, { seconds: index }), change }),
    user
  )

const added = (codeId: string): PhoneChange => ({
  type: "user.human.phone.code.added",
  pending: { _tag: "OwnCode", current: code(codeId, at(0)), wrongGuesses: 0 },
  returned: false
})
const failed: PhoneChange = { type: "user.human.phone.verification.failed", codeId: "c" }
const changed = (line: string): PhoneChange => ({ type: "user.human.phone.changed", number: number(line) })

describe("decideSetPhone", () => {
  it("sets the number unverified, adds the code and calls for one message to the new number", () => {
    const decision = decide(
      registered,
      { number: number("1"), proof: { code: code("c", at(0)), deliver: "Send" } },
      at(0)
    )
    assertSame(decision, {
      before: registered,
      events: [
        { sequence: 1n, at: at(0), change: { type: "user.human.phone.changed", number: number("1") } },
        {
          sequence: 2n,
          at: at(0),
          change: {
            type: "user.human.phone.code.added",
            pending: { _tag: "OwnCode", current: code("c", at(0)), wrongGuesses: 0 },
            returned: false
          }
        }
      ],
      after: {
        ...registered,
        sequence: 2n,
        changeDate: at(0),
        phone: { number: number("1"), verified: false },
        pending: { _tag: "OwnCode", current: code("c", at(0)), wrongGuesses: 0 }
      },
      messages: [{
        kind: "code",
        recipient: number("1"),
        codeId: "c",
        expiresAt: DateTime.add(at(0), { minutes: 10 })
      }]
    })
  })

  it("sends nothing when the code is returned", () => {
    const decision = decide(
      registered,
      { number: number("1"), proof: { code: code("c", at(0)), deliver: "Return" } },
      at(0)
    )
    assertSame(decision.messages, [])
    const { change } = decision.events[1]!
    assert.isTrue(change.type === "user.human.phone.code.added" && change.returned)
  })

  it("verifies at once, without a code, when the host vouches for the number", () => {
    const decision = decide(registered, { number: number("1"), proof: "Vouched" }, at(0))
    assertSame(decision.events.map(({ change }) => change.type), [
      "user.human.phone.changed",
      "user.human.phone.verified"
    ])
    assertSame(decision.after.phone, { number: number("1"), verified: true })
    assert.strictEqual(decision.after.pending, undefined)
    assertSame(decision.messages, [])
  })

  it("refuses the number that the user has, verified or not, whatever the proof", () => {
    const proofs = ["Vouched", { code: code("c", at(1)), deliver: "Send" }, {
      code: code("c", at(1)),
      deliver: "Return"
    }] as const
    for (const verified of [true, false]) {
      const user = { ...registered, phone: { number: number("1"), verified } }
      for (const proof of proofs) {
        const result = decideSetPhone(user, { number: number("1"), proof }, at(1))
        assert.strictEqual(Result.isFailure(result) && result.failure._tag, "PhoneNotChanged")
      }
    }
  })

  it("replaces a verified number and takes the pending code of the old one with it", () => {
    const before = fold(registered, [changed("1"), { type: "user.human.phone.verified", vouched: true }, added("old")])
    const { after } = decide(before, { number: number("2"), proof: "Vouched" }, at(9))
    assertSame(after.phone, { number: number("2"), verified: true })
    assert.strictEqual(after.pending, undefined)
    assert.strictEqual(after.sequence, 5n)
  })

  it("never dates a change before the one before it, whatever the clock says", () => {
    const before = { ...registered, sequence: 4n, changeDate: at(100) }
    const decision = decide(before, { number: number("1"), proof: "Vouched" }, at(50))
    assertSame(decision.events.map((event) => event.at), [at(100), at(100)])
    assertSame(decision.after.changeDate, at(100))
  })

  it("answers the state that its events fold to", () => {
    const { after, before, events } = decide(
      registered,
      { number: number("1"), proof: { code: code("c", at(3)), deliver: "Send" } },
      at(3)
    )
    assertSame(events.reduce(evolve, before), after)
  })
})

describe("evolve", () => {
  it("drops the pending code with the number", () => {
    assert.strictEqual(fold(registered, [changed("1"), added("c"), changed("2")]).pending, undefined)
    const removed = fold(registered, [changed("1"), added("c"), { type: "user.human.phone.removed" }])
    assert.strictEqual(removed.phone, undefined)
    assert.strictEqual(removed.pending, undefined)
  })

  it("keeps only the latest pending code", () => {
    const { pending } = fold(registered, [changed("1"), added("old"), added("new")])
    assert.strictEqual(pending?._tag === "OwnCode" && pending.current.codeId, "new")
  })

  it("verifies the number that is there, and none where there is none", () => {
    const verified: PhoneChange = { type: "user.human.phone.verified", vouched: false }
    assert.isTrue(fold(registered, [changed("1"), verified]).phone?.verified)
    assert.strictEqual(fold(registered, [verified]).phone, undefined)
  })

  it("counts wrong guesses on the code, in a row, and by time, and forgets none of the ten youngest", () => {
    const { guesses, pending } = fold(registered, [
      changed("1"),
      added("c"),
      ...Array.from({ length: 12 }, () => failed)
    ])
    assert.strictEqual(pending?.wrongGuesses, 12)
    assert.strictEqual(guesses.wrongInARow, 12)
    assertSame(guesses.wrongAt, Array.from({ length: 10 }, (_, index) => at(13 - index)))
  })

  it("ends the row of wrong guesses with a right one only, and keeps their times", () => {
    const before = fold(registered, [changed("1"), added("c"), failed, failed])
    for (const change of [changed("2"), added("d"), { type: "user.human.phone.removed" } as const]) {
      assertSame(fold(before, [change]).guesses, before.guesses)
    }
    assertSame(fold(before, [{ type: "user.human.phone.verified", vouched: true }]).guesses, before.guesses)
    assertSame(fold(before, [{ type: "user.human.phone.verified", vouched: false }]).guesses, {
      ...before.guesses,
      wrongInARow: 0
    })
  })

  it("changes nothing but sequence and date when a code was sent", () => {
    const before = fold(registered, [changed("1"), added("c")])
    assertSame(
      evolve(before, {
        sequence: 3n,
        at: at(7),
        change: { type: "user.human.phone.code.sent", codeId: "c", messageId: "m" }
      }),
      { ...before, sequence: 3n, changeDate: at(7) }
    )
  })
})
