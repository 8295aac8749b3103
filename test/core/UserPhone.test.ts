/** The aggregate, without any layer: what an event does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { evolve, type PendingCode, PhoneChange } from "../../src/core/UserPhone.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import {
  added,
  at,
  changed,
  code,
  failed,
  fingerprint,
  fold,
  registered,
  removed,
  returned,
  unlocked,
  verified,
  vouched
} from "../fixtures/Aggregate.ts"

describe("PhoneChange", () => {
  const codec = Schema.toCodecJson(PhoneChange)

  it.effect("of every kind survives being written as JSON", () =>
    Effect.gen(function*() {
      const wait = { step: 3, sentAt: at(1), until: at(241) }
      const pending: PendingCode = {
        _tag: "OwnCode",
        current: returned("d", at(5)),
        previous: code("c", at(0)),
        wrongGuesses: 2
      }
      const provided: PendingCode = {
        _tag: "ProviderCode",
        codeId: "e",
        number: fingerprint("1"),
        providerId: "provider",
        verificationId: "verification",
        wrongGuesses: 0
      }
      const changes: ReadonlyArray<PhoneChange> = [
        changed("1"),
        removed,
        verified,
        failed,
        unlocked,
        added("c"),
        { type: "user.human.phone.code.added", pending, wait },
        { type: "user.human.phone.code.added", pending: provided },
        { type: "user.human.phone.code.sent", codeId: "c", messageId: "m" }
      ]
      for (const change of changes) {
        const json = JSON.stringify(yield* Schema.encodeEffect(codec)(change))
        assertSame(yield* Schema.decodeUnknownEffect(codec)(JSON.parse(json)), change)
      }
    }))

  it("has the types that the wire gives to events", () => {
    assert.deepStrictEqual(PhoneChange.members.map(({ fields }) => fields.type.schema.literal), [
      "user.human.phone.changed",
      "user.human.phone.removed",
      "user.human.phone.verified",
      "user.human.phone.verification.failed",
      "user.human.phone.verification.unlocked",
      "user.human.phone.code.added",
      "user.human.phone.code.sent"
    ])
  })
})

describe("evolve", () => {
  it("drops the pending code with the number", () => {
    assert.strictEqual(fold(registered, [changed("1"), added("c"), changed("2")]).pending, undefined)
    const after = fold(registered, [changed("1"), added("c"), removed])
    assert.strictEqual(after.phone, undefined)
    assert.strictEqual(after.pending, undefined)
  })

  it("keeps only the latest pending code", () => {
    const { pending } = fold(registered, [changed("1"), added("old"), added("new")])
    assert.strictEqual(pending?._tag === "OwnCode" && pending.current.codeId, "new")
  })

  it("verifies the number that is there, and none where there is none", () => {
    assert.isTrue(fold(registered, [changed("1"), verified]).phone?.verified)
    assert.strictEqual(fold(registered, [verified]).phone, undefined)
  })

  it("counts wrong guesses on the code, in a row, and by time, and keeps the times of the hundred youngest", () => {
    const { guesses, pending } = fold(registered, [
      changed("1"),
      added("c"),
      ...Array.from({ length: 102 }, () => failed)
    ])
    assert.strictEqual(pending?.wrongGuesses, 102)
    assert.strictEqual(guesses.wrongInARow, 102)
    assertSame(guesses.wrongAt, Array.from({ length: 100 }, (_, index) => at(103 - index)))
  })

  it("ends the row of wrong guesses with a right one only, and keeps their times", () => {
    const before = fold(registered, [changed("1"), added("c"), failed, failed])
    for (const change of [changed("2"), added("d"), removed]) {
      assertSame(fold(before, [change]).guesses, before.guesses)
    }
    assertSame(fold(before, [vouched]).guesses, before.guesses)
    assertSame(fold(before, [verified]).guesses, {
      ...before.guesses,
      wrongInARow: 0
    })
  })

  it("ends the row of wrong guesses with an unlock, and keeps their times", () => {
    const before = fold(registered, [changed("1"), added("c"), failed, failed])
    assertSame(fold(before, [unlocked]), {
      ...before,
      sequence: 5n,
      changeDate: at(0),
      guesses: { ...before.guesses, wrongInARow: 0 }
    })
  })

  it("remembers the number that was proven last, through its change and its removal", () => {
    assert.strictEqual(fold(registered, [changed("1"), added("c")]).proven, undefined)
    const proven = fold(registered, [changed("1"), added("c"), verified])
    for (const changes of [[], [changed("2")], [removed], [removed, changed("1")]]) {
      assert.strictEqual(fold(proven, changes).proven, fingerprint("1"))
    }
    const vouchedFor = { ...vouched, proven: fingerprint("2") } as PhoneChange
    assert.strictEqual(fold(proven, [changed("2"), vouchedFor]).proven, fingerprint("2"))
  })

  it("keeps the wait of the latest code that was sent, whatever else happens", () => {
    const wait = { step: 3, sentAt: at(1), until: at(241) }
    const sent = fold(registered, [changed("1"), { ...added("c"), wait } as PhoneChange])
    assertSame(sent.wait, wait)
    for (const changes of [[added("d")], [changed("2")], [removed], [verified], [failed], [unlocked]]) {
      assertSame(fold(sent, changes).wait, wait)
    }
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
