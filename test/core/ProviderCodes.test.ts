/** Codes that a provider makes and checks: the operations over a provider that is played here, in memory. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import {
  Actor,
  Errors,
  GetPhone,
  Limits,
  Operations,
  RemovePhone,
  ResendPhoneCode,
  SetPhone,
  SmsDelivery,
  UserId,
  Users,
  UserStore,
  VerificationProvider,
  VerifyPhone
} from "../../src/core/index.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
const [number, another] = ["+41791234567", "+41791234568"]
const right = "271828"

/** What the provider was asked, and what it says next. */
class Played extends Context.Service<Played, {
  readonly started: Array<string>
  readonly checked: Array<readonly [verificationId: string, recipient: string, guess: string]>
  /** Instead of comparing the guess. */
  next: Effect.Effect<VerificationProvider.CheckOutcome, Errors.Unavailable> | undefined
}>()("test/Played") {}

const layerProvider = Layer.effectContext(Effect.sync(() => {
  const played: Played["Service"] = { started: [], checked: [], next: undefined }
  const provider: VerificationProvider.VerificationProvider = {
    id: "played",
    lifetime: Duration.minutes(10),
    start: ({ recipient }) =>
      Effect.sync(() => {
        played.started.push(Redacted.value(recipient))
        return { verificationId: `V${played.started.length}` }
      }),
    check: ({ guess, recipient, verificationId }) =>
      Effect.suspend(() => {
        played.checked.push([verificationId, Redacted.value(recipient), Redacted.value(guess)])
        return played.next ?? Effect.succeed(Redacted.value(guess) === right ? "right" : "wrong")
      })
  }
  return Context.make(Played, played).pipe(Context.add(VerificationProvider.VerificationProvider, provider))
}))

const layers = Operations.layer.pipe(Layer.provideMerge(layerProvider), Layer.provideMerge(Memory.layerPorts))

const asAdmin = Effect.provideService(Actor.Actor, admin)
const set = (userId: string, phone = number) =>
  asAdmin(SetPhone.SetPhone.use(({ setPhone }) => setPhone({ userId, phone: Redacted.make(phone) })))
const resend = (userId: string) =>
  asAdmin(ResendPhoneCode.ResendPhoneCode.use(({ resendPhoneCode }) => resendPhoneCode({ userId })))
const verify = (userId: string, code: string) =>
  asAdmin(
    VerifyPhone.VerifyPhone.use(({ verifyPhone }) => verifyPhone({ userId, verificationCode: Redacted.make(code) }))
  )
const get = (userId: string) => asAdmin(GetPhone.GetPhone.use(({ getPhone }) => getPhone({ userId })))
const deliver = Effect.flatMap(SmsDelivery.make(), ({ deliverDue }) => deliverDue)
const eventsOf = (userId: UserId.UserId) =>
  Effect.map(
    UserStore.UserStore.use((store) => store.history(userId)),
    (log) => log.map(({ change }) => change.type.replace("user.human.phone.", ""))
  )

const newUser = Effect.gen(function*() {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  return userId
})

/** A user whose number the provider has sent a code to. */
const waiting = Effect.gen(function*() {
  const userId = yield* newUser
  yield* set(userId)
  yield* deliver
  return userId
})

const failure = <A, R>(operation: Effect.Effect<A, { readonly _tag: string }, R>) =>
  Effect.map(Effect.flip(operation), (error) => {
    const { reason } = error as { readonly reason?: string }
    return reason === undefined ? error._tag : `${error._tag} ${reason}`
  })

/** Verifies over a store whose commits of an event may be made otherwise. */
const verifyWhere = Effect.fnUntraced(function*(
  userId: string,
  code: string,
  event: string,
  commit: (
    committed: Effect.Effect<UserStore.CommitResult, Errors.Unavailable>,
    change: UserStore.Commit
  ) => typeof committed
) {
  const store = yield* UserStore.UserStore
  const other = Layer.succeed(UserStore.UserStore, {
    ...store,
    commit: (change) =>
      change.events[0].change.type === `user.human.phone.${event}`
        ? commit(store.commit(change), change)
        : store.commit(change)
  })
  return yield* verify(userId, code).pipe(Effect.provide(Layer.fresh(Operations.layer).pipe(Layer.provide(other))))
})

