/**
 * The operations over in-memory layers that fail in every way: no number, code, guess or key is in spans, logs, metrics,
 * answers or errors, however these are printed.
 */
import { NodeCrypto } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Exit, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import * as CryptoCodeVault from "../../src/adapters/CryptoCodeVault.ts"
import * as Memory from "../../src/adapters/Memory.ts"
import {
  Access,
  Actor,
  CodeGenerator,
  Errors,
  GetPhone,
  Limits,
  Operations,
  RemovePhone,
  ResendPhoneCode,
  SetPhone,
  SmsDelivery,
  SmsNotifier,
  SmsText,
  UnlockPhoneVerification,
  UserStore,
  VerificationProvider,
  VerifyPhone
} from "../../src/core/index.ts"
import { errorResponse } from "../../src/http/ErrorResponse.ts"
import type { CallerError } from "../../src/http/Status.ts"
import { organization } from "../cases/Case.ts"
import { newTarget } from "../fixtures/Calls.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import * as Scan from "../fixtures/SecretScan.ts"
import { Known } from "../fixtures/Wire.ts"

const number = "+41791112233"
const key = { id: "one", bytes: Redacted.make(Uint8Array.from(randomBytes(32))) }
const fingerprintKey = Redacted.make(Uint8Array.from(randomBytes(32)))

/** What a driver says of a row, and a provider of a message. */
const quoting = new Error("driver", { cause: new Error(`Failing row contains (ada, ${number}, t)`) })

/** How commits of a user fail from now on. */
const failures = new Map<string, "full" | "broken" | "raced">()

const failingStore = Layer.effect(
  UserStore.UserStore,
  Effect.map(UserStore.UserStore, (store) =>
    UserStore.UserStore.of({
      ...store,
      commit: (commit) => {
        switch (failures.get(commit.before.userId)) {
          case "full":
            return Effect.map(DateTime.now, (until) => ({ _tag: "LimitReached", reason: "TEST_LIMIT", until }))
          case "broken":
            // @ts-expect-error an error is no description, and does not get past here in JavaScript either
            return Effect.fail(new Errors.Unavailable({ cause: quoting }))
          case "raced":
            return Effect.succeed({ _tag: "LostRace" })
          case undefined:
            return store.commit(commit)
        }
      }
    }))
)

/** What was handed over, each message to another failure, then one that gets through, then bugs. */
const handedOver: Array<SmsNotifier.Sms> = []
const failingNotifier = Layer.succeed(SmsNotifier.SmsNotifier, {
  send: (sms) => {
    handedOver.push(sms)
    const reasons = [
      new SmsNotifier.Transient({ cause: "HTTP 500" }),
      new SmsNotifier.Throttled({}),
      new SmsNotifier.Permanent({ code: "21211" }),
      new SmsNotifier.OptedOut()
    ]
    if (handedOver.length > reasons.length + 1) return Effect.die(quoting)
    const reason = reasons[handedOver.length - 1]
    return reason === undefined
      ? Effect.succeed({ provider: "test", reference: "reference" })
      : Effect.fail(new SmsNotifier.SmsNotSent({ reason }))
  },
  receipts: new Map()
})

const layerMemory = Operations.layer.pipe(
  Layer.provide(failingStore),
  Layer.provideMerge(Layer.mergeAll(
    Memory.layerStores,
    Access.layer,
    CodeGenerator.layerPreset("digits6"),
    CryptoCodeVault.layer({ codeKeys: [key], fingerprintKey }),
    SmsText.layerEnglish,
    failingNotifier,
    FrozenClock.layer,
    Layer.succeed(Limits.Limits, { ...Limits.off, guessesPerCode: 3, wrongGuessesInARow: 6 })
  )),
  Layer.provideMerge(NodeCrypto.layer)
)

/** Where a provider makes the codes, they cannot be returned. */
const layerWithProvider = SetPhone.layer.pipe(
  Layer.provide(Layer.succeed(VerificationProvider.VerificationProvider, {
    id: "provider",
    lifetime: Duration.minutes(10),
    start: () => Effect.die("not started"),
    check: () => Effect.die("not asked")
  })),
  Layer.orDie
)

