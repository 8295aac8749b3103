/**
 * The core alone, in one process over the memory store, beside plain async functions that do the same by hand
 * (`ByHand.ts`). Each call of the core is a promise of its own, as a host without Effect makes it; nobody listens to spans, so
 * none are made. `npm run bench:core`.
 */
import { Console, Context, Effect, Layer, ManagedRuntime, Redacted, References } from "effect"
import * as CryptoCodeVault from "../src/adapters/CryptoCodeVault.ts"
import * as Memory from "../src/adapters/Memory.ts"
import * as NodeVaultCrypto from "../src/adapters/NodeVaultCrypto.ts"
import { Access, Actor, CodeGenerator, Operations, SetPhone, UserId, Users, VerifyPhone } from "../src/core/index.ts"
import * as ByHand from "./ByHand.ts"
import { compare } from "./Rounds.ts"

const rounds = Number(process.env["ROUNDS"] ?? 9)
const calls = Number(process.env["CALLS"] ?? 20_000)
const most = 4

const organization = UserId.OrganizationId.make("bench")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

interface Side {
  readonly register: (userId: string) => Promise<void>
  /** Answers the code where it is returned. */
  readonly setPhone: (userId: string, phone: string, way: "SendCode" | "ReturnCode") => Promise<string | undefined>
  readonly verifyPhone: (userId: string, code: string) => Promise<void>
}

const byHand = (): Side => {
  const phones = ByHand.make()
  return {
    register: async (userId) => phones.register(userId, organization),
    setPhone: async (userId, phone, way) => (await phones.setPhone(admin, userId, phone, way)).verificationCode,
    verifyPhone: async (userId, code) => void (await phones.verifyPhone(admin, userId, code))
  }
}

const layerCore = Operations.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(
    Memory.layerStores,
    Access.layer,
    CodeGenerator.layerPreset("digits6"),
    CryptoCodeVault.layerRandomKeys
  )),
  Layer.provide(NodeVaultCrypto.layer)
)

const core = Effect.gen(function*() {
  const runtime = yield* Effect.acquireRelease(
    Effect.sync(() => ManagedRuntime.make(layerCore)),
    (runtime) => runtime.disposeEffect
  )
  const services = yield* Effect.orDie(runtime.contextEffect)
  const run = Effect.runPromiseWith(Context.add(services, References.TracerEnabled, false))
  const { setPhone } = yield* Effect.provideContext(SetPhone.SetPhone, services)
  const { verifyPhone } = yield* Effect.provideContext(VerifyPhone.VerifyPhone, services)
  const { register } = yield* Effect.provideContext(Users.Users, services)
  const asAdmin = Effect.provideService(Actor.Actor, admin)
  const side: Side = {
    register: (userId) =>
      run(register({
        userId: UserId.UserId.make(userId),
        resourceOwner: organization,
        kind: "human",
        state: "active"
      })),
    setPhone: async (userId, phone, way) => {
      const request = { userId, phone: Redacted.make(phone), verification: { _tag: way } }
      const { verificationCode } = await run(asAdmin(setPhone(request)))
      return verificationCode && Redacted.value(verificationCode)
    },
    verifyPhone: async (userId, code) => {
      await run(asAdmin(verifyPhone({ userId, verificationCode: Redacted.make(code) })))
    }
  }
  return side
})

let numbers = 41_790_000_000

/** The time of one call, in microseconds. Each call is on a new user. */
const measure = (side: Side, call: (side: Side, userId: string, phone: string) => Promise<unknown>) =>
  Effect.promise(async () => {
    const first = numbers
    for (let number = first; number < first + calls; number++) await side.register(`user-${number}`)
    numbers += calls
    const begin = performance.now()
    for (let number = first; number < first + calls; number++) await call(side, `user-${number}`, `+${number}`)
    return (performance.now() - begin) * 1000 / calls
  })

const scenarios = [
  {
    name: "SetPhone, the code returned",
    call: (side: Side, userId: string, phone: string) => side.setPhone(userId, phone, "ReturnCode")
  },
  {
    name: "SetPhone, the code returned, then VerifyPhone",
    call: async (side: Side, userId: string, phone: string) =>
      side.verifyPhone(userId, (await side.setPhone(userId, phone, "ReturnCode"))!)
  },
  {
    name: "SetPhone, the code in the outbox",
    call: (side: Side, userId: string, phone: string) => side.setPhone(userId, phone, "SendCode")
  }
]

const program = Effect.gen(function*() {
  for (const { call, name } of scenarios) {
    yield* Console.log(`\n${name}`)
    const sides = { hand: byHand(), core: yield* core }
    for (const side of Object.values(sides)) yield* measure(side, call)
    const ratio = yield* compare({
      first: { name: "by hand", measure: measure(sides.hand, call) },
      second: { name: "core", measure: measure(sides.core, call) },
      rounds,
      unit: "µs a call"
    })
    yield* Console.log(`${ratio <= most ? "kept" : "MISSED"}: at most ${most}`)
    if (ratio > most) process.exitCode = 1
  }
})

await Effect.runPromise(Effect.scoped(program))
