/**
 * A world to attack: the real operations over in-memory stores, under the limits of the test, and a notebook of what came
 * of it. Its codes are known, so that no guess hits by luck: a guess is worth the codes that it was compared with, and
 * nothing when it was refused.
 */
import { Clock, Context, DateTime, Effect, Layer, Random, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/adapters/Memory.ts"
import {
  Actor,
  CodeGenerator,
  CodeVault,
  GetPhone,
  Limits,
  Operations,
  RemovePhone,
  ResendPhoneCode,
  SetPhone,
  SmsDelivery,
  SmsNotifier,
  UserId,
  Users,
  VerifyPhone
} from "../../src/core/index.ts"
import * as Status from "../../src/http/Status.ts"

/** A guess that was looked at and was wrong. */
export interface Look {
  readonly at: number
  readonly userId: string
  readonly number: string
  /** How many live codes it was compared with: its chance, in units of one code out of all. */
  readonly codes: number
}

/** A message that was handed to the provider. */
export interface Sms {
  readonly at: number
  readonly number: string
  readonly code: string
}

/** An account in the hands of an attacker, who is logged in and has no rights. */
export interface Account {
  readonly userId: UserId.UserId
  /** The number that it has set. */
  number?: string
}

/** What came of an attempt; times are in milliseconds. */
export type Attempt =
  | { readonly _tag: "Done"; readonly canResendAt: number }
  | { readonly _tag: "Refused"; readonly until: number }
  /** Waiting does not help: no code is pending that could be guessed, or followed by another. */
  | { readonly _tag: "NoCode" }
  | { readonly _tag: "Off" }

export class World extends Context.Service<World, {
  readonly newAccount: Effect.Effect<Account>
  /** Causes a code to be sent, by setting the number or asking for another code. */
  readonly send: (account: Account, number: string) => Effect.Effect<Attempt>
  /** Has the host return a code for the number, as one does that delivers codes itself. */
  readonly haveReturned: (account: Account, number: string) => Effect.Effect<void>
  /** Guesses wrong; `Done` when the guess was looked at. */
  readonly guess: (account: Account) => Effect.Effect<Attempt>
  /** Enters a code that the attacker knows, and answers whether it was right. */
  readonly enter: (account: Account, code: string) => Effect.Effect<boolean>
  /** Removes the account's number, if it has one. */
  readonly remove: (account: Account) => Effect.Effect<void>
  /** Makes an account hold a number that it then has no more: it proves it, an hour and a half later than now, and removes it. */
  readonly prove: (account: Account, number: string) => Effect.Effect<void>
  /** The host vouches for a number of an account, which then removes it. */
  readonly vouch: (account: Account, number: string) => Effect.Effect<void>
  readonly looks: ReadonlyArray<Look>
  readonly sent: ReadonlyArray<Sms>
  /** The refusals that were met, by the reason that the wire gives, with their HTTP status and gRPC code. */
  readonly refusals: ReadonlyMap<string, readonly [httpStatus: number, code: number]>
}>()("test/World") {}

export type AttackError =
  | SetPhone.SetPhoneError
  | ResendPhoneCode.ResendPhoneCodeError
  | VerifyPhone.VerifyPhoneError

const organization = UserId.OrganizationId.make("demo")

const host = Actor.make({ userId: "host", organization, grants: { [organization]: ["user.write"] } })

const make = Effect.gen(function*() {
  const services = yield* Effect.context<Operations.Operations | Users.Users>()
  const { deliverDue } = yield* SmsDelivery.make()
  const { comparisons, sent } = yield* Notebook
  const looks: Array<Look> = []
  const refusals = new Map<string, readonly [httpStatus: number, code: number]>()
  let accounts = 0
  let guesses = 0

  const as = ({ userId }: Account) => Effect.provideService(Actor.Actor, Actor.make({ userId, organization }))

  const refused = Effect.fnUntraced(function*(error: AttackError) {
    const { code, details, httpStatus } = Status.of(error, yield* DateTime.now)
    const info = details.find((detail) => detail.type === "google.rpc.ErrorInfo")
    if (info !== undefined) refusals.set(info.reason, [httpStatus, code])
    switch (error._tag) {
      case "TooManyRequests":
        return { _tag: "Refused", until: error.until.epochMilliseconds } satisfies Attempt
      case "InvalidCode":
      case "NoPendingCode":
        return { _tag: "NoCode" } satisfies Attempt
      case "VerificationOff":
        return { _tag: "Off" } satisfies Attempt
      default:
        return yield* Effect.die(error)
    }
  })

  const canResendAt = Effect.fnUntraced(function*(account: Account) {
    const { getPhone } = yield* GetPhone.GetPhone
    const { pendingCode } = yield* Effect.orDie(as(account)(getPhone(account)))
    return pendingCode!.canResendAt.epochMilliseconds
  })

  const send = Effect.fnUntraced(function*(account: Account, number: string) {
    const { setPhone } = yield* SetPhone.SetPhone
    const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
    const { userId } = account
    const attempt: Effect.Effect<unknown, AttackError, Actor.Actor> = account.number === number
      ? resendPhoneCode({ userId })
      : setPhone({ userId, phone: Redacted.make(number) })
    return yield* as(account)(attempt).pipe(Effect.matchEffect({
      onFailure: refused,
      onSuccess: Effect.fnUntraced(function*() {
        account.number = number
        yield* Effect.orDie(deliverDue)
        const done: Attempt = { _tag: "Done", canResendAt: yield* canResendAt(account) }
        return done
      })
    }))
  })

  const verify = Effect.fnUntraced(function*(account: Account, code: string) {
    const { verifyPhone } = yield* VerifyPhone.VerifyPhone
    return yield* as(account)(verifyPhone({ userId: account.userId, verificationCode: Redacted.make(code) }))
  })

  const remove = Effect.fnUntraced(function*(account: Account) {
    const { removePhone } = yield* RemovePhone.RemovePhone
    yield* as(account)(removePhone(account)).pipe(Effect.catchTag("NoPhone", () => Effect.void), Effect.orDie)
    delete account.number
  })

  const hostSets = Effect.fnUntraced(
    function*({ userId }: Account, number: string, how: "ReturnCode" | "AlreadyVerified") {
      const { setPhone } = yield* SetPhone.SetPhone
      yield* setPhone({ userId, phone: Redacted.make(number), verification: { _tag: how } }).pipe(
        Effect.provideService(Actor.Actor, host),
        Effect.orDie
      )
    }
  )

  const guess = Effect.fnUntraced(function*(account: Account) {
    const before = comparisons.count
    const error = yield* Effect.flip(verify(account, wrongCode(guesses++))).pipe(
      Effect.catch(() => Effect.die(new Error("a guess that must be wrong was right")))
    )
    if (error._tag !== "InvalidCode" || error.reason !== "CODE_WRONG") return yield* refused(error)
    const at = yield* Clock.currentTimeMillis
    looks.push({ at, userId: account.userId, number: account.number!, codes: comparisons.count - before })
    const done: Attempt = { _tag: "Done", canResendAt: at }
    return done
  })

  return World.of({
    newAccount: Effect.gen(function*() {
      const userId = UserId.UserId.make(`account-${accounts++}`)
      const { register } = yield* Users.Users
      yield* Effect.orDie(register({ userId, resourceOwner: organization, kind: "human", state: "active" }))
      const account: Account = { userId }
      return account
    }).pipe(Effect.provideContext(services)),
    send: (account, number) => Effect.provideContext(send(account, number), services),
    haveReturned: Effect.fnUntraced(function*(account, number) {
      yield* remove(account)
      yield* hostSets(account, number, "ReturnCode")
      account.number = number
    }, Effect.provideContext(services)),
    guess: (account) => Effect.provideContext(guess(account), services),
    enter: (account, code) =>
      verify(account, code).pipe(
        Effect.as(true),
        Effect.catchTag(["InvalidCode", "TooManyRequests"], () => Effect.succeed(false)),
        Effect.orDie,
        Effect.provideContext(services)
      ),
    remove: (account) => Effect.provideContext(remove(account), services),
    prove: Effect.fnUntraced(function*(account, number) {
      // No limit on codes is met at this pace, for a day.
      yield* TestClock.adjust("90 minutes")
      yield* send(account, number)
      yield* Effect.orDie(verify(account, sent.at(-1)!.code))
      yield* remove(account)
    }, Effect.provideContext(services)),
    vouch: Effect.fnUntraced(function*(account, number) {
      yield* hostSets(account, number, "AlreadyVerified")
      yield* remove(account)
    }, Effect.provideContext(services)),
    looks,
    sent,
    refusals
  })
})

class Notebook extends Context.Service<Notebook, {
  readonly comparisons: { count: number }
  readonly sent: Array<Sms>
}>()("test/Notebook") {}

/** Codes are counted up from here, guesses down from the other end. */
const knownCode = (index: number) => String(index).padStart(6, "0")
const wrongCode = (index: number) => knownCode(999_999 - index)

const layerKnownCodes = Layer.effect(
  CodeGenerator.CodeGenerator,
  Effect.map(CodeGenerator.CodeGenerator, (real) => {
    let codes = 0
    return { ...real, next: Effect.sync(() => Redacted.make(knownCode(codes++))) }
  })
)

const layerCountingVault = Layer.effect(
  CodeVault.CodeVault,
  Effect.gen(function*() {
    const real = yield* CodeVault.CodeVault
    const { comparisons } = yield* Notebook
    return CodeVault.CodeVault.of({
      ...real,
      matches: (guess, made, binding) =>
        Effect.suspend(() => {
          comparisons.count++
          return real.matches(guess, made, binding)
        })
    })
  })
)

const layerNotifier = Layer.effect(
  SmsNotifier.SmsNotifier,
  Effect.map(Notebook, ({ sent }) =>
    SmsNotifier.SmsNotifier.of({
      send: ({ recipient, text }) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          sent.push({ at, number: Redacted.value(recipient), code: /^\d{6}/.exec(Redacted.value(text))![0] })
          return { provider: "simulated", reference: undefined }
        }),
      receipts: new Map()
    }))
)

/** Chance never makes an attacker wait. */
const layerNoJitter = Layer.succeed(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0 })

/** A world under the default limits with changes to them. */
export const layer = (changes: Partial<Limits.Limits> = {}) =>
  Layer.effect(World, make).pipe(
    Layer.provide(Operations.layer),
    Layer.provide([layerKnownCodes, layerCountingVault, layerNotifier]),
    Layer.provide(Layer.sync(Notebook, () => ({ comparisons: { count: 0 }, sent: [] }))),
    Layer.provide(Memory.layerPorts),
    Layer.provide([layerNoJitter, Layer.succeed(Limits.Limits, { ...Limits.defaults, ...changes })])
  )
