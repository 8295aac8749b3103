/** The default limits over real HTTP, with a clock that stands still until a test moves it. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Limits } from "../../src/core/index.ts"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import {
  type Caller,
  type Failure,
  invalidCode,
  permissionDenied,
  self,
  tooMany,
  verificationOff,
  writer
} from "../cases/Case.ts"
import { type Call, type Hero, minutes, pass, type Step, verify } from "../cases/Story.ts"
import { type Answer, assertFailure, authorization, newTarget, request } from "../fixtures/Calls.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import { call, take } from "../fixtures/StoryTeller.ts"
import * as TestServer from "../fixtures/TestServer.ts"

const hours = 60 * minutes
const days = 24 * hours

let lines = 0
/** A number that no other test uses. */
const newNumber = () => `+4179${3_000_000 + lines++}`

const newHero = Effect.map(newTarget("active"), (userId): Hero => ({ userId, codes: [] }))

const send = Effect.fnUntraced(function*(
  hero: Hero,
  method: string,
  path: string,
  body: object,
  caller: Caller = self,
  headers: Readonly<Record<string, string>> = {}
) {
  const header = yield* authorization(caller, hero.userId)
  const answer = yield* request({ method, path, body, userId: hero.userId, authorization: header, headers })
  if (answer.body.verificationCode !== undefined) hero.codes.push(answer.body.verificationCode)
  return answer
})

const setPhone = (hero: Hero, phone: string, option: object = {}, caller: Caller = self) =>
  send(hero, "POST", "", { phone, ...option }, caller)
const resend = (hero: Hero, option: object = {}, caller: Caller = self) => send(hero, "POST", "/resend", option, caller)
const guess = (hero: Hero, is: "right" | "wrong", caller: Caller = self) => by(hero, verify({ is }), caller)

const by = Effect.fnUntraced(function*(hero: Hero, operation: Call, caller: Caller) {
  return yield* call(hero, operation, yield* authorization(caller, hero.userId))
})
const getPhone = (hero: Hero) => Effect.map(by(hero, { operation: "GetPhone" }, self), ({ body }) => body)
const steps = Effect.fnUntraced(function*(hero: Hero, ...all: ReadonlyArray<Step>) {
  for (const step of all) yield* take(hero, step)
})

const assertDone = ({ body, status }: Answer) => assert.strictEqual(status, 200, JSON.stringify(body))

/** Everything that is stored of a user, and of what limits it. */
const stored = Effect.fnUntraced(function*(hero: Hero) {
  const sql = yield* SqlClient.SqlClient
  const id = hero.userId
  return yield* Effect.all([
    sql`SELECT t::text AS row FROM user_phone.users t WHERE user_id = ${id}`,
    sql`SELECT t::text AS row FROM user_phone.events t WHERE user_id = ${id} ORDER BY sequence`,
    sql`SELECT t::text AS row FROM user_phone.outbox t WHERE user_id = ${id} ORDER BY message_id`,
    sql`SELECT t::text AS row FROM user_phone.counters t ORDER BY counter`
  ])
})

/** Asserts that a call fails so, and leaves no trace. */
const refuses = Effect.fnUntraced(function*<E, R>(hero: Hero, attempt: Effect.Effect<Answer, E, R>, failure: Failure) {
  const before = yield* stored(hero)
  assertFailure(yield* attempt, failure)
  assert.deepStrictEqual(yield* stored(hero), before)
})

