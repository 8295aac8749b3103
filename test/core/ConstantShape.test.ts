/**
 * A guess tells nothing but whether it was right: the way of a wrong one does not hang on where it differs, and what is
 * refused is refused alike, right or wrong.
 *
 * The comparison of digests itself is `Mac.verify` of `effect/crypto`, which promises constant time: with Node's keys it is
 * `Mac.timingSafeEqual` (src/crypto/Mac.ts of effect 4.1: equal lengths, then one pass that gathers the differences of all
 * bytes), with Web Crypto it is `subtle.verify`.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import { Mac } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as CryptoCodeVault from "../../src/adapters/CryptoCodeVault.ts"
import * as Memory from "../../src/adapters/Memory.ts"
import { SmsInbox } from "../../src/adapters/MemorySmsNotifier.ts"
import * as NodeVaultCrypto from "../../src/adapters/NodeVaultCrypto.ts"
import {
  Access,
  Actor,
  CodeGenerator,
  CodeVault,
  Limits,
  Operations,
  PhoneNumber,
  ResendPhoneCode,
  SetPhone,
  SmsDelivery,
  UserId,
  Users,
  UserStore,
  VerifyPhone
} from "../../src/core/index.ts"
import { assertSame } from "../../src/testing/internal/Same.ts"
import { CallLog, layer as layerLog, watched } from "../fixtures/CallLog.ts"

const organization = UserId.OrganizationId.make("acme")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

const layerWatched = (preset: keyof typeof CodeGenerator.presets, limits: Limits.Limits) =>
  Operations.layer.pipe(
    Layer.provide([
      watched(UserStore.UserStore),
      watched(Access.Access),
      watched(CodeVault.CodeVault),
      watched(CodeGenerator.CodeGenerator)
    ]),
    Layer.provideMerge(Layer.mergeAll(
      CodeGenerator.layerPreset(preset),
      // Else it would be the one of `layerPorts`, which nobody watches.
      Layer.provide(Layer.fresh(CryptoCodeVault.layerRandomKeys), watched(Mac.Mac)),
      Layer.succeed(Limits.Limits, limits)
    )),
    Layer.provideMerge(Memory.layerPorts),
    Layer.provideMerge(layerLog)
  )

for (const preset of ["digits6", "zitadel"] as const) {
  layer(layerWatched(preset, Limits.off))(`a guess at a code of ${preset}`, (it) => {
    it.effect("takes the same way when it is wrong, wherever it differs", () =>
      Effect.gen(function*() {
        const ways = yield* Effect.forEach(Object.entries(wrongs), ([name, wrong]) =>
          Effect.gen(function*() {
            const { codes: [code], userId } = yield* newUser(1)
            const { calls, error } = yield* refused(userId, wrong(code!))
            assert.strictEqual(error._tag === "InvalidCode" && error.reason, "CODE_WRONG", name)
            return calls
          }))
        for (const way of ways) assert.deepStrictEqual(way, ways[0])
        assert.deepStrictEqual(compared(ways[0]!), ["CodeVault.matches", "Mac.verify"])
        assert.strictEqual(ways[0]!.at(-1), "UserStore.commit")
      }))

    it.effect("takes the way of a wrong one when it is right", () =>
      Effect.gen(function*() {
        const [one, other] = [yield* newUser(1), yield* newUser(1)]
        const wrong = yield* refused(one.userId, wrongs["everywhere"](one.codes[0]!))
        assert.deepStrictEqual((yield* accepted(other.userId, other.codes[0]!)).calls, wrong.calls)
      }))

    it.effect("is compared with both codes of a grace, whether it is one of them or none", () =>
      Effect.gen(function*() {
        const right = yield* Effect.forEach([0, 1], (index) =>
          Effect.gen(function*() {
            const { codes, userId } = yield* newUser(2)
            return (yield* accepted(userId, codes[index]!)).calls
          }))
        const wrong = yield* Effect.forEach(Object.values(wrongs), (wrong) =>
          Effect.gen(function*() {
            const { codes, userId } = yield* newUser(2)
            return (yield* refused(userId, wrong(codes[1]!))).calls
          }))
        for (const way of [...right, ...wrong]) assert.deepStrictEqual(way, right[0])
        assert.deepStrictEqual(compared(right[0]!), [
          "CodeVault.matches",
          "Mac.verify",
          "CodeVault.matches",
          "Mac.verify"
        ])
      }))
  })
}

const day = Duration.hours(24)

/** How a guess comes to be refused, what for, and how often it is compared all the same. */
const refusals: ReadonlyArray<{
  readonly name: string
  readonly limits?: Partial<Limits.Limits>
  readonly wrongBefore?: number
  readonly minutes?: number
  readonly reason: string
  readonly looks: number
}> = [
  { name: "the code is spent", limits: { guessesPerCode: 2 }, wrongBefore: 2, reason: "CODE_SPENT", looks: 0 },
  { name: "the code has expired", minutes: 10, reason: "CODE_EXPIRED", looks: 0 },
  {
    name: "the user has made too many",
    limits: { wrongGuessesPerUser: { max: 2, within: day } },
    wrongBefore: 2,
    reason: "WRONG_GUESSES_PER_USER",
    looks: 0
  },
  {
    name: "too many were made at the number",
    limits: { wrongGuessesPerNumber: { max: 2, within: day } },
    wrongBefore: 2,
    reason: "WRONG_GUESSES_PER_NUMBER",
    looks: 1
  },
  {
    name: "verification is off",
    limits: { wrongGuessesInARow: 2 },
    wrongBefore: 2,
    reason: "VerificationOff",
    looks: 0
  }
]

