/** Several providers: which is tried, when one is left alone, and what is told when none delivers. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Metric, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Failover from "../../src/adapters/FailoverSmsNotifier.ts"
import { PhoneNumber, SmsNotifier, UserId } from "../../src/core/index.ts"
import { record } from "../fixtures/Telemetry.ts"

const {
  AccountRefused,
  DestinationRefused,
  OptedOut,
  Paused,
  Permanent,
  SmsNotSent,
  Throttled,
  Transient
} = SmsNotifier

type Send = SmsNotifier.SmsNotifier["Service"]["send"]

const smsWith = (resends = 0): SmsNotifier.Sms => ({
  messageId: "message",
  userId: UserId.UserId.make("ada"),
  recipient: Redacted.make(PhoneNumber.E164.make("+41791112233")),
  text: Redacted.make("314159 is your code"),
  content: { kind: "code", code: Redacted.make("314159") },
  language: undefined,
  expiresAt: DateTime.makeUnsafe(600_000),
  resends,
  receiptId: "receipt"
})

const failing = (reason: SmsNotifier.SmsNotSent["reason"]): Send => () => Effect.fail(new SmsNotSent({ reason }))
const transient = failing(new Transient({ cause: "HTTP 500" }))
const hanging: Send = () => Effect.never

/** Providers named a, b, … that take messages until they are told to do otherwise, and who was asked. */
const play = (count: number, options?: Failover.FailoverOptions) => {
  const asked: Array<string> = []
  const played = Array.from({ length: count }, (_, index) => {
    const name = String.fromCharCode(97 + index)
    const provider: { name: string; send: Send } = {
      name,
      send: () => Effect.succeed({ provider: name, reference: undefined })
    }
    return provider
  })
  const [first, ...others] = played.map((provider): Failover.Provider => ({
    name: provider.name,
    notifier: {
      send: (sms) => {
        asked.push(provider.name)
        return provider.send(sms)
      },
      receipts: new Map([[provider.name, () => Effect.succeed({ status: "delivered" })]])
    }
  }))
  const notifier = Failover.make([first!, ...others], options)
  /** Who took it, or why nobody did. */
  const send = (resends = 0) =>
    notifier.send(smsWith(resends)).pipe(
      Effect.map(({ provider }) => provider),
      Effect.catch(({ reason }) => Effect.succeed(reason))
    )
  return { played: played as [typeof played[number], ...typeof played], asked, notifier, send }
}

/** Makes a provider answer each message only when it is told to, and how. */
const heldBack = (provider: { send: Send }) => {
  type Hand = Deferred.Deferred<SmsNotifier.HandOver, SmsNotifier.SmsNotSent>
  const hands: Array<Hand> = []
  provider.send = () =>
    Effect.suspend(() => {
      const hand: Hand = Deferred.makeUnsafe()
      hands.push(hand)
      return Deferred.await(hand)
    })
  const later = (hand: Hand, end: Effect.Effect<SmsNotifier.HandOver, SmsNotifier.SmsNotSent>) =>
    Deferred.completeWith(hand, end)
  return { hands, later }
}

/** For how long nobody is asked, in seconds. */
const secondsClosed = Effect.fnUntraced(function*(send: () => Effect.Effect<unknown>) {
  const reason = yield* send()
  assert.instanceOf(reason, Paused)
  return ((reason as SmsNotifier.Paused).until.epochMilliseconds - (yield* DateTime.now).epochMilliseconds) / 1000
})

const noChance = Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0 })
const times = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) => Effect.replicateEffect(effect, count)