const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })
const nobody = Actor.make({ userId: "nobody", organization })

describe("the operations in memory", () => {
  it.live("show no number, code, guess or key in spans, logs, metrics, answers and errors", () =>
    Effect.gen(function*() {
      const { keep, layer, sinks } = Scan.recorder()
      const known = new Known()
      known.keys.push(Redacted.value(key.bytes), Redacted.value(fingerprintKey))
      const met = new Set<string>()

      /** Makes a call, keeps all that comes of it, and notes the error that it meets. */
      const call: Call = Effect.fnUntraced(function*(operation, actor = admin) {
        const exit = yield* keep(
          operation.pipe(
            Effect.tapError((error) => keep(errorResponse(error))),
            Effect.provideService(Actor.Actor, actor)
          )
        )
        if (Exit.isSuccess(exit)) return exit.value
        const { _tag, reason } = Cause.squash(exit.cause) as { readonly _tag?: string; readonly reason?: string }
        met.add(_tag === "InvalidCode" ? `${_tag} ${reason}` : _tag ?? "defect")
        return undefined
      })
      const recorded = yield* Effect.gen(function*() {
        yield* everyRefusal(known, call)
        yield* everyGuess(known, call)
        for (let i = 0; i < 6; i++) yield* call(setPhone(known, yield* newTarget("active"), { verification: sendCode }))
        yield* call(
          setPhone(known, yield* newTarget("active")).pipe(Effect.provide(layerWithProvider, { local: true }))
        )
        const { deliverDue } = yield* SmsDelivery.make()
        yield* keep(deliverDue)
        return yield* sinks
      }).pipe(Effect.provide(layerMemory), Effect.provide(layer))

      assert.deepStrictEqual(handedOver.map(({ content }) => content.kind).toSorted(), [
        ...Array.from({ length: 6 }, () => "code"),
        "notice"
      ])
      for (const { content } of handedOver) if (content.kind === "code") known.addCode(Redacted.value(content.code))
      const { InvalidCode, Unauthenticated: _, ...others } = Errors
      const reasons = InvalidCode.fields.reason.literals.map((reason) => `InvalidCode ${reason}`)
      assert.sameMembers([...met], [...Object.keys(others), ...reasons, "defect"])

      const scan = Scan.make(known)
      for (const [sink, text] of Object.entries(recorded)) assert.deepStrictEqual([...scan(text)], [], sink)
      assert.isAbove(known.codes.length, 40)
    }))
})

type Call = <A, R>(
  operation: Effect.Effect<A, CallerError, R | Actor.Actor>,
  actor?: Actor.Actor["Service"]
) => Effect.Effect<A | undefined, never, Exclude<R, Actor.Actor>>

const sendCode = { _tag: "SendCode" } as const
const returnCode = { _tag: "ReturnCode" } as const

const setPhone = (known: Known, userId: string, request: Partial<SetPhone.SetPhoneRequest> = {}) => {
  const phone = request.phone ?? Redacted.make(number)
  known.addNumber(Redacted.value(phone), userId)
  return SetPhone.SetPhone.use((service) => service.setPhone({ userId, phone, verification: returnCode, ...request }))
}
const resend = (userId: string, request: Partial<ResendPhoneCode.ResendPhoneCodeRequest> = {}) =>
  ResendPhoneCode.ResendPhoneCode.use(({ resendPhoneCode }) =>
    resendPhoneCode({ userId, verification: returnCode, ...request })
  )
const verify = (known: Known, userId: string, guess: string) => {
  known.addGuess(guess, userId)
  return VerifyPhone.VerifyPhone.use(({ verifyPhone }) =>
    verifyPhone({ userId, verificationCode: Redacted.make(guess) })
  )
}
const remove = (userId: string) => RemovePhone.RemovePhone.use(({ removePhone }) => removePhone({ userId }))
const get = (userId: string) => GetPhone.GetPhone.use(({ getPhone }) => getPhone({ userId }))
const unlock = (userId: string) =>
  UnlockPhoneVerification.UnlockPhoneVerification.use(({ unlockPhoneVerification }) =>
    unlockPhoneVerification({ userId })
  )