for (const { limits, looks, minutes = 0, name, reason, wrongBefore = 0 } of refusals) {
  layer(layerWatched("digits6", { ...Limits.off, ...limits }))(`a guess when ${name}`, (it) => {
    it.effect("is refused in one way, right or wrong, and leaves no trace", () =>
      Effect.gen(function*() {
        const store = yield* UserStore.UserStore
        const users = [yield* newUser(1, "SendCode"), yield* newUser(1, "SendCode")] as const
        for (const { codes, userId } of users) {
          for (let i = 0; i < wrongBefore; i++) yield* refused(userId, wrongs["everywhere"](codes[0]!))
        }
        yield* TestClock.adjust(Duration.minutes(minutes))
        const [right, wrong] = yield* Effect.forEach(users, ({ codes: [code], userId }, index) =>
          Effect.gen(function*() {
            const before = yield* store.load(userId)
            const refusal = yield* refused(userId, index === 0 ? code! : wrongs["everywhere"](code!))
            assertSame(yield* store.load(userId), before)
            return refusal
          }))
        assertSame(right!.error, wrong!.error)
        assert.strictEqual("reason" in right!.error ? right!.error.reason : right!.error._tag, reason)
        assert.deepStrictEqual(right!.calls, wrong!.calls)
        assert.strictEqual(compared(right!.calls).length, 2 * looks)
      }))
  })
}