describe("failover", () => {
  it.effect("asks the first, and the next where one fails for now, is slow, wants a pause or refuses the account", () =>
    Effect.gen(function*() {
      for (
        const reason of [
          new Transient({ cause: "HTTP 500" }),
          new Throttled({}),
          new AccountRefused({ code: "20003" }),
          new DestinationRefused({ code: "21408" }),
          new Paused({ until: DateTime.makeUnsafe(1000) })
        ]
      ) {
        const { asked, played, send } = play(3)
        assert.strictEqual(yield* send(), "a")
        played[0].send = failing(reason)
        assert.strictEqual(yield* send(), "b")
        assert.deepStrictEqual(asked, ["a", "a", "b"])
      }
      const { played, send } = play(2)
      played[0].send = hanging
      const sending = yield* Effect.forkChild(send(), { startImmediately: true })
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(sending.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(sending), "b")
    }))

  it.effect("stops at what is final for the message", () =>
    Effect.gen(function*() {
      for (const reason of [new Permanent({ code: "21211" }), new OptedOut({})]) {
        const { asked, played, send } = play(3)
        played[0].send = failing(reason)
        assert.strictEqual(yield* send(), reason)
        assert.deepStrictEqual(asked, ["a"])
      }
      const { asked, played, send } = play(3)
      played[0].send = transient
      played[1]!.send = failing(new OptedOut({}))
      assert.instanceOf(yield* send(), OptedOut)
      assert.deepStrictEqual(asked, ["a", "b"])
    }))

  it.effect("takes a destination for refused only where nobody is left who may reach it, now or later", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(2)
      played[0].send = failing(new DestinationRefused({ code: "21408" }))
      played[1]!.send = failing(new DestinationRefused({ code: "15" }))
      const refused = yield* send()
      assert.deepStrictEqual(refused, new DestinationRefused({ code: "15" }))
      // Who may have reached it was down, in whichever order they were asked.
      played[1]!.send = transient
      assert.instanceOf(yield* send(), Transient)
      assert.instanceOf(yield* send(1), Transient)
      // Until it is down for so long that it is not asked.
      asked.length = 0
      yield* times(3, send())
      const last = asked.lastIndexOf("b")
      yield* times(3, send())
      assert.strictEqual(asked.lastIndexOf("b"), last)
      assert.instanceOf(yield* send(), Transient)
    }))

  it.effect("keeps nobody's messages back for those to a destination that is refused", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1)
      const { send: works } = played[0]
      played[0].send = failing(new DestinationRefused({ code: "15" }))
      yield* times(20, send())
      assert.lengthOf(asked, 20)
      played[0].send = works
      assert.strictEqual(yield* send(), "a")
    }))

  it.effect("asks no other one when the message has expired meanwhile", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(2)
      played[0].send = hanging
      yield* TestClock.adjust("595 seconds")
      const sending = yield* Effect.forkChild(send(), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.instanceOf(yield* Fiber.join(sending), Transient)
      assert.deepStrictEqual(asked, ["a"])
    }))

  it.effect("begins with another provider each time that a code is asked for again, and goes round", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(3)
      for (const resends of [0, 1, 2, 3, 4]) yield* send(resends)
      assert.deepStrictEqual(asked.splice(0), ["a", "b", "c", "a", "b"])
      played[1]!.send = transient
      played[2]!.send = transient
      assert.strictEqual(yield* send(1), "a")
      assert.deepStrictEqual(asked, ["b", "c", "a"])
    }))

  it.effect("tells what the last one said, or how long to wait when all want that", () =>
    Effect.gen(function*() {
      const { played, send } = play(3)
      played[0].send = failing(new Throttled({ retryAfter: Duration.seconds(90) }))
      played[1]!.send = transient
      played[2]!.send = failing(new Throttled({}))
      assert.instanceOf(yield* send(), Transient)

      const busy = play(2)
      busy.played[0].send = failing(new Throttled({ retryAfter: Duration.seconds(90) }))
      busy.played[1]!.send = failing(new Throttled({ retryAfter: Duration.seconds(20) }))
      const reason = yield* busy.send()
      assert(typeof reason !== "string" && reason._tag === "Throttled")
      assert.strictEqual(reason.retryAfter && Duration.toSeconds(reason.retryAfter), 20)

      const down = (retryAfter?: number) =>
        failing(
          new Transient({ cause: "HTTP 503", ...(retryAfter && { retryAfter: Duration.seconds(retryAfter) }) })
        )
      for (const [second, wait] of [[down(20), 20], [down(), undefined]] as const) {
        for (const first of [busy.played[0].send, down(30)]) {
          const mixed = play(2)
          mixed.played[0].send = first
          mixed.played[1]!.send = second
          const reason = yield* mixed.send()
          assert(typeof reason !== "string" && reason._tag === "Transient")
          assert.strictEqual(reason.retryAfter && Duration.toSeconds(reason.retryAfter), wait)
        }
      }
    }))

  it.effect("gives the interruption of a hand-over on", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(2)
      let interrupted = false
      played[0].send = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      const sending = yield* Effect.forkChild(send(), { startImmediately: true })
      yield* Fiber.interrupt(sending)
      assert.isTrue(interrupted)
      assert.deepStrictEqual(asked, ["a"])
    }))

  it("reads the reports of all", () => {
    assert.deepStrictEqual([...play(3).notifier.receipts.keys()], ["a", "b", "c"])
  })

  it.effect("reads the reports of two accounts at one vendor, each by the one that it is signed for", () =>
    Effect.gen(function*() {
      const account = (key: string): Failover.Provider => ({
        name: `vendor-${key}`,
        notifier: {
          send: () => Effect.die("not asked"),
          receipts: new Map([[
            "vendor",
            ({ body }: { readonly body: string }) =>
              Effect.succeed(body === key ? { status: "delivered" as const } : undefined)
          ]])
        }
      })
      const { receipts } = Failover.make([account("a"), account("b"), account("c")])
      const read = (body: string) => receipts.get("vendor")!({ body, headers: {}, query: "", receiptId: "1" })
      for (const key of ["a", "b", "c"]) assert.deepStrictEqual(yield* read(key), { status: "delivered" })
      assert.isUndefined(yield* read("d"))
    }))

  it.effect("counts hand-overs by provider and outcome", () =>
    Effect.gen(function*() {
      const { played, send } = play(2)
      played[0].send = transient
      yield* send()
      const counted = (yield* Metric.snapshot).filter(({ id }) => id === "sms_hand_overs").map(({ attributes }) =>
        attributes && `${attributes["provider"]} ${attributes["outcome"]}`
      )
      assert.includeMembers(counted, ["a Transient", "b sent"])
    }))
})