const layerServer = TestServer.layerWith({ limits: Limits.defaults }).pipe(Layer.provideMerge(FrozenClock.layer))

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("Limits over HTTP", (it) => {
  it.effect("look at five wrong guesses on a code, say how many are left, and then at no guess", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      yield* setPhone(hero, newNumber(), { returnCode: {} }, writer)
      for (const left of [4, 3, 2, 1, 0]) {
        assertFailure(yield* guess(hero, "wrong"), invalidCode("CODE_WRONG", left))
        assert.strictEqual((yield* getPhone(hero)).pendingCode.guessesLeft, left)
      }
      for (const is of ["right", "wrong"] as const) {
        yield* refuses(hero, guess(hero, is), invalidCode("CODE_SPENT", 0))
        yield* refuses(hero, guess(hero, is, writer), invalidCode("CODE_SPENT", 0))
      }
    }))

  it.effect("let a new code follow a spent one, which is not accepted beside it", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      yield* setPhone(hero, newNumber(), { returnCode: {} }, writer)
      for (let i = 0; i < 5; i++) yield* guess(hero, "wrong")
      assertDone(yield* resend(hero, { returnCode: {} }, writer))
      assert.strictEqual((yield* getPhone(hero)).pendingCode.guessesLeft, 5)
      assertFailure(yield* by(hero, verify({ is: "previous" }), self), invalidCode("CODE_WRONG", 4))
      assertDone(yield* guess(hero, "right"))
    }))

  it.effect("count wrong guesses on both codes of a grace together", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      yield* setPhone(hero, newNumber(), { returnCode: {} }, writer)
      yield* guess(hero, "wrong")
      yield* resend(hero, { returnCode: {} }, writer)
      for (const left of [4, 3, 2, 1, 0]) assertFailure(yield* guess(hero, "wrong"), invalidCode("CODE_WRONG", left))
      for (const is of ["right", "previous"] as const) {
        yield* refuses(hero, by(hero, verify({ is }), self), invalidCode("CODE_SPENT", 0))
      }
    }))

  it.effect("refuse every guess of a user with ten wrong ones in a day, whatever has happened since", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      const number = newNumber()
      yield* steps(hero, { step: "set", number, option: { returnCode: {} } })
      yield* guess(hero, "wrong")
      // From here the limit has to hold until the first of the ten is a day old.
      yield* steps(hero, pass(1 * hours), { step: "resend", option: { returnCode: {} } })
      for (let i = 0; i < 4; i++) yield* guess(hero, "wrong")
      assertDone(yield* guess(hero, "right"))
      yield* steps(hero, { step: "remove" }, { step: "set", number, option: { returnCode: {} } })
      for (const left of [4, 3, 2, 1]) assertFailure(yield* guess(hero, "wrong"), invalidCode("CODE_WRONG", left))
      yield* steps(hero, { step: "set", number: newNumber(), option: { returnCode: {} } })
      assert.strictEqual((yield* getPhone(hero)).pendingCode.guessesLeft, 1)
      assertFailure(yield* guess(hero, "wrong"), invalidCode("CODE_WRONG", 0))

      const refused = (after: number) => tooMany("WRONG_GUESSES_PER_USER", after)
      const later: ReadonlyArray<Step> = [
        { step: "resend", option: { returnCode: {} } },
        { step: "remove" },
        { step: "set", number, option: { returnCode: {} } }
      ]
      yield* refuses(hero, guess(hero, "right"), refused(23 * 3600))
      for (const step of later) {
        yield* steps(hero, step)
        yield* refuses(hero, guess(hero, "right"), refused(23 * 3600))
      }
      yield* refuses(hero, guess(hero, "right", writer), refused(23 * 3600))
      assert.strictEqual((yield* getPhone(hero)).pendingCode.guessesLeft, 0)

      yield* steps(hero, pass(23 * hours - 1), { step: "resend", option: { returnCode: {} } })
      yield* refuses(hero, guess(hero, "right"), refused(1))
      yield* steps(hero, pass(1))
      assertFailure(yield* guess(hero, "wrong"), invalidCode("CODE_WRONG", 0))
      yield* steps(hero, pass(1 * hours), { step: "resend", option: { returnCode: {} } })
      assertDone(yield* guess(hero, "right"))
    }))

  it.effect("refuse every guess at codes sent to a number with ten wrong ones in a day by those who do not hold it", () =>
    Effect.gen(function*() {
      const number = newNumber()
      const setting: ReadonlyArray<Step> = [{ step: "set", number, option: {} }, { step: "deliver" }]
      const resending: ReadonlyArray<Step> = [{ step: "resend", option: {} }, { step: "deliver" }]
      const [owner, first, second, third, fourth] = yield* Effect.all([newHero, newHero, newHero, newHero, newHero])
      for (const hero of [owner, first, second, third, fourth]) yield* steps(hero, ...setting)
      assertDone(yield* guess(owner, "right"))

      for (let i = 0; i < 5; i++) yield* guess(first, "wrong")
      yield* FrozenClock.FrozenClock.use(({ pass }) => pass(1 * hours))
      for (const hero of [second, third, fourth]) yield* steps(hero, ...resending)
      for (let i = 0; i < 4; i++) yield* guess(second, "wrong")
      // A right one needs room and takes none.
      assertDone(yield* guess(second, "right"))
      assertFailure(yield* guess(third, "wrong"), invalidCode("CODE_WRONG", 4))

      const refused = (after: number) => tooMany("WRONG_GUESSES_PER_NUMBER", after)
      for (const hero of [third, fourth]) {
        for (const is of ["right", "wrong"] as const) yield* refuses(hero, guess(hero, is), refused(23 * 3600))
        yield* refuses(hero, guess(hero, "right", writer), refused(23 * 3600))
      }
      // Who holds the number is not held up, nor who guesses at another, nor at a code that a writer took.
      yield* steps(owner, { step: "remove" }, ...setting)
      assertFailure(yield* guess(owner, "wrong"), invalidCode("CODE_WRONG", 4))
      assertDone(yield* guess(owner, "right"))
      yield* steps(fourth, pass(10 * minutes), { step: "resend", option: { returnCode: {} } })
      assertFailure(yield* guess(fourth, "wrong"), invalidCode("CODE_WRONG", 4))
      yield* steps(fourth, { step: "set", number: newNumber(), option: {} }, { step: "deliver" })
      assertDone(yield* guess(fourth, "right"))

      yield* steps(third, pass(23 * hours - 10 * minutes - 1), ...resending)
      yield* refuses(third, guess(third, "right"), refused(1))
      yield* steps(third, pass(1))
      assertDone(yield* guess(third, "right"))
    }))

  it.effect("turn verification off after a hundred wrong guesses in a row, until someone else unlocks it", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      yield* steps(hero, { step: "set", number: newNumber(), option: { returnCode: {} } })
      for (let day = 0; day < 10; day++) {
        for (let code = 0; code < 2; code++) {
          yield* steps(hero, { step: "resend", option: { returnCode: {} } })
          for (let i = 0; i < 5; i++) {
            assert.isFalse((yield* getPhone(hero)).verificationOff ?? false)
            yield* guess(hero, "wrong")
          }
        }
        yield* steps(hero, pass(1 * days))
      }
      yield* steps(hero, { step: "resend", option: { returnCode: {} } })
      assert.isTrue((yield* getPhone(hero)).verificationOff)
      assert.strictEqual((yield* getPhone(hero)).pendingCode.guessesLeft, 0)
      for (const caller of [self, writer]) yield* refuses(hero, guess(hero, "right", caller), verificationOff)
      const powerful: Caller = { ...self, writes: "target's organisation" }
      for (const caller of [self, powerful]) {
        yield* refuses(hero, setPhone(hero, newNumber(), {}, caller), verificationOff)
        yield* refuses(hero, resend(hero, {}, caller), verificationOff)
      }
      yield* refuses(hero, setPhone(hero, newNumber(), { isVerified: true }, powerful), verificationOff)
      yield* refuses(hero, resend(hero, { returnCode: {} }, powerful), verificationOff)
      const unlock: Call = { operation: "UnlockPhoneVerification" }
      for (const caller of [self, powerful]) yield* refuses(hero, by(hero, unlock, caller), permissionDenied)

      // Others with user.write may set the phone and send codes, but that unlocks nothing.
      assertDone(yield* setPhone(hero, newNumber(), { isVerified: true }, writer))
      assertDone(yield* setPhone(hero, newNumber(), {}, writer))
      assertDone(yield* resend(hero, { returnCode: {} }, writer))
      yield* refuses(hero, guess(hero, "right"), verificationOff)
      assertDone(yield* by(hero, { operation: "RemovePhone" }, self))

      assertDone(yield* by(hero, unlock, writer))
      yield* steps(hero, { step: "set", number: newNumber(), option: { returnCode: {} } })
      assert.isUndefined((yield* getPhone(hero)).verificationOff)
      assertDone(yield* guess(hero, "right"))
    }))

  it.effect("keep the day's wrong guesses through an unlock", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      yield* steps(hero, { step: "set", number: newNumber(), option: { returnCode: {} } })
      for (let i = 0; i < 5; i++) yield* guess(hero, "wrong")
      yield* steps(hero, { step: "resend", option: { returnCode: {} } })
      for (let i = 0; i < 5; i++) yield* guess(hero, "wrong")
      assertDone(yield* by(hero, { operation: "UnlockPhoneVerification" }, writer))
      yield* refuses(hero, guess(hero, "right"), tooMany("WRONG_GUESSES_PER_USER", 86_400))
    }))

  it.effect("make a user wait between codes, from 30 seconds doubling to 32 minutes, and say until when", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      assertDone(yield* setPhone(hero, newNumber()))
      for (const wait of [30, 60, 120, 240, 480, 960, 1920, 1920, 1920]) {
        const { pendingCode } = yield* getPhone(hero)
        const sentAt = Date.parse(pendingCode.expiresAt) - 10 * minutes
        const until = Date.parse(pendingCode.canResendAt) - sentAt
        assert.isAtLeast(until, wait * 1000)
        assert.isAtMost(until, wait * 1100)
        const refused = tooMany("WAIT_BETWEEN_CODES", Math.ceil(until / 1000))
        yield* refuses(hero, resend(hero), refused)
        yield* refuses(hero, resend(hero, {}, writer), refused)
        yield* refuses(hero, setPhone(hero, newNumber()), refused)
        yield* steps(hero, pass(until - 1))
        yield* refuses(hero, resend(hero), tooMany("WAIT_BETWEEN_CODES", 1))
        yield* steps(hero, pass(1))
        assertDone(yield* setPhone(hero, newNumber()))
      }
    }))

  it.effect("shorten the wait by a step for each hour without a code", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      const step = UserStore.use((store) => store.load(UserId.make(hero.userId))).pipe(
        Effect.map((user) => user!.wait!.step)
      )
      assertDone(yield* setPhone(hero, newNumber()))
      for (let i = 0; i < 3; i++) {
        yield* steps(hero, pass(10 * minutes))
        assertDone(yield* setPhone(hero, newNumber()))
      }
      assert.strictEqual(yield* step, 3)
      const spans = [60 * minutes - 1, 1 * hours, 2 * hours, 2.9 * hours, 3 * hours, 50 * hours]
      const steppedTo: Array<number> = []
      for (const span of spans) {
        yield* steps(hero, pass(span))
        assertDone(yield* setPhone(hero, newNumber()))
        steppedTo.push(yield* step)
      }
      assert.deepStrictEqual(steppedTo, [4, 4, 3, 2, 0, 0])
    }))

  it.effect("do not count, hold up or wait for codes that are returned, nor numbers that are vouched for", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      const number = newNumber()
      assertDone(yield* setPhone(hero, number))
      for (let i = 0; i < 25; i++) assertDone(yield* resend(hero, { returnCode: {} }, writer))
      assertDone(yield* setPhone(hero, newNumber(), { isVerified: true }, writer))
      assertDone(yield* setPhone(hero, number, { returnCode: {} }, writer))
      yield* steps(hero, pass(33 * 1000))
      assertDone(yield* resend(hero))
    }))

  it.effect("send 5 codes in ten minutes to one number, 10 in an hour and 20 in a day, whoever asks", () =>
    Effect.gen(function*() {
      const number = newNumber()
      const attempt = Effect.gen(function*() {
        const hero = yield* newHero
        return { hero, answer: yield* setPhone(hero, number) }
      })
      const full = Effect.fnUntraced(function*(after: number) {
        const hero = yield* newHero
        yield* refuses(hero, setPhone(hero, number), tooMany("CODES_PER_NUMBER", after))
        assertDone(yield* setPhone(hero, newNumber()))
      })
      const five = Effect.gen(function*() {
        for (let i = 0; i < 5; i++) assertDone((yield* attempt).answer)
      })
      yield* five
      yield* full(600)
      yield* FrozenClock.FrozenClock.use(({ pass }) => pass(10 * minutes))
      yield* five
      yield* full(50 * 60)
      yield* FrozenClock.FrozenClock.use(({ pass }) => pass(60 * minutes))
      yield* five
      yield* FrozenClock.FrozenClock.use(({ pass }) => pass(60 * minutes))
      yield* five
      yield* full(24 * 3600 - 130 * 60)
    }))

  it.effect("let who has proven a number send codes to it when strangers, and whom hosts vouch for, have used up theirs", () =>
    Effect.gen(function*() {
      const [owner, number, others] = [yield* newHero, newNumber(), Array<Hero>()]
      yield* steps(owner, { step: "set", number, option: { sendCode: {} } }, { step: "deliver" }, {
        step: "guess",
        guess: { is: "right" }
      })
      yield* FrozenClock.FrozenClock.use(({ pass }) => pass(24 * hours))
      // Hosts of other organisations say what they like: that a number is verified, or that they got its code.
      const ways = [{ isVerified: true }, { returnCode: {} }]
      for (const option of [...ways, ...ways, ...ways]) {
        const other = yield* newHero
        yield* steps(other, { step: "set", number, option })
        if (!("isVerified" in option)) yield* steps(other, { step: "guess", guess: { is: "right" } })
        yield* steps(other, { step: "remove" })
        const answer = yield* setPhone(other, number)
        if (others.push(other) < 6) assertDone(answer)
        else assertFailure(answer, tooMany("CODES_PER_NUMBER", 600))
      }
      const strangers = yield* Effect.replicateEffect(newHero, 6)
      for (const [index, stranger] of strangers.entries()) {
        const answer = yield* setPhone(stranger, number)
        if (index < 5) assertDone(answer)
        else assertFailure(answer, tooMany("CODES_PER_NUMBER", 600))
      }
      yield* steps(owner, { step: "remove" })
      assertDone(yield* setPhone(owner, number))
      yield* refuses(strangers[5]!, setPhone(strangers[5]!, number), tooMany("CODES_PER_NUMBER", 600))
    }))

  it.effect("send 20 codes a day for one user, whatever the numbers", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      for (let i = 0; i < 20; i++) {
        assertDone(yield* setPhone(hero, newNumber()))
        yield* steps(hero, pass(36 * minutes))
      }
      const after = 24 * 3600 - 20 * 36 * 60
      yield* refuses(hero, setPhone(hero, newNumber()), tooMany("CODES_PER_USER", after))
      yield* steps(hero, pass(after * 1000 - 1))
      yield* refuses(hero, setPhone(hero, newNumber()), tooMany("CODES_PER_USER", 1))
      yield* steps(hero, pass(1))
      assertDone(yield* setPhone(hero, newNumber()))
    }))

  it.effect("repeat an answer under its idempotency key whatever the limits, and make one code of a resend", () =>
    Effect.gen(function*() {
      const hero = yield* newHero
      const phone = newNumber()
      const key = { "idempotency-key": "once" }
      const set = () => send(hero, "POST", "", { phone }, self, key)
      const first = yield* set()
      yield* refuses(hero, resend(hero), tooMany("WAIT_BETWEEN_CODES", yield* secondsToWait(hero)))
      const again = yield* set()
      assert.deepStrictEqual([again.status, again.body], [200, first.body])
      assert.strictEqual(again.headers.get("idempotency-replayed"), "true")

      // The same key means something else for another operation.
      const resendOnce = (body: object, caller: Caller = writer) => send(hero, "POST", "/resend", body, caller, key)
      const returned = yield* resendOnce({ returnCode: {} })
      assertDone(returned)
      const repeated = yield* resendOnce({ returnCode: {} })
      assert.deepStrictEqual([repeated.status, repeated.body], [200, { details: returned.body.details }])
      assert.strictEqual(repeated.headers.get("idempotency-replayed"), "true")
      assert.strictEqual(returned.headers.get("idempotency-replayed"), null)
      const other = yield* resendOnce({ sendCode: {} })
      assert.strictEqual(other.status, 400)
      assert.strictEqual(other.body.message, "the idempotency key was used for another request")
      assertDone(yield* guess(hero, "right"))
      // A replay is an answer of its time: it says nothing of what has happened since.
      assert.deepStrictEqual((yield* resendOnce({ returnCode: {} })).body, { details: returned.body.details })
    }))
})

/** Until the next code can be sent. */
const secondsToWait = Effect.fnUntraced(function*(hero: Hero) {
  const { pendingCode } = yield* getPhone(hero)
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
  return Math.ceil((Date.parse(pendingCode.canResendAt) - now) / 1000)
})