/** A right guess whose caller goes while this event is being committed. */
const goneDuring = Effect.fnUntraced(function*(userId: string, event: string) {
  const [committing, commit] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const call = yield* Effect.forkChild(verifyWhere(
    userId,
    right,
    event,
    (committed) =>
      Deferred.succeed(committing, undefined).pipe(Effect.andThen(Deferred.await(commit)), Effect.andThen(committed))
  ))
  yield* Deferred.await(committing)
  const gone = yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
  yield* Deferred.succeed(commit, undefined)
  yield* Fiber.join(gone)
})

/** What is answered to a guess where this event is committed, but the answer to the first commit is lost. */
const lost = Effect.fnUntraced(function*(userId: string, code: string, event: string) {
  let commits = 0
  const committing = yield* Deferred.make<void>()
  const answer = yield* Effect.forkChild(
    Effect.match(
      verifyWhere(userId, code, event, (committed) =>
        commits++ === 0
          ? committed.pipe(Effect.andThen(Deferred.succeed(committing, undefined)), Effect.andThen(down))
          : committed),
      { onFailure: ({ _tag }) => _tag, onSuccess: () => "verified" }
    )
  )
  yield* Deferred.await(committing)
  yield* TestClock.adjust("1 second")
  return yield* Fiber.join(answer)
})

const guessesOf = (userId: UserId.UserId) =>
  Effect.map(UserStore.UserStore.use((store) => store.load(userId)), (user) => user!.guesses)

const down = Effect.fail(new Errors.Unavailable({ cause: "the database does not answer" }))