describe("a provider's circuit breaker", () => {
  it.effect("opens after five failures in a row, and not after fewer or with a success between", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(2)
      const { send: works } = played[0]
      played[0].send = transient
      yield* times(4, send())
      played[0].send = works
      yield* send()
      played[0].send = transient
      yield* times(4, send())
      asked.length = 0
      yield* send()
      assert.deepStrictEqual(asked.splice(0), ["a", "b"])
      yield* times(3, send())
      assert.deepStrictEqual(asked, ["b", "b", "b"])
    }).pipe(noChance))

  it.effect("takes a bug and a provider that is too slow for failures, and a final answer for none", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1, { timeout: "1 second" })
      played[0].send = failing(new Permanent({ code: "30006" }))
      yield* times(9, send())
      played[0].send = () => Effect.die("a bug")
      yield* times(3, Effect.exit(send()))
      played[0].send = hanging
      yield* times(
        2,
        Effect.gen(function*() {
          const sending = yield* Effect.forkChild(send(), { startImmediately: true })
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(sending)
        })
      )
      assert.lengthOf(asked, 14)
      const reason = yield* send()
      assert(typeof reason !== "string" && reason._tag === "Paused")
      assert.strictEqual(reason.until.epochMilliseconds, 12_000)
      assert.lengthOf(asked, 14)
    }).pipe(noChance))

  it.effect("lets one attempt through after its pause, and closes on it", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1)
      played[0].send = transient
      yield* times(5, send())
      yield* TestClock.adjust("9999 millis")
      assert.propertyVal(yield* send(), "_tag", "Paused")
      asked.length = 0

      const answer = yield* Deferred.make<void>()
      played[0].send = () => Effect.as(Deferred.await(answer), { provider: "a", reference: undefined })
      yield* TestClock.adjust("1 millis")
      const probe = yield* Effect.forkChild(send(), { startImmediately: true })
      const others = yield* times(5, send())
      assert.isTrue(others.every((reason) => typeof reason !== "string" && reason._tag === "Paused"))
      assert.deepStrictEqual(asked, ["a"])
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual(yield* Fiber.join(probe), "a")
      assert.deepStrictEqual(yield* times(3, send()), ["a", "a", "a"])
    }).pipe(noChance))

  it.effect("stays open for twice as long after each probe that fails, up to a minute", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1)
      played[0].send = transient
      yield* times(5, send())
      const pauses: Array<number> = []
      for (let probe = 0; probe < 5; probe++) {
        const reason = yield* send()
        assert(typeof reason !== "string" && reason._tag === "Paused")
        const { epochMilliseconds: now } = yield* DateTime.now
        pauses.push((reason.until.epochMilliseconds - now) / 1000)
        yield* TestClock.setTime(reason.until.epochMilliseconds)
        assert.propertyVal(yield* send(), "_tag", "Transient")
      }
      assert.deepStrictEqual(pauses, [10, 20, 40, 60, 60])
      assert.lengthOf(asked, 10)
    }).pipe(noChance))

  it.effect("lets another probe through when one is interrupted", () =>
    Effect.gen(function*() {
      const { played, send } = play(1)
      const { send: works } = played[0]
      played[0].send = transient
      yield* times(5, send())
      yield* TestClock.adjust("10 seconds")
      played[0].send = hanging
      const probe = yield* Effect.forkChild(send(), { startImmediately: true })
      yield* Fiber.interrupt(probe)
      played[0].send = works
      assert.strictEqual(yield* send(), "a")
    }).pipe(noChance))

  it.effect("opens at once where the account is refused, and stays shut for as long as a provider wants", () =>
    Effect.gen(function*() {
      const refused = play(1)
      refused.played[0].send = failing(new AccountRefused({ code: "20003" }))
      yield* refused.send()
      assert.propertyVal(yield* refused.send(), "_tag", "Paused")
      assert.lengthOf(refused.asked, 1)

      const busy = play(1)
      busy.played[0].send = failing(new Throttled({ retryAfter: Duration.seconds(30) }))
      yield* busy.send()
      yield* TestClock.adjust("29 seconds")
      assert.propertyVal(yield* busy.send(), "_tag", "Paused")
      yield* TestClock.adjust("1 second")
      assert.propertyVal(yield* busy.send(), "_tag", "Throttled")
      assert.lengthOf(busy.asked, 2)
    }).pipe(noChance))

  it.effect("is left alone as long as it asks while it is down, and that counts as a failure", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1)
      played[0].send = failing(new Transient({ cause: "HTTP 503", retryAfter: Duration.seconds(2) }))
      for (let failure = 1; failure <= 5; failure++) {
        assert.propertyVal(yield* send(), "_tag", "Transient")
        assert.strictEqual(yield* secondsClosed(send), failure < 5 ? 2 : 10)
        yield* TestClock.adjust("2 seconds")
      }
      assert.lengthOf(asked, 5)
    }).pipe(noChance))

  it.effect("is tried again after an hour however long a provider wants to be left alone", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1)
      played[0].send = failing(new Throttled({ retryAfter: Duration.days(5) }))
      yield* send()
      yield* TestClock.adjust("3599 seconds")
      assert.propertyVal(yield* send(), "_tag", "Paused")
      yield* TestClock.adjust("1 second")
      yield* send()
      assert.lengthOf(asked, 2)
    }).pipe(noChance))

  it.effect("that throttles is told to the operator once a minute, however many messages wait", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const { played, send } = play(1)
      played[0].send = failing(new Throttled({ retryAfter: Duration.seconds(1) }))
      for (let second = 0; second < 121; second++) {
        yield* send()
        yield* TestClock.adjust("1 second")
      }
      const line = ["Warn", "SMS provider a throttles: messages wait"] as const
      assert.deepStrictEqual(logs, [line, line, line])
    }).pipe(noChance, Effect.provide(layer))
  })

  it.effect("is told to the operator once when it opens and when it closes, and loudly when the account is refused", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const { played, send } = play(1)
      const { send: works } = played[0]
      played[0].send = transient
      yield* times(5, send())
      yield* times(3, Effect.andThen(TestClock.adjust("2 minutes"), send()))
      played[0].send = works
      yield* TestClock.adjust("2 minutes")
      yield* times(3, send())
      played[0].send = failing(new AccountRefused({ code: "20003" }))
      yield* times(3, Effect.andThen(TestClock.adjust("2 minutes"), send()))
      assert.deepStrictEqual(logs, [
        ["Warn", "SMS provider a is not tried for a while: it failed 5 times in a row"],
        ["Info", "SMS provider a takes messages again"],
        ["Error", "SMS provider a refuses this account (20003): check its settings and its funds"]
      ])
    }).pipe(noChance, Effect.provide(layer))
  })

  it.effect("quotes to the operator nothing of the message that a provider quoted", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      for (const quote of ["to 079 111 22 33", "text 314159 refused"]) {
        const { played, send } = play(1)
        played[0].send = failing(new AccountRefused({ code: quote }))
        yield* send()
      }
      const line = "SMS provider a refuses this account (what quotes the message): check its settings and its funds"
      assert.deepStrictEqual(logs, [["Error", line], ["Error", line]])
    }).pipe(noChance, Effect.provide(layer))
  })

  it.effect("opens once for all that were under way when it opened, whatever they come to", () =>
    Effect.gen(function*() {
      for (
        const reason of [new Transient({ cause: "HTTP 500" }), new AccountRefused({ code: "20003" })]
      ) {
        const { played, send } = play(1)
        const { hands, later } = heldBack(played[0])
        const sending = yield* times(16, Effect.forkChild(send(), { startImmediately: true }))
        assert.lengthOf(hands, 16)
        for (const hand of hands) yield* later(hand, Effect.fail(new SmsNotSent({ reason })))
        yield* Effect.forEach(sending, Fiber.join)
        assert.strictEqual(yield* secondsClosed(send), 10)
      }
    }).pipe(noChance))

  it.effect("hears nothing of its probe from what was under way before", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<Effect.Effect<SmsNotifier.HandOver, SmsNotifier.SmsNotSent>> = [
        Effect.succeed({ provider: "a", reference: undefined }),
        Effect.fail(new SmsNotSent({ reason: new Transient({ cause: "HTTP 500" }) })),
        Effect.fail(new SmsNotSent({ reason: new AccountRefused({ code: "20003" }) })),
        Effect.interrupt
      ]
      for (const end of ends) {
        const { asked, played, send } = play(1, { timeout: "5 minutes" })
        const { hands, later } = heldBack(played[0])
        const late = yield* Effect.forkChild(Effect.exit(send()), { startImmediately: true })
        played[0].send = transient
        yield* times(5, send())
        yield* TestClock.adjust("10 seconds")
        played[0].send = hanging
        const probe = yield* Effect.forkChild(send(), { startImmediately: true })
        played[0].send = transient
        yield* later(hands[0]!, end)
        yield* Fiber.join(late)
        asked.length = 0
        assert.strictEqual(yield* secondsClosed(send), 1)
        assert.deepStrictEqual(asked, [])
        yield* Fiber.interrupt(probe)
      }
    }).pipe(noChance))

  it.effect("takes a wish to wait for no failure: afterwards it is as it was", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(1)
      played[0].send = failing(new Throttled({}))
      yield* send()
      yield* TestClock.adjust("1 second")
      played[0].send = transient
      yield* times(4, send())
      assert.lengthOf(asked, 5)
      yield* send()
      assert.strictEqual(yield* secondsClosed(send), 10)
    }).pipe(noChance))

  it.effect("waits as long as it was asked to, also when another message arrives meanwhile", () =>
    Effect.gen(function*() {
      const { played, send } = play(1)
      const { hands, later } = heldBack(played[0])
      const sending = yield* Effect.forkChild(send(), { startImmediately: true })
      played[0].send = failing(new Throttled({ retryAfter: Duration.seconds(30) }))
      yield* send()
      yield* later(hands[0]!, Effect.succeed({ provider: "a", reference: undefined }))
      assert.strictEqual(yield* Fiber.join(sending), "a")
      assert.strictEqual(yield* secondsClosed(send), 30)
    }).pipe(noChance))

  it.effect("keeps the longest of what it was asked to wait and of its own pause", () =>
    Effect.gen(function*() {
      const { played, send } = play(1, { timeout: "5 minutes" })
      const { hands, later } = heldBack(played[0])
      const sending = yield* times(2, Effect.forkChild(send(), { startImmediately: true }))
      played[0].send = transient
      yield* times(5, send())
      const waits = [[30, 30], [20, 30]] as const
      for (const [index, [asked, closed]] of waits.entries()) {
        const reason = new Throttled({ retryAfter: Duration.seconds(asked) })
        yield* later(hands[index]!, Effect.fail(new SmsNotSent({ reason })))
        yield* Fiber.join(sending[index]!)
        assert.strictEqual(yield* secondsClosed(send), closed)
      }
    }).pipe(noChance))

  it.effect("sends another probe when one was asked to wait, and has forgotten all when it closes", () =>
    Effect.gen(function*() {
      const { played, send } = play(1)
      const { send: works } = played[0]
      played[0].send = transient
      yield* times(5, send())
      yield* TestClock.adjust("10 seconds")
      played[0].send = failing(new Throttled({ retryAfter: Duration.seconds(3) }))
      yield* send()
      assert.strictEqual(yield* secondsClosed(send), 3)
      yield* TestClock.adjust("3 seconds")
      played[0].send = transient
      yield* send()
      assert.strictEqual(yield* secondsClosed(send), 20)
      yield* TestClock.adjust("20 seconds")
      played[0].send = works
      assert.strictEqual(yield* send(), "a")
      played[0].send = transient
      yield* times(5, send())
      assert.strictEqual(yield* secondsClosed(send), 10)
    }).pipe(noChance))

  it.effect("is loud again about an account that is refused again, and not for an answer from before", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const { played, send } = play(1, { timeout: "5 minutes" })
      const { send: works } = played[0]
      const refused = (code: string) => new SmsNotSent({ reason: new AccountRefused({ code }) })
      const { hands, later } = heldBack(played[0])
      const late = yield* Effect.forkChild(send(), { startImmediately: true })
      played[0].send = () => Effect.fail(refused("1"))
      yield* send()
      yield* TestClock.adjust("10 seconds")
      played[0].send = works
      yield* send()
      yield* later(hands[0]!, Effect.fail(refused("2")))
      yield* Fiber.join(late)
      assert.strictEqual(yield* send(), "a")
      played[0].send = () => Effect.fail(refused("3"))
      yield* send()
      const codes = logs.filter(([level]) => level === "Error").map(([, text]) => /\((\d)\)/.exec(String(text))?.[1])
      assert.deepStrictEqual(codes, ["1", "3"])
    }).pipe(noChance, Effect.provide(layer))
  })

  it.effect("is loud about a refused account also where it was left alone for something else before", () => {
    const { layer, logs } = record()
    return Effect.gen(function*() {
      const failed = play(1)
      failed.played[0].send = transient
      yield* times(5, failed.send())
      yield* TestClock.adjust("10 seconds")
      failed.played[0].send = failing(new AccountRefused({ code: "20003" }))
      yield* failed.send()

      const busy = play(1)
      busy.played[0].send = failing(new Throttled({}))
      yield* busy.send()
      yield* TestClock.adjust("1 second")
      busy.played[0].send = failing(new AccountRefused({ code: "20005" }))
      yield* busy.send()
      assert.deepStrictEqual(logs.filter(([level]) => level === "Error").map(([, text]) => text), [
        "SMS provider a refuses this account (20003): check its settings and its funds",
        "SMS provider a refuses this account (20005): check its settings and its funds"
      ])
    }).pipe(noChance, Effect.provide(layer))
  })

  it.effect("closes on a probe that gets any final answer", () =>
    Effect.gen(function*() {
      for (const reason of [new Permanent({ code: "1" }), new OptedOut(), new DestinationRefused({ code: "1" })]) {
        const { played, send } = play(1)
        const { send: works } = played[0]
        played[0].send = transient
        yield* times(5, send())
        yield* TestClock.adjust("10 seconds")
        played[0].send = failing(reason)
        yield* send()
        played[0].send = works
        assert.strictEqual(yield* send(), "a", reason._tag)
      }
    }).pipe(noChance))

  it.effect("keeps a message from one that has opened while another was asked", () =>
    Effect.gen(function*() {
      const { asked, played, send } = play(2)
      const { hands, later } = heldBack(played[0])
      const slow = yield* Effect.forkChild(send(), { startImmediately: true })
      played[0].send = transient
      played[1]!.send = transient
      yield* times(5, send(1))
      asked.length = 0
      yield* later(hands[0]!, Effect.fail(new SmsNotSent({ reason: new Transient({ cause: "late" }) })))
      yield* Fiber.join(slow)
      assert.deepStrictEqual(asked, [])
    }).pipe(noChance))

  it.effect("stays open for up to a tenth longer, so that processes do not probe all at once", () =>
    Effect.gen(function*() {
      const { played, send } = play(1)
      played[0].send = transient
      yield* times(5, send())
      assert.strictEqual(yield* secondsClosed(send), 10.5)
    }).pipe(Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.5 })))
})
