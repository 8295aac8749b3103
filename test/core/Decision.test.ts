/** What commands come to, without any layer. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { decideSetPhone, type SetPhoneCommand, type Situation } from "../../src/core/Decision.ts"
import * as Limits from "../../src/core/Limits.ts"
import { evolve, type UserPhone } from "../../src/core/UserPhone.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { added, at, changed, code, fingerprint, fold, number, registered, vouched } from "../fixtures/Aggregate.ts"

const situation = (now: DateTime.Utc, more: Partial<Situation> = {}): Situation => ({
  now,
  limits: Limits.off,
  bySelf: true,
  chance: 0,
  ...more
})

const command = { number: number("1"), fingerprint: fingerprint("1") }

const set = (
  user: UserPhone,
  changes: Partial<SetPhoneCommand> & Pick<SetPhoneCommand, "proof">,
  now = at(0),
  more: Partial<Situation> = {}
) => Result.getOrThrow(decideSetPhone(user, { ...command, ...changes }, situation(now, more)))

describe("decideSetPhone", () => {
  it("sets the number unverified, adds the code and calls for one message to the new number", () => {
    const decision = set(registered, { proof: { record: code("c", at(0)), deliver: "Send" } })
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
      }],
      charges: []
    })
  })

  it("sends nothing when the code is returned", () => {
    const decision = set(registered, { proof: { record: code("c", at(0)), deliver: "Return" } })
    assertSame(decision.messages, [])
    const { change } = decision.events[1]!
    assert.isTrue(change.type === "user.human.phone.code.added" && change.returned)
  })

  it("verifies at once, without a code, when the host vouches for the number", () => {
    const decision = set(registered, { proof: "Vouched" })
    assertSame(decision.events.map(({ change }) => change.type), [
      "user.human.phone.changed",
      "user.human.phone.verified"
    ])
    assertSame(decision.after.phone, { number: number("1"), verified: true })
    assert.strictEqual(decision.after.pending, undefined)
    assertSame(decision.messages, [])
  })

  it("refuses the number that the user has, verified or not, whatever the proof", () => {
    const proofs = ["Vouched", { record: code("c", at(1)), deliver: "Send" }, {
      record: code("c", at(1)),
      deliver: "Return"
    }] as const
    for (const verified of [true, false]) {
      const user = { ...registered, phone: { number: number("1"), verified } }
      for (const proof of proofs) {
        const result = decideSetPhone(user, { ...command, proof }, situation(at(1)))
        assert.strictEqual(Result.isFailure(result) && result.failure._tag, "PhoneNotChanged")
      }
    }
  })

  it("replaces a verified number and takes the pending code of the old one with it", () => {
    const before = fold(registered, [changed("1"), vouched, added("old")])
    const { after } = set(before, { number: number("2"), proof: "Vouched" }, at(9))
    assertSame(after.phone, { number: number("2"), verified: true })
    assert.strictEqual(after.pending, undefined)
    assert.strictEqual(after.sequence, 5n)
  })

  it("never dates a change before the one before it, whatever the clock says", () => {
    const before = { ...registered, sequence: 4n, changeDate: at(100) }
    const decision = set(before, { proof: "Vouched" }, at(50))
    assertSame(decision.events.map((event) => event.at), [at(100), at(100)])
    assertSame(decision.after.changeDate, at(100))
  })

  it("answers the state that its events fold to", () => {
    const { after, before, events } = set(registered, { proof: { record: code("c", at(3)), deliver: "Send" } }, at(3))
    assertSame(events.reduce(evolve, before), after)
  })
})