/** Every operation on one user. */
const all = (
  known: Known,
  userId: string
): ReadonlyArray<Effect.Effect<unknown, CallerError, Operations.Operations | Actor.Actor>> => [
  setPhone(known, userId, { phone: Redacted.make("+14155552671") }),
  verify(known, userId, "271828"),
  resend(userId),
  remove(userId),
  get(userId),
  unlock(userId)
]

/** A user with a code. */
const newUser = Effect.fnUntraced(function*(known: Known, call: Call) {
  const userId = yield* newTarget("active")
  const answer = yield* call(setPhone(known, userId))
  const code = Redacted.value(answer!.verificationCode!)
  known.addCode(code, userId)
  return { userId, code }
})

const everyRefusal = Effect.fnUntraced(function*(known: Known, call: Call) {
  const kinds = ["full", "broken", "raced"] as const
  yield* Effect.forEach(
    kinds.flatMap((kind) => [0, 1, 2, 3, 4, 5].map((index) => [kind, index] as const)),
    ([kind, index]) =>
      Effect.gen(function*() {
        const { code, userId } = yield* newUser(known, call)
        failures.set(userId, kind)
        yield* call(all(known, userId)[index]!)
        yield* call(verify(known, userId, code))
      }),
    { concurrency: "unbounded", discard: true }
  )
  const ids = [yield* newTarget("initial"), yield* newTarget("machine"), "unknown", "", "x".repeat(201)]
  for (const userId of ids) for (const operation of all(known, userId)) yield* call(operation)
  const { userId } = yield* newUser(known, call)
  for (const operation of all(known, userId)) yield* call(operation, nobody)

  yield* call(setPhone(known, userId))
  for (const written of [`${number}x`, "+41443643533", `${number}${" ".repeat(200)}`, "079 111 22 33"]) {
    yield* call(setPhone(known, userId, { phone: Redacted.make(written) }))
  }
  const idempotencyKey = `set-${number}`
  yield* call(setPhone(known, userId, { idempotencyKey: `set ${number}` }))
  for (const phone of ["+14155552671", "+14155552671", number]) {
    yield* call(setPhone(known, userId, { idempotencyKey, phone: Redacted.make(phone) }))
  }
  for (const verification of [sendCode, sendCode, returnCode]) {
    yield* call(resend(userId, { idempotencyKey, verification }))
  }
  yield* call(setPhone(known, userId, { verification: { _tag: "AlreadyVerified" } }))
  yield* call(resend(userId))
  yield* call(get(userId))
  yield* call(remove(userId))
  yield* call(remove(userId))
})

const everyGuess = Effect.fnUntraced(function*(known: Known, call: Call) {
  const { code, userId } = yield* newUser(known, call)
  const guesses = [
    "314159",
    "  27 18 28",
    `${code}1`,
    code,
    "1414-2135-6237-3095-0488",
    " ".repeat(3)
  ]
  for (const guess of guesses) yield* call(verify(known, userId, guess))
  const again = yield* call(resend(userId))
  const latter = Redacted.value(again!.verificationCode!)
  known.addCode(latter, userId)
  for (const guess of ["161803", "577215", "693147", latter]) yield* call(verify(known, userId, guess))
  const self = Actor.make({ userId, organization })
  for (const operation of all(known, userId)) yield* call(operation, self)
  yield* call(unlock(userId))
  yield* call(get(userId))

  const late = yield* newUser(known, call)
  yield* FrozenClock.FrozenClock.use(({ pass }) => pass(600_000))
  yield* call(verify(known, late.userId, late.code))
  const right = yield* newUser(known, call)
  for (let i = 0; i < 2; i++) yield* call(verify(known, right.userId, right.code))
  yield* call(get(right.userId))
})
