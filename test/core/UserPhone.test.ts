/** The aggregate, without any layer: what an event does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { isSettled } from "../../src/core/Guesses.ts"
import type { PendingCode } from "../../src/core/PendingCode.ts"
import { evolve, nextEvent, PhoneChange } from "../../src/core/UserPhone.ts"
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
        resends: 1,
        wrongGuesses: 2
      }
      const provided: PendingCode = {
        _tag: "ProviderCode",
        codeId: "e",
        number: fingerprint("1"),
        providerId: "provider",
        verificationId: "verification",
        createdAt: at(0),
        expiresAt: at(600),
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
      "user.human.phone.verification.attempted",
      "user.human.phone.verification.failed",
      "user.human.phone.verification.unanswered",
      "user.human.phone.verification.unlocked",
      "user.human.phone.code.added",
      "user.human.phone.code.sent",
      "user.human.phone.code.delivered",
      "user.human.phone.code.undelivered"
    ])
  })
})

describe("evolve of a code that a provider makes and checks", () => {
  const pending: PendingCode = {
    _tag: "ProviderCode",
    codeId: "p",
    number: fingerprint("1"),
    providerId: "provider",
    createdAt: at(0),
    expiresAt: at(600),
    wrongGuesses: 0
  }
  const waiting = fold(registered, [changed("1"), { type: "user.human.phone.code.added", pending }])
  const sent = { type: "user.human.phone.code.sent", codeId: "p", messageId: "m", verificationId: "v" } as const
  const attempted = (attemptId: string): PhoneChange => ({
    type: "user.human.phone.verification.attempted",
    codeId: "p",
    attemptId
  })

  const open = (attemptId: string, time: number, inRow = true) => ({ attemptId, at: at(time), inRow })
  const unanswered = (attemptId: string, codeId = "p"): PhoneChange => ({
    type: "user.human.phone.verification.unanswered",
    codeId,
    attemptId
  })

  it("learns the provider's id when the code is sent, of that code only", () => {
    assertSame(fold(waiting, [sent]).pending, { ...pending, verificationId: "v" })
    assertSame(fold(waiting, [{ ...sent, codeId: "another" }]).pending, pending)
    const own = fold(registered, [changed("1"), added("c")])
    assertSame(fold(own, [{ ...sent, codeId: "c" }]).pending, own.pending)
  })

  it("counts a guess when it is attempted, and not again when it has failed", () => {
    const after = fold(waiting, [attempted("a")], at(10))
    assert.strictEqual(after.pending?.wrongGuesses, 1)
    assertSame(after.guesses, { wrongInARow: 1, wrongAt: [at(10)], unsettled: [open("a", 10)] })
    assert.isFalse(isSettled(after.guesses, "a"))
    const failed = fold(after, [{ type: "user.human.phone.verification.failed", codeId: "p", attemptId: "a" }])
    assertSame(failed.guesses, { wrongInARow: 1, wrongAt: [at(10)] })
    assert.isTrue(isSettled(failed.guesses, "a"))
    assert.strictEqual(failed.pending?.wrongGuesses, 1)
  })

  it("counts the attempt no longer that was right, and every other still", () => {
    const after = fold(waiting, [attempted("a"), attempted("b"), attempted("c")], at(10))
    const right = (attemptId: string): PhoneChange => ({
      type: "user.human.phone.verified",
      proven: fingerprint("1"),
      vouched: false,
      attemptId
    })
    assertSame(fold(after, [right("b")]).guesses, {
      wrongInARow: 0,
      wrongAt: [at(12), at(10)],
      unsettled: [open("c", 12, false), open("a", 10, false)]
    })
    const unsettled = [open("c", 12, false), open("b", 11, false), open("a", 10, false)]
    const all = { wrongInARow: 0, wrongAt: [at(12), at(11), at(10)], unsettled }
    assertSame(fold(after, [right("d")]).guesses, all)
    assertSame(fold(after, [verified]).guesses, all)
  })

  it("counts the attempt no longer that was not answered, once, on its code and of the user", () => {
    const after = fold(waiting, [attempted("a"), attempted("b")], at(10))
    const taken = fold(after, [unanswered("a")])
    assertSame(taken.guesses, { wrongInARow: 1, wrongAt: [at(11)], unsettled: [open("b", 11)] })
    assert.strictEqual(taken.pending?.wrongGuesses, 1)
    const again = fold(taken, [unanswered("a")])
    assertSame([again.guesses, again.pending], [taken.guesses, taken.pending])
    // The code may be another by then.
    assert.strictEqual(fold(after, [unanswered("a", "another")]).pending?.wrongGuesses, 2)
  })

  it("takes no guess out of a row that began after the attempt", () => {
    const before = fold(waiting, [attempted("a"), attempted("b")], at(10))
    for (const end of [unlocked, verified]) {
      const after = fold(before, [end, { type: "user.human.phone.code.added", pending }, failed], at(20))
      assert.strictEqual(after.guesses.wrongInARow, 1)
      assertSame(fold(after, [unanswered("a")]).guesses, {
        wrongInARow: 1,
        wrongAt: [at(22), at(11)],
        unsettled: [open("b", 11, false)]
      })
    }
    // An attempt of the present row is taken out of it, also beside one of an earlier row.
    const beside = fold(before, [unlocked, attempted("c"), unanswered("a"), unanswered("c")], at(20))
    assertSame(beside.guesses, { wrongInARow: 0, wrongAt: [at(11)], unsettled: [open("b", 11, false)] })
  })

  it("tells attempts apart that were recorded in the same millisecond", () => {
    const frozen = ["a", "b"].reduce((user, id) => evolve(user, nextEvent(user, attempted(id), at(10))), waiting)
    const taken = fold(frozen, [unanswered("b")])
    assertSame(taken.guesses, { wrongInARow: 1, wrongAt: [at(10)], unsettled: [open("a", 10)] })
    assert.deepStrictEqual(["a", "b"].map((id) => isSettled(taken.guesses, id)), [false, true])
  })

  it("forgets all but the youngest ten attempts whose outcome nobody told, which stay counted", () => {
    const ids = Array.from({ length: 12 }, (_, index) => `attempt ${index}`)
    const { guesses } = fold(waiting, ids.map(attempted), at(10))
    assert.deepStrictEqual(guesses.unsettled?.map(({ attemptId }) => attemptId), ids.slice(2).toReversed())
    assert.lengthOf(guesses.wrongAt, 12)
    assert.isTrue(isSettled(guesses, ids[1]!))
  })

  it("keeps the state of what becomes of a message out of it", () => {
    for (
      const change of [
        { type: "user.human.phone.code.delivered", codeId: "p", messageId: "m" },
        { type: "user.human.phone.code.undelivered", codeId: "p", messageId: "m", code: "30005" }
      ] as const
    ) {
      const after = fold(waiting, [change], at(9))
      assertSame(after, { ...waiting, sequence: waiting.sequence + 1n, changeDate: at(9) })
    }
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