describe("the vault", () => {
  const vaultOver = (mac: Mac.Mac["Service"]) =>
    CryptoCodeVault.make({
      codeKeys: [{ id: "one", bytes: Redacted.make(new Uint8Array(32)) }],
      fingerprintKey: Redacted.make(new Uint8Array(32))
    }).pipe(Effect.provideService(Mac.Mac, mac))
  const binding: CodeVault.CodeBinding = {
    userId: UserId.UserId.make("ada"),
    number: Redacted.make(PhoneNumber.E164.make("+41791112233")),
    codeId: "code"
  }

  it.effect("leaves the comparison to Mac.verify: what that says is what it answers", () =>
    Effect.gen(function*() {
      const mac = yield* Mac.Mac
      for (const says of [true, false]) {
        const calls: Array<string> = []
        const vault = yield* vaultOver({
          ...mac,
          sign: (key, data) => Effect.tap(mac.sign(key, data), () => Effect.sync(() => calls.push("sign"))),
          verify: (_key, tag) => Effect.sync(() => calls.push(`verify ${tag.length}`) > 0 && says)
        })
        const made = yield* vault.digest(Redacted.make("314159"), binding)
        calls.length = 0
        for (const guess of ["314159", "314158", "271828", ""]) {
          assert.strictEqual(yield* vault.matches(Redacted.make(guess), made, binding), says)
        }
        assert.deepStrictEqual(calls, Array.from({ length: 4 }, () => "verify 32"))
      }
    }).pipe(Effect.provide(NodeVaultCrypto.layer)))

  it.effect("is given a Mac.verify that reads a tag to its end, wherever it differs", () =>
    Effect.gen(function*() {
      const mac = yield* Mac.Mac
      const key = yield* mac.generateKey(Mac.hmacSha256)
      const data = new Uint8Array([1, 2, 3])
      const tag = yield* mac.sign(key, data)
      for (const differing of [[], [0], [16], [31], [...tag.keys()]]) {
        const read: Array<string> = []
        const guessed = new Proxy(tag.map((byte, index) => differing.includes(index) ? byte ^ 0xff : byte), {
          get: (bytes, property) => {
            if (/^\d+$/.test(String(property))) read.push(String(property))
            return Reflect.get(bytes, property)
          }
        })
        assert.strictEqual(yield* mac.verify(key, guessed, data), differing.length === 0)
        assert.deepStrictEqual(read, Array.from({ length: 32 }, (_, index) => String(index)))
      }
    }).pipe(Effect.provide(NodeVaultCrypto.layer)))
})

/** Wrong guesses, by where they differ from the code. */
const wrongs = {
  "in the first character": (code: string) => wrongAt(code, 0),
  "in the third": (code: string) => wrongAt(code, 2),
  "in the last": (code: string) => wrongAt(code, code.length - 1),
  "everywhere": (code: string) => Array.from(code, other).join(""),
  "by a character too few": (code: string) => code.slice(0, -1),
  "by a character too many": (code: string) => `${code}0`,
  "by being a single character": () => "0",
  "by being as long as a guess may be": () => "0".repeat(20)
}

const other = (character: string) => character === "1" ? "2" : "1"
const wrongAt = (code: string, index: number) => code.slice(0, index) + other(code[index]!) + code.slice(index + 1)

const compared = (calls: ReadonlyArray<string>) =>
  calls.filter((call) => call === "CodeVault.matches" || call.startsWith("Mac.verify"))

let lines = 0

/** A user with so many codes for its number, oldest first: the last two are good. */
const newUser = Effect.fnUntraced(function*(count: number, how: "SendCode" | "ReturnCode" = "ReturnCode") {
  const userId = UserId.UserId.make(`user-${crypto.randomUUID()}`)
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  const phone = Redacted.make(PhoneNumber.E164.make(`+4179${5_000_000 + lines++}`))
  const verification = { _tag: how } as const
  const { setPhone } = yield* SetPhone.SetPhone
  const { resendPhoneCode } = yield* ResendPhoneCode.ResendPhoneCode
  const answers = yield* Effect.gen(function*() {
    const first = yield* setPhone({ userId, phone, verification })
    return [first, ...yield* Effect.replicateEffect(resendPhoneCode({ userId, verification }), count - 1)]
  }).pipe(Effect.provideService(Actor.Actor, admin))
  const returned = answers.flatMap(({ verificationCode }) => verificationCode ? [Redacted.value(verificationCode)] : [])
  const { deliverDue } = yield* SmsDelivery.make()
  yield* deliverDue
  const sent = yield* SmsInbox.use((inbox) => inbox.messagesTo(phone))
  return { userId, codes: [...returned, ...sent.map(({ text }) => Redacted.value(text).slice(0, 6))] }
})

const verify = (userId: string, guess: string) =>
  VerifyPhone.VerifyPhone.use(({ verifyPhone }) => verifyPhone({ userId, verificationCode: Redacted.make(guess) }))
    .pipe(Effect.provideService(Actor.Actor, admin))

const accepted = Effect.fnUntraced(function*(userId: string, guess: string) {
  const { during } = yield* CallLog
  return yield* during(verify(userId, guess))
})

const refused = Effect.fnUntraced(function*(userId: string, guess: string) {
  const { during } = yield* CallLog
  const { calls, result: error } = yield* during(Effect.flip(verify(userId, guess)))
  return { calls, error }
})