describe("a code that a provider makes", () => {
  it.effect("is started by the worker, checked by the provider, and verifies the number", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* newUser
      yield* set(userId)
      assert.deepStrictEqual(played.started, [])
      assert.strictEqual(yield* deliver, 1)
      assert.deepStrictEqual(played.started, [number])

      assert.strictEqual(yield* failure(verify(userId, "314159")), "InvalidCode CODE_WRONG")
      yield* verify(userId, " 271-828 ")
      assert.deepStrictEqual(played.checked, [["V1", number, "314159"], ["V1", number, right]])
      assert.isTrue((yield* get(userId)).phone?.verified)
      assert.deepStrictEqual(yield* eventsOf(userId), [
        "changed",
        "code.added",
        "code.sent",
        "verification.attempted",
        "verification.failed",
        "verification.attempted",
        "verified"
      ])
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode NO_CODE")
      assert.lengthOf(played.checked, 2)
    }).pipe(Effect.provide(layers)))

  it.effect("is shown with its expiry, the guesses that are left, and its delivery", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      yield* failure(verify(userId, "314159"))
      const { pendingCode } = yield* get(userId)
      assert(pendingCode !== undefined)
      assert.strictEqual(pendingCode.expiresAt.epochMilliseconds, 600_000)
      assert.strictEqual(pendingCode.guessesLeft, 4)
      assert.deepStrictEqual(pendingCode.delivery, { state: "sent", attempts: 1, reason: undefined })
    }).pipe(Effect.provide(layers)))

  it.effect("cannot be returned, neither by setting nor by resending", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      const verification = { _tag: "ReturnCode" } as const
      const phone = Redacted.make(another)
      const setting = SetPhone.SetPhone.use(({ setPhone }) => setPhone({ userId, phone, verification }))
      const resending = ResendPhoneCode.ResendPhoneCode.use(({ resendPhoneCode }) =>
        resendPhoneCode({ userId, verification })
      )
      const before = yield* eventsOf(userId)
      assert.strictEqual(yield* failure(asAdmin(setting)), "CodeNotReturnable")
      assert.strictEqual(yield* failure(asAdmin(resending)), "CodeNotReturnable")
      assert.deepStrictEqual(yield* eventsOf(userId), before)
    }).pipe(Effect.provide(layers)))

  it.effect("is not asked about before it was sent, nor after it has expired, and neither counts", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* newUser
      yield* set(userId)
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode NO_CODE")
      yield* deliver
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode CODE_EXPIRED")
      assert.deepStrictEqual(played.checked, [])
      assert.notInclude(yield* eventsOf(userId), "verification.attempted")
    }).pipe(Effect.provide(layers)))

  it.effect("is asked about five times at most, also by guesses that come at once", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      const guesses = Array.from({ length: 12 }, (_, index) => failure(verify(userId, String(100_000 + index))))
      const answers = yield* Effect.all(guesses, { concurrency: "unbounded" })
      assert.lengthOf(played.checked, 5)
      assert.lengthOf(answers.filter((answer) => answer === "InvalidCode CODE_WRONG"), 5)
      assert.lengthOf(answers.filter((answer) => answer === "InvalidCode CODE_SPENT"), 7)
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode CODE_SPENT")
      assert.lengthOf(played.checked, 5)
    }).pipe(Effect.provide(layers)))

  it.effect("keeps its count over a resend, which has no grace", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      for (let guess = 0; guess < 4; guess++) yield* failure(verify(userId, "314159"))
      yield* TestClock.adjust("40 seconds")
      yield* resend(userId)
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode NO_CODE")
      yield* deliver
      yield* failure(verify(userId, "314159"))
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode CODE_SPENT")
      assert.lengthOf(played.checked, 5)
    }).pipe(Effect.provide(layers)))

  it.effect("can be had anew when it is spent", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      for (let guess = 0; guess < 5; guess++) yield* failure(verify(userId, "314159"))
      assert.strictEqual(yield* failure(verify(userId, right)), "InvalidCode CODE_SPENT")
      yield* TestClock.adjust("40 seconds")
      yield* resend(userId)
      assert.strictEqual(yield* deliver, 1)
      yield* verify(userId, right)
    }).pipe(Effect.provide(layers)))

  it.effect("costs a number nothing when it was guessed right, whoever proves it, and a wrong guess what it always does", () =>
    Effect.gen(function*() {
      for (let user = 0; user < 12; user++) {
        yield* TestClock.adjust("90 minutes")
        yield* verify(yield* waiting, right)
      }
      for (let user = 0; user < 5; user++) {
        yield* TestClock.adjust("90 minutes")
        const userId = yield* waiting
        for (let guess = 0; guess < 2; guess++) {
          assert.strictEqual(yield* failure(verify(userId, "314159")), "InvalidCode CODE_WRONG")
        }
      }
      yield* TestClock.adjust("90 minutes")
      assert.strictEqual(yield* failure(verify(yield* waiting, right)), "TooManyRequests WRONG_GUESSES_PER_NUMBER")
    }).pipe(Effect.provide(layers)))

  it.effect("takes back what a guess cost that the provider did not answer, however long it is down", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      yield* failure(verify(userId, "314159"))
      const before = yield* UserStore.UserStore.use((store) => store.load(userId))
      for (let guess = 0; guess < 30; guess++) {
        played.next = Effect.fail(new Errors.Unavailable({ cause: "the provider does not answer" }))
        assert.strictEqual(yield* failure(verify(userId, right)), "Unavailable")
        assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 4)
      }
      const after = yield* UserStore.UserStore.use((store) => store.load(userId))
      assert.deepStrictEqual(after!.guesses, before!.guesses)
      assert.include(yield* eventsOf(userId), "verification.unanswered")
      // Neither the user nor the number has used up what there is in a day.
      played.next = undefined
      assert.strictEqual(yield* failure(verify(userId, "314159")), "InvalidCode CODE_WRONG")
      yield* verify(userId, right)
    }).pipe(Effect.provide(layers)))

  it.effect("counts a guess while the provider is asked, and keeps what could not be taken back in five seconds", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      played.next = Effect.fail(new Errors.Unavailable({ cause: "the provider does not answer" }))
      const tried = yield* Deferred.make<void>()
      const answer = yield* Effect.forkChild(failure(verifyWhere(
        userId,
        right,
        "verification.unanswered",
        () => Effect.andThen(Deferred.succeed(tried, undefined), down)
      )))
      yield* Deferred.await(tried)
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(yield* Fiber.join(answer), "Unavailable")
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 4)
    }).pipe(Effect.provide(layers)))

  it.effect("says what the provider says of a code that it looks at no more, without asking again, and counts nothing", () =>
    Effect.gen(function*() {
      const played = yield* Played
      for (const [outcome, reason] of [["expired", "CODE_EXPIRED"], ["spent", "CODE_SPENT"]] as const) {
        const userId = yield* waiting
        yield* failure(verify(userId, "314159"))
        const before = yield* guessesOf(userId)
        const asked = played.checked.length
        played.next = Effect.succeed(outcome)
        // The provider is asked once.
        for (let guess = 0; guess < 10; guess++) {
          assert.strictEqual(yield* failure(verify(userId, right)), `InvalidCode ${reason}`)
        }
        assert.lengthOf(played.checked, asked + 1)
        assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 0)
        assert.isFalse((yield* get(userId)).phone?.verified)
        assert.deepStrictEqual(yield* guessesOf(userId), before)
        // Neither the user nor the number has used up anything.
        played.next = undefined
        yield* TestClock.adjust("40 seconds")
        yield* resend(userId)
        yield* deliver
        assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 5)
        yield* verify(userId, right)
      }
    }).pipe(Effect.provide(layers)))

  it.effect("is proven, and says so, also where nobody knows whether the proof was committed", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      const answer = yield* lost(userId, right, "verified")
      assert.strictEqual(answer, "verified")
      const { details, phone } = yield* get(userId)
      assert.isTrue(phone?.verified)
      assert.strictEqual(details.sequence, 5n)
      assert.strictEqual((yield* eventsOf(userId)).at(-1), "verified")
    }).pipe(Effect.provide(layers)))

  it.effect("takes a guess back once, also where nobody knows whether that was committed", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      for (let guess = 0; guess < 3; guess++) {
        yield* failure(verify(userId, "314159"))
        yield* TestClock.adjust("1 second")
      }
      const before = yield* UserStore.UserStore.use((store) => store.load(userId))
      for (
        const next of [Effect.fail(new Errors.Unavailable({ cause: "no answer" })), Effect.succeed("expired" as const)]
      ) {
        played.next = next
        yield* lost(userId, right, "verification.unanswered")
      }
      const after = yield* UserStore.UserStore.use((store) => store.load(userId))
      assert.deepStrictEqual(after!.guesses, before!.guesses)
      assert.strictEqual(after!.pending?.wrongGuesses, 3)
      assert.lengthOf((yield* eventsOf(userId)).filter((type) => type === "verification.unanswered"), 2)
    }).pipe(Effect.provide(layers)))

  it.effect("records a wrong guess once, also where nobody knows whether that was committed", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      assert.strictEqual(yield* lost(userId, "314159", "verification.failed"), "InvalidCode")
      assert.deepStrictEqual((yield* eventsOf(userId)).slice(-2), ["verification.attempted", "verification.failed"])
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 4)
    }).pipe(Effect.provide(layers)))

  it.effect("takes back no other's guess for one that was not recorded, though they came at the same moment", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      const [asked, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      played.next = Deferred.succeed(asked, undefined).pipe(
        Effect.andThen(Deferred.await(answer)),
        Effect.as("wrong" as const)
      )
      const sequences: Array<bigint> = []
      const other = yield* Effect.forkChild(Effect.flip(
        verifyWhere(userId, "314159", "verification.attempted", (committed, { events: [{ sequence }] }) => {
          sequences.push(sequence)
          return committed
        })
      ))
      const unrecorded = yield* failure(
        verifyWhere(userId, right, "verification.attempted", (_committed, { events: [{ sequence }] }) => {
          sequences.push(sequence)
          return Effect.andThen(Deferred.await(asked), down)
        })
      )
      assert.deepStrictEqual(sequences, [4n, 4n])
      assert.strictEqual(unrecorded, "Unavailable")
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 4)
      assert.notInclude(yield* eventsOf(userId), "verification.unanswered")
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual((yield* Fiber.join(other))._tag, "InvalidCode")
      assert.strictEqual((yield* guessesOf(userId)).wrongInARow, 1)
    }).pipe(Effect.provide(layers)))

  describe("whose attempt is forgotten for ten younger ones", () => {
    /** What is answered to a right guess, after ten wrong ones that came later and whatever is done meanwhile. */
    const answerAfter = <A, E, R>(meanwhile: (userId: UserId.UserId) => Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        const played = yield* Played
        const userId = yield* waiting
        yield* verify(userId, right)
        yield* asAdmin(RemovePhone.RemovePhone.use(({ removePhone }) => removePhone({ userId })))
        yield* set(userId)
        yield* deliver
        const [asked, answer, end] = [
          yield* Deferred.make<void>(),
          yield* Deferred.make<void>(),
          yield* Deferred.make<void>()
        ]
        played.next = Deferred.succeed(asked, undefined).pipe(
          Effect.andThen(Deferred.await(answer)),
          Effect.as("right" as const)
        )
        const verifying = yield* Effect.forkChild(Effect.exit(verify(userId, right)))
        yield* Deferred.await(asked)
        played.next = Effect.as(Deferred.await(end), "wrong" as const)
        for (let guess = 0; guess < 10; guess++) yield* Effect.forkChild(verify(userId, "314159"))
        // The first of the eleven is forgotten.
        yield* Effect.andThen(Effect.yieldNow, guessesOf(userId)).pipe(
          Effect.repeat({ until: ({ wrongAt }) => wrongAt.length === 11, times: 1000 })
        )
        yield* meanwhile(userId)
        yield* Deferred.succeed(answer, undefined)
        const exit = yield* Fiber.join(verifying)
        const { phone } = yield* get(userId)
        yield* Deferred.succeed(end, undefined)
        return [Exit.isSuccess(exit) ? "verified" : "refused", phone?.verified ?? "no phone"]
      }).pipe(Effect.provide(layers.pipe(Layer.provide(Layer.succeed(Limits.Limits, Limits.off)))))

    it.effect("is proven by a right guess all the same", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* answerAfter(() => Effect.void), ["verified", true])
      }))

    it.effect("is not when its number has been removed or replaced, though that was proven before", () =>
      Effect.gen(function*() {
        const remove = (userId: string) =>
          asAdmin(RemovePhone.RemovePhone.use(({ removePhone }) => removePhone({ userId })))
        const vouched = (userId: string) =>
          asAdmin(
            SetPhone.SetPhone.use(({ setPhone }) =>
              setPhone({ userId, phone: Redacted.make(another), verification: { _tag: "AlreadyVerified" } })
            )
          )
        assert.deepStrictEqual(yield* answerAfter(remove), ["refused", "no phone"])
        assert.deepStrictEqual(yield* answerAfter((userId) => set(userId, another)), ["refused", false])
        assert.deepStrictEqual(yield* answerAfter(vouched), ["refused", true])
      }))
  })

  it.effect("proves the number although the store fails for a moment once the provider has said so", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      const failed = yield* Deferred.make<void>()
      let failures = 0
      const verifying = yield* Effect.forkChild(verifyWhere(
        userId,
        right,
        "verified",
        (committed) => failures++ < 3 ? Effect.andThen(Deferred.succeed(failed, undefined), down) : committed
      ))
      yield* Deferred.await(failed)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(verifying)
      assert.strictEqual(failures, 4)
      assert.isTrue((yield* get(userId)).phone?.verified)
    }).pipe(Effect.provide(layers)))

  it.effect("counts nothing where it was guessed right twice at once", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      const answers = yield* Effect.all([1, 2].map(() => Effect.exit(verify(userId, right))), {
        concurrency: "unbounded"
      })
      assert.lengthOf(answers.filter(Exit.isSuccess), 1)
      assert.include(yield* eventsOf(userId), "verification.unanswered")
      assert.deepStrictEqual(yield* guessesOf(userId), { wrongInARow: 0, wrongAt: [] })
    }).pipe(Effect.provide(layers)))

  it.effect("counts no guess about which the provider has a bug", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      played.next = Effect.die(new Error("a bug"))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(verify(userId, right))))
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 5)
      assert.deepStrictEqual(yield* guessesOf(userId), { wrongInARow: 0, wrongAt: [] })
    }).pipe(Effect.provide(layers)))

  it.effect("counts no guess of a caller who has gone before the provider was asked", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      yield* goneDuring(userId, "verification.attempted")
      assert.deepStrictEqual(played.checked, [])
      assert.deepStrictEqual((yield* eventsOf(userId)).slice(-2), ["verification.attempted", "verification.unanswered"])
      assert.strictEqual((yield* get(userId)).pendingCode?.guessesLeft, 5)
    }).pipe(Effect.provide(layers)))

  it.effect("counts no guess whose attempt was committed without anybody knowing", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      for (let guess = 0; guess < 6; guess++) {
        assert.strictEqual(
          yield* failure(
            verifyWhere(userId, right, "verification.attempted", (committed) => Effect.andThen(committed, down))
          ),
          "Unavailable"
        )
      }
      assert.deepStrictEqual(played.checked, [])
      assert.deepStrictEqual(yield* guessesOf(userId), { wrongInARow: 0, wrongAt: [] })
      yield* verify(userId, right)
    }).pipe(Effect.provide(layers)))

  it.effect("proves nothing by an answer that comes when the number has been changed, removed, or its code resent", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const remove = (userId: string) =>
        asAdmin(RemovePhone.RemovePhone.use(({ removePhone }) => removePhone({ userId })))
      for (const meddle of [(userId: string) => set(userId, another), remove, resend]) {
        const userId = yield* waiting
        yield* TestClock.adjust("40 seconds")
        const [asked, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        played.next = Deferred.succeed(asked, undefined).pipe(
          Effect.andThen(Deferred.await(answer)),
          Effect.as("right" as const)
        )
        const verifying = yield* Effect.forkChild(failure(verify(userId, right)))
        yield* Deferred.await(asked)
        // The user is not kept from others while the provider thinks.
        yield* meddle(userId)
        yield* Deferred.succeed(answer, undefined)
        assert.strictEqual(yield* Fiber.join(verifying), "InvalidCode NO_CODE")
        const { phone } = yield* get(userId)
        assert.notStrictEqual(phone?.verified, true)
        assert.notInclude(yield* eventsOf(userId), "verified")
        assert.strictEqual((yield* guessesOf(userId)).wrongInARow, 0)
      }
    }).pipe(Effect.provide(layers.pipe(Layer.provide(Layer.succeed(Limits.Limits, Limits.off))))))

  it.effect("counts a wrong guess also when its code is not pending any more as the answer comes", () =>
    Effect.gen(function*() {
      const played = yield* Played
      const userId = yield* waiting
      yield* TestClock.adjust("40 seconds")
      const [asked, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      played.next = Deferred.succeed(asked, undefined).pipe(
        Effect.andThen(Deferred.await(answer)),
        Effect.as("wrong" as const)
      )
      const verifying = yield* Effect.forkChild(failure(verify(userId, "314159")))
      yield* Deferred.await(asked)
      yield* resend(userId)
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual(yield* Fiber.join(verifying), "InvalidCode NO_CODE")
      assert.strictEqual((yield* guessesOf(userId)).wrongInARow, 1)
    }).pipe(Effect.provide(layers)))

  it.effect("proves the number once the provider has said so, also when the caller has gone", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      yield* goneDuring(userId, "verified")
      assert.isTrue((yield* get(userId)).phone?.verified)
    }).pipe(Effect.provide(layers)))

  it.effect("proves the number also when the caller goes while the provider is asked", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      const played = yield* Played
      const [asked, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      played.next = Deferred.succeed(asked, undefined).pipe(
        Effect.andThen(Deferred.await(answer)),
        Effect.as("right" as const)
      )
      const call = yield* Effect.forkChild(verify(userId, right))
      yield* Deferred.await(asked)
      const gone = yield* Effect.forkChild(Fiber.interrupt(call), { startImmediately: true })
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(gone)
      assert.isTrue((yield* get(userId)).phone?.verified)
      assert.lengthOf(played.checked, 1)
    }).pipe(Effect.provide(layers)))

  it.effect("is not asked of another provider, and not counted then", () =>
    Effect.gen(function*() {
      const userId = yield* waiting
      const other = { ...(yield* VerificationProvider.VerificationProvider)!, id: "other" }
      const elsewhere = VerifyPhone.layer.pipe(
        Layer.provide(Layer.succeed(VerificationProvider.VerificationProvider, other))
      )
      const answer = verify(userId, right).pipe(Effect.provide(elsewhere, { local: true }))
      assert.strictEqual(yield* failure(answer), "InvalidCode CODE_EXPIRED")
      assert.notInclude(yield* eventsOf(userId), "verification.attempted")
      yield* verify(userId, right)
    }).pipe(Effect.provide(layers)))
})
