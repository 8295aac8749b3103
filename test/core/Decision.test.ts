/** What commands come to, without any layer. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Result } from "effect"
import {
  decideRemove,
  decideResend,
  decideSetPhone,
  decideUnlock,
  type NewCode,
  type SetPhoneCommand,
  type Situation
} from "../../src/core/Decision.ts"
import {
  codesToCompare,
  codeToAskAbout,
  decideAttempt,
  decideGuess,
  decideOutcome
} from "../../src/core/GuessDecision.ts"
import * as Charges from "../../src/core/internal/Charges.ts"
import * as Limits from "../../src/core/Limits.ts"
import { evolve, type PhoneChange, type UserPhone } from "../../src/core/UserPhone.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import {
  added,
  at,
  changed,
  code,
  failed,
  fingerprint,
  fold,
  number,
  registered,
  removed,
  returned,
  verified,
  vouched
} from "../fixtures/Aggregate.ts"

const situation = (now: DateTime.Utc, more: Partial<Situation> = {}): Situation => ({
  now,
  limits: Limits.off,
  notices: "off",
  bySelf: true,
  chance: 0,
  ...more
})

const command = { number: number("1"), fingerprint: fingerprint("1") }

const set = (
  user: UserPhone,
  changes: Partial<SetPhoneCommand> & Pick<SetPhoneCommand, "code">,
  now = at(0),
  more: Partial<Situation> = {}
) => Result.getOrThrow(decideSetPhone(user, { ...command, ...changes }, situation(now, more)))

describe("decideSetPhone", () => {
  it("sets the number unverified, adds the code and calls for one message to the new number", () => {
    const decision = set(registered, { code: code("c", at(0)) })
    assertSame(decision, {
      before: registered,
      events: [
        { sequence: 1n, at: at(0), change: { type: "user.human.phone.changed", number: number("1") } },
        {
          sequence: 2n,
          at: at(0),
          change: {
            type: "user.human.phone.code.added",
            pending: { _tag: "OwnCode", current: code("c", at(0)), resends: 0, wrongGuesses: 0 }
          }
        }
      ],
      after: {
        ...registered,
        sequence: 2n,
        changeDate: at(0),
        phone: { number: number("1"), verified: false },
        pending: { _tag: "OwnCode", current: code("c", at(0)), resends: 0, wrongGuesses: 0 }
      },
      messages: [{
        kind: "code",
        route: "sms",
        recipient: number("1"),
        codeId: "c",
        expiresAt: DateTime.add(at(0), { minutes: 10 }),
        resends: 0
      }],
      charges: []
    })
  })

  it("sends nothing when the code is returned", () => {
    const decision = set(registered, { code: returned("c", at(0)) })
    assertSame(decision.messages, [])
    const { change } = decision.events[1]!
    assert.isTrue(
      change.type === "user.human.phone.code.added" && change.pending._tag === "OwnCode" &&
        !change.pending.current.sent
    )
  })

  it("verifies at once, without a code, when the host vouches for the number", () => {
    const decision = set(registered, { code: undefined })
    assertSame(decision.events.map(({ change }) => change.type), [
      "user.human.phone.changed",
      "user.human.phone.verified"
    ])
    assertSame(decision.after.phone, { number: number("1"), verified: true })
    assert.strictEqual(decision.after.pending, undefined)
    assertSame(decision.messages, [])
  })

  it("refuses the number that the user has, verified or not, whatever proves it", () => {
    const proofs = [undefined, code("c", at(1)), returned("c", at(1))]
    for (const verified of [true, false]) {
      const user = { ...registered, phone: { number: number("1"), verified } }
      for (const proof of proofs) {
        const result = decideSetPhone(user, { ...command, code: proof }, situation(at(1)))
        assert.strictEqual(Result.isFailure(result) && result.failure._tag, "PhoneNotChanged")
      }
    }
  })

  it("replaces a verified number and takes the pending code of the old one with it", () => {
    const before = fold(registered, [changed("1"), vouched, added("old")])
    const { after } = set(before, { number: number("2"), code: undefined }, at(9))
    assertSame(after.phone, { number: number("2"), verified: true })
    assert.strictEqual(after.pending, undefined)
    assert.strictEqual(after.sequence, 5n)
  })

  it("never dates a change before the one before it, whatever the clock says", () => {
    const before = { ...registered, sequence: 4n, changeDate: at(100) }
    const decision = set(before, { code: undefined }, at(50))
    assertSame(decision.events.map((event) => event.at), [at(100), at(100)])
    assertSame(decision.after.changeDate, at(100))
  })

  it("answers the state that its events fold to", () => {
    const { after, before, events } = set(registered, { code: code("c", at(3)) }, at(3))
    assertSame(events.reduce(evolve, before), after)
  })
})

describe("sending a code", () => {
  const limits = Limits.defaults
  const waiting = (until: number): UserPhone => ({
    ...fold(registered, [changed("1"), added("c")]),
    wait: { step: 2, sentAt: at(0), until: at(until) }
  })
  const sentTo2 = (user: UserPhone, now: DateTime.Utc, more: Partial<Situation> = {}) =>
    decideSetPhone(
      user,
      { number: number("2"), fingerprint: fingerprint("2"), code: sending(now, "2") },
      situation(now, { limits, ...more })
    )
  const sending = (now: DateTime.Utc, line = "1") => code("new", now, line)

  it("keeps the wait that begins with it in its event and in the state", () => {
    const { after, charges, events } = Result.getOrThrow(sentTo2(registered, at(5), { chance: 0.5 }))
    const wait = { step: 0, sentAt: at(5), until: at(5 + 31.5) }
    assertSame(after.wait, wait)
    const { change } = events[1]!
    assertSame(change.type === "user.human.phone.code.added" && change.wait, wait)
    assertSame(charges, Charges.forCode(limits, registered, fingerprint("2"), at(5)))
    assert.strictEqual(charges.length, 2)
  })

  it("has to wait until the very moment that was fixed with the one before", () => {
    const early = sentTo2(waiting(100), at(99.999))
    assertSame(Result.isFailure(early) && { ...early.failure }, {
      _tag: "TooManyRequests",
      reason: "WAIT_BETWEEN_CODES",
      until: at(100)
    })
    assertSame(Result.getOrThrow(sentTo2(waiting(100), at(100))).after.wait?.step, 3)
  })

  it("neither waits nor begins a wait where that limit is off", () => {
    const decision = sentTo2(waiting(100), at(1), { limits: { ...limits, waitBetweenCodes: "off" } })
    assertSame(Result.getOrThrow(decision).after.wait, waiting(100).wait)
    const { change } = Result.getOrThrow(decision).events[1]!
    assert.notProperty(change, "wait")
  })

  it("costs nothing and does not wait when the code is returned", () => {
    const decision = Result.getOrThrow(decideSetPhone(
      waiting(100),
      { number: number("2"), fingerprint: fingerprint("2"), code: returned("new", at(1), "2") },
      situation(at(1), { limits })
    ))
    assertSame(decision.charges, [])
    assertSame(decision.messages, [])
    assertSame(decision.after.wait, waiting(100).wait)
  })

  it("charges the holders' counter for a number that the user has proven", () => {
    const holder = fold(registered, [changed("1"), verified, removed])
    const charged = (line: string) =>
      Result.getOrThrow(decideSetPhone(
        holder,
        { number: number(line), fingerprint: fingerprint(line), code: sending(at(9), line) },
        situation(at(9), { limits })
      )).charges[0]?.counter
    assert.strictEqual(charged("1"), `codes/holders-of-number/${fingerprint("1")}`)
    assert.strictEqual(charged("2"), `codes/number/${fingerprint("2")}`)
  })
})

describe("decideResend", () => {
  const grace = Duration.seconds(60)
  const resend = (user: UserPhone, now: DateTime.Utc, more: Partial<Situation> = {}, next = code("new", now)) =>
    decideResend(user, { code: next, grace }, situation(now, more))
  const pendingAfter = (user: UserPhone, now: DateTime.Utc, more: Partial<Situation> = {}, next = code("new", now)) => {
    const { pending } = Result.getOrThrow(resend(user, now, more, next)).after
    if (pending?._tag !== "OwnCode") throw new Error("no code")
    return pending
  }
  const waiting = fold(registered, [changed("1"), added("c")])

  it("makes the new code the one that is pending and calls for one message to the user's number", () => {
    const decision = Result.getOrThrow(resend(waiting, at(10)))
    assert.deepStrictEqual(decision.events.map(({ change }) => change.type), ["user.human.phone.code.added"])
    assertSame(decision.messages, [{
      kind: "code",
      route: "sms",
      recipient: number("1"),
      codeId: "new",
      expiresAt: code("new", at(10)).expiresAt,
      resends: 1
    }])
    assert.strictEqual(pendingAfter(waiting, at(10)).current.codeId, "new")
    assertSame(decision.events.reduce(evolve, decision.before), decision.after)
  })

  it("counts how often a new code of ours was asked for since the number was set", () => {
    const once = Result.getOrThrow(resend(waiting, at(100))).after
    const twice = Result.getOrThrow(resend(once, at(4000)))
    assert.strictEqual(twice.after.pending?._tag === "OwnCode" && twice.after.pending.resends, 2)
    assertSame(twice.messages.map((message) => message.kind === "code" && message.resends), [2])
    const replaced = Result.getOrThrow(decideSetPhone(
      twice.after,
      { number: number("2"), fingerprint: fingerprint("2"), code: code("d", at(9000), "2") },
      situation(at(9000))
    ))
    assertSame(replaced.messages.map((message) => message.kind === "code" && message.resends), [0])
  })

  it("accepts the code before for the grace, and not beyond its own expiry", () => {
    const old = code("c", at(0))
    assertSame(pendingAfter(waiting, at(10)).previous, { ...old, expiresAt: at(70) })
    assertSame(pendingAfter(waiting, at(540)).previous, { ...old, expiresAt: at(600) })
    assertSame(pendingAfter(waiting, at(570)).previous, { ...old, expiresAt: at(600) })
    assertSame(pendingAfter(waiting, at(599.999)).previous, { ...old, expiresAt: at(600) })
    assert.notProperty(pendingAfter(waiting, at(600)), "previous")
  })

  it("accepts none before where the grace is zero", () => {
    const decision = decideResend(
      waiting,
      { code: code("new", at(1)), grace: Duration.zero },
      situation(at(1))
    )
    assert.notProperty(Result.getOrThrow(decision).after.pending, "previous")
  })

  it("accepts one code before at most: the latest", () => {
    const twice = Result.getOrThrow(resend(waiting, at(10))).after
    const { current, previous } = pendingAfter(twice, at(20), {}, code("newest", at(20)))
    assert.deepStrictEqual([current.codeId, previous?.codeId], ["newest", "new"])
  })

  it("accepts no code before that is spent", () => {
    const limits = { ...Limits.off, guessesPerCode: 2 }
    const once = fold(waiting, [failed])
    assert.property(pendingAfter(once, at(10), { limits }), "previous")
    const spent = fold(once, [failed])
    assert.notProperty(pendingAfter(spent, at(10), { limits }), "previous")
    assert.property(pendingAfter(spent, at(10)), "previous")
  })

  it("accepts no code before that proves another number", () => {
    assert.notProperty(pendingAfter(waiting, at(10), {}, code("new", at(10), "2")), "previous")
  })

  it("accepts nothing of a code that a provider made, but follows it", () => {
    const pending = {
      _tag: "ProviderCode",
      codeId: "p",
      number: fingerprint("1"),
      providerId: "p",
      verificationId: "v",
      createdAt: at(0),
      expiresAt: at(600),
      wrongGuesses: 0
    } as const
    assert.notProperty(pendingAfter({ ...waiting, pending }, at(10)), "previous")
  })

  it("counts wrong guesses from nothing", () => {
    assert.strictEqual(pendingAfter(fold(waiting, [failed, failed]), at(10)).wrongGuesses, 0)
  })

  it("refuses where no code is pending, no number is there, or none could be made", () => {
    const without: ReadonlyArray<UserPhone> = [
      registered,
      fold(waiting, [verified]),
      fold(waiting, [removed]),
      { ...waiting, phone: undefined }
    ]
    for (const user of without) {
      const result = resend(user, at(10))
      assert.strictEqual(Result.isFailure(result) && result.failure._tag, "NoPendingCode")
    }
    const result = decideResend(waiting, { code: undefined, grace }, situation(at(10)))
    assert.strictEqual(Result.isFailure(result) && result.failure._tag, "NoPendingCode")
  })
})

describe("codesToCompare", () => {
  const limits = Limits.defaults
  const waiting = fold(registered, [changed("1"), added("c")])
  const ids = (user: UserPhone, now: DateTime.Utc, line: string | undefined = "1") =>
    Result.match(codesToCompare(user, line && fingerprint(line), limits, now), {
      onSuccess: ({ codes }) => codes.map(({ codeId }) => codeId),
      onFailure: (error) => ({ ...error })
    })
  const invalid = (reason: string) => ({ _tag: "InvalidCode", reason, guessesLeft: 0 })
  const resent = (previousNumber = "1"): UserPhone => ({
    ...waiting,
    pending: {
      _tag: "OwnCode",
      current: code("new", at(100)),
      previous: { ...code("c", at(0), previousNumber), expiresAt: at(160) },
      resends: 1,
      wrongGuesses: 4
    }
  })

  it("are the pending one, and the one before while that is accepted", () => {
    assertSame(ids(waiting, at(599.999)), ["c"])
    assertSame(ids(resent(), at(159.999)), ["new", "c"])
    assertSame(ids(resent(), at(160)), ["new"])
    assertSame(Result.getOrThrow(codesToCompare(waiting, fingerprint("1"), limits, at(1))).number, number("1"))
  })

  it("are none for another number than they prove, or without a number", () => {
    assertSame(ids(waiting, at(1), "2"), invalid("NO_CODE"))
    assertSame(ids(resent("2"), at(101)), ["new"])
    assertSame(ids({ ...waiting, phone: undefined }, at(1)), invalid("NO_CODE"))
    assertSame(ids(fold(waiting, [verified]), at(1)), invalid("NO_CODE"))
  })

  it("are none once the pending code has expired or is spent", () => {
    assertSame(ids(waiting, at(600)), invalid("CODE_EXPIRED"))
    assertSame(ids(fold(waiting, Array.from({ length: 4 }, () => failed)), at(10)), ["c"])
    assertSame(ids(fold(waiting, Array.from({ length: 5 }, () => failed)), at(10)), invalid("CODE_SPENT"))
    assertSame(ids(fold(waiting, Array.from({ length: 5 }, () => failed)), at(600)), invalid("CODE_SPENT"))
  })

  it("are none after the wrong guesses of a day, whatever is pending", () => {
    const guesses = { wrongInARow: 10, wrongAt: Array.from({ length: 10 }, (_, index) => at(10 - index)) }
    for (const user of [{ ...waiting, guesses }, { ...registered, guesses }]) {
      assertSame(ids(user, at(500)), {
        _tag: "TooManyRequests",
        reason: "WRONG_GUESSES_PER_USER",
        until: at(1 + 86_400)
      })
    }
  })

  it("are none while verification is off, before anything else", () => {
    const guesses = { wrongInARow: 100, wrongAt: Array.from({ length: 10 }, () => at(0)) }
    assertSame(ids({ ...waiting, guesses }, at(1)), { _tag: "VerificationOff" })
  })
})

describe("decideGuess", () => {
  const limits = Limits.off
  const waiting = fold(registered, [changed("1"), added("c"), failed])

  it("verifies the number, remembers that it is proven, and ends the row of wrong guesses", () => {
    const { after, charges, events, messages } = decideGuess(waiting, { codes: [code("c", at(0))], right: true }, {
      limits,
      now: at(9)
    })
    assertSame(events, [{
      sequence: 4n,
      at: at(9),
      change: { type: "user.human.phone.verified", proven: fingerprint("1"), vouched: false }
    }])
    assertSame(after.phone, { number: number("1"), verified: true })
    assert.strictEqual(after.pending, undefined)
    assert.strictEqual(after.proven, fingerprint("1"))
    assert.strictEqual(after.guesses.wrongInARow, 0)
    assertSame([messages, charges], [[], []])
  })

  it("counts a wrong guess on the code and on the user", () => {
    const { after, events } = decideGuess(waiting, { codes: [code("c", at(0))], right: false }, { limits, now: at(9) })
    assertSame(events.map(({ change }) => change), [{
      type: "user.human.phone.verification.failed",
      codeId: "c"
    }])
    assert.strictEqual(after.pending?.wrongGuesses, 2)
    assertSame(after.guesses, { wrongInARow: 2, wrongAt: [at(9), at(2)] })
    assertSame(after.phone, { number: number("1"), verified: false })
  })
})

describe("notices", () => {
  const notices = { lifetime: Duration.hours(1) }
  const told = { notices, limits: { ...Limits.off, noticesPerNumber: Limits.defaults.noticesPerNumber } }
  const holder = fold(registered, [changed("1"), verified])
  const notice = (change: "replaced" | "removed", now: DateTime.Utc) => ({
    kind: "notice" as const,
    recipient: number("1"),
    change,
    expiresAt: DateTime.add(now, { hours: 1 })
  })
  const cost = (now: DateTime.Utc) => ({
    counter: `notices/number/${fingerprint("1")}`,
    reason: "NOTICES_PER_NUMBER",
    at: now,
    windows: Limits.defaults.noticesPerNumber
  })
  const second = { number: number("2"), fingerprint: fingerprint("2") }

  it("go to a verified number that is replaced, beside the code for the new one, or alone", () => {
    const sent = set(holder, { ...second, code: code("c", at(9), "2") }, at(9), told)
    assert.deepStrictEqual(sent.messages.map(({ kind }) => kind), ["code", "notice"])
    assertSame(sent.messages[1], notice("replaced", at(9)))
    assertSame(sent.charges, [cost(at(9))])
    for (const proof of [undefined, returned("c", at(9), "2")]) {
      const { charges, messages } = set(holder, { ...second, code: proof }, at(9), told)
      assertSame(messages, [notice("replaced", at(9))])
      assertSame(charges, [cost(at(9))])
    }
  })

  it("go to a verified number that is removed", () => {
    const { charges, messages } = Result.getOrThrow(decideRemove(holder, situation(at(9), told)))
    assertSame(messages, [notice("removed", at(9))])
    assertSame(charges, [cost(at(9))])
  })

  it("go to no number that was not verified, and nowhere when they are off", () => {
    const unproven = fold(registered, [changed("1"), added("c")])
    const again = fold(holder, [changed("2")])
    for (
      const [user, more] of [[unproven, told], [again, told], [holder, { ...told, notices: "off" }]] as const
    ) {
      const removal = Result.getOrThrow(decideRemove(user, situation(at(9), more)))
      const change = set(user, { number: number("3"), fingerprint: fingerprint("3"), code: undefined }, at(9), more)
      for (const { charges, messages } of [removal, change]) {
        assertSame(messages, [])
        assertSame(charges, [])
      }
    }
  })

  it("cost nothing where they are not limited", () => {
    const { charges, messages } = Result.getOrThrow(decideRemove(holder, situation(at(9), { notices })))
    assert.strictEqual(messages.length, 1)
    assertSame(charges, [])
  })
})

describe("a code that a provider makes", () => {
  const made = {
    codeId: "p",
    number: fingerprint("1"),
    providerId: "provider",
    createdAt: at(0),
    expiresAt: at(600)
  }
  const sent = { type: "user.human.phone.code.sent", codeId: "p", messageId: "m", verificationId: "v" } as const
  const unsent = set(registered, { code: made }).after
  const waiting = fold(unsent, [sent], at(1))
  const limits = Limits.defaults
  const resend = (user: UserPhone, now: DateTime.Utc, next: NewCode = code("new", now)) =>
    decideResend(user, { code: next, grace: Duration.seconds(60) }, situation(now, { limits }))
  const ask = (user: UserPhone, now: DateTime.Utc, line: string | undefined = "1") =>
    codeToAskAbout(user, line && fingerprint(line), limits, now)
  const refused = (user: UserPhone, now: DateTime.Utc, line?: string): object =>
    Result.match(ask(user, now, line), { onSuccess: () => ({}), onFailure: (error) => ({ ...error }) })
  const invalid = (reason: string) => ({ _tag: "InvalidCode", reason, guessesLeft: 0 })
  const attempted: PhoneChange = { type: "user.human.phone.verification.attempted", codeId: "p", attemptId: "a" }

  it("is pending without the provider's id, and is charged and waited for like one of ours", () => {
    const decision = set(registered, { code: made }, at(0), { limits })
    assertSame(decision.after.pending, { _tag: "ProviderCode", ...made, wrongGuesses: 0 })
    assertSame(decision.messages, [{
      kind: "code",
      route: "verification/provider",
      recipient: number("1"),
      codeId: "p",
      expiresAt: at(600),
      resends: 0
    }])
    assert.deepStrictEqual(decision.charges.map(({ reason }) => reason), ["CODES_PER_NUMBER", "CODES_PER_USER"])
    assertSame(decision.after.wait, { step: 0, sentAt: at(0), until: at(30) })
  })

  it("is asked about once the provider has its id, until it has expired", () => {
    const { code: asked, number: proven, verificationId } = Result.getOrThrow(ask(waiting, at(599.999)))
    assert.strictEqual(verificationId, "v")
    assertSame(asked, waiting.pending)
    assertSame(proven, number("1"))
    assert.deepStrictEqual(refused(unsent, at(10)), invalid("NO_CODE"))
    assert.deepStrictEqual(refused(waiting, at(600)), invalid("CODE_EXPIRED"))
  })

  it("is not asked about for another number, where none or one of ours is pending, or when the limits say so", () => {
    assert.deepStrictEqual(refused(waiting, at(10), "2"), invalid("NO_CODE"))
    assert.deepStrictEqual(refused(registered, at(10)), invalid("NO_CODE"))
    assert.deepStrictEqual(refused(fold(registered, [changed("1"), added("c")]), at(10)), invalid("NO_CODE"))
    const five = fold(waiting, Array.from({ length: 5 }, () => attempted), at(2))
    assert.deepStrictEqual(refused(five, at(10)), invalid("CODE_SPENT"))
    const ten = { ...waiting, guesses: { wrongInARow: 10, wrongAt: Array.from({ length: 10 }, () => at(3)) } }
    assert.include(refused(ten, at(10)), { _tag: "TooManyRequests", reason: "WRONG_GUESSES_PER_USER" })
    const off = { ...waiting, guesses: { wrongInARow: 100, wrongAt: [] } }
    assert.include(refused(off, at(10)), { _tag: "VerificationOff" })
  })

  it("counts an attempt for the user and for the number before the provider is asked", () => {
    const { code: asked } = Result.getOrThrow(ask(waiting, at(5)))
    const { after, charges, events } = decideAttempt(waiting, { attemptId: "a", code: asked }, { limits, now: at(5) })
    assertSame(events.map(({ change }) => change), [attempted])
    assertSame(after.guesses, {
      wrongInARow: 1,
      wrongAt: [at(5)],
      unsettled: [{ attemptId: "a", at: at(5), inRow: true }]
    })
    assertSame(charges, [{
      counter: `wrong-guesses/number/${fingerprint("1")}`,
      reason: "WRONG_GUESSES_PER_NUMBER",
      at: at(5),
      windows: [limits.wrongGuessesPerNumber]
    }])
  })

  it("verifies the number by a right answer about the code that is still pending, and by no other", () => {
    const user = fold(waiting, [attempted], at(5))
    const { code } = Result.getOrThrow(ask(waiting, at(5)))
    const decided = decideAttempt(waiting, { attemptId: "a", code }, { limits, now: at(5) })
    const attempt = { attemptId: "a", codeId: "p", charges: decided.charges }
    const { after, charges, events } = Result.getOrThrow(decideOutcome(user, attempt, true, at(6)))
    assertSame(events.map(({ change }) => change), [{ ...verified, attemptId: "a" }])
    assertSame(after.phone, { number: number("1"), verified: true })
    assertSame(after.guesses, { wrongInARow: 0, wrongAt: [] })
    assertSame(charges, attempt.charges.map((charge) => ({ ...charge, instead: "refund" })))
    assert.lengthOf(charges, 1)

    const wrong = Result.getOrThrow(decideOutcome(user, attempt, false, at(6)))
    assertSame(wrong.events.map(({ change }) => change), [
      { type: "user.human.phone.verification.failed", codeId: "p", attemptId: "a" }
    ])
    assertSame(wrong.after.guesses, { wrongInARow: 1, wrongAt: [at(5)] })
    assertSame(wrong.charges, [])

    const replaced = fold(user, [changed("2")])
    const resent = Result.getOrThrow(resend(user, at(40), { ...made, codeId: "q" })).after
    for (const other of [replaced, resent, fold(user, [removed]), fold(registered, [changed("1"), added("p")])]) {
      const result = decideOutcome(other, attempt, true, at(41))
      assertSame(Result.isFailure(result) ? { ...result.failure } : result, invalid("NO_CODE"))
    }
  })

  it("keeps its count over a resend, since it may be the same code, but not with another number or provider", () => {
    const user = fold(waiting, [attempted, attempted], at(5))
    const next = (more: object) => Result.getOrThrow(resend(user, at(40), { ...made, codeId: "q", ...more })).after
    assert.strictEqual(next({}).pending?.wrongGuesses, 2)
    assert.strictEqual(next({ providerId: "another" }).pending?.wrongGuesses, 0)
    assert.strictEqual(Result.getOrThrow(resend(user, at(40))).after.pending?.wrongGuesses, 0)
    const { after } = set(user, { number: number("2"), fingerprint: fingerprint("2"), code: made }, at(40))
    assert.strictEqual(after.pending?.wrongGuesses, 0)
  })

  it("counts anew over a resend when it is spent, so that the resend helps", () => {
    const spent = fold(waiting, Array.from({ length: 5 }, () => attempted), at(5))
    const next = Result.getOrThrow(resend(spent, at(40), { ...made, codeId: "q" })).after
    assert.strictEqual(next.pending?.wrongGuesses, 0)
    assertSame(next.guesses, spent.guesses)
  })

  it("accepts no code of ours beside it", () => {
    const own = fold(registered, [changed("1"), added("c")])
    assert.notProperty(Result.getOrThrow(resend(own, at(40), made)).after.pending, "previous")
  })
})

describe("decideRemove", () => {
  it("takes the number and the pending code away, and keeps the counts", () => {
    const before = fold(registered, [changed("1"), verified, added("c"), failed])
    const { after, events } = Result.getOrThrow(decideRemove(before, situation(at(9))))
    assertSame(events.map(({ change }) => change), [{ type: "user.human.phone.removed" }])
    assertSame(after, { ...before, sequence: 5n, changeDate: at(9), phone: undefined, pending: undefined })
  })

  it("refuses where there is no number", () => {
    for (const user of [registered, fold(registered, [changed("1"), removed])]) {
      const result = decideRemove(user, situation(at(9)))
      assert.strictEqual(Result.isFailure(result) && result.failure._tag, "NoPhone")
    }
  })
})

describe("verification that is off", () => {
  const limits = Limits.defaults
  const off: UserPhone = {
    ...fold(registered, [changed("1"), added("c")]),
    guesses: { wrongInARow: 100, wrongAt: [] }
  }
  const next = returned("new", at(9))
  const tagOf = (result: Result.Result<unknown, { readonly _tag: string }>) =>
    Result.isFailure(result) ? result.failure._tag : "decided"
  const attempts = (user: UserPhone, bySelf: boolean) => {
    const now = situation(at(9), { limits, bySelf })
    const other = { number: number("2"), fingerprint: fingerprint("2") }
    return [
      tagOf(decideSetPhone(user, { ...other, code: undefined }, now)),
      tagOf(decideSetPhone(user, { ...other, code: next }, now)),
      tagOf(decideResend(user, { code: next, grace: Duration.zero }, now))
    ]
  }

  it("keeps a user from setting and resending, and nobody else", () => {
    assert.deepStrictEqual(attempts(off, true), Array.from({ length: 3 }, () => "VerificationOff"))
    assert.deepStrictEqual(attempts(off, false), Array.from({ length: 3 }, () => "decided"))
    const nearly = { ...off, guesses: { wrongInARow: 99, wrongAt: [] } }
    assert.deepStrictEqual(attempts(nearly, true), Array.from({ length: 3 }, () => "decided"))
  })

  it("is on again after an unlock, which is one event", () => {
    const { after, before, events } = decideUnlock(off, at(9))
    const changes: ReadonlyArray<PhoneChange> = events.map(({ change }) => change)
    assertSame(changes, [{ type: "user.human.phone.verification.unlocked" }])
    assertSame(after, { ...before, sequence: 3n, changeDate: at(9), guesses: { wrongInARow: 0, wrongAt: [] } })
  })
})
