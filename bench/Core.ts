/**
 * The operations and a delivery worker over PostgreSQL, as the benchmarks need them.
 */
import { NodeCrypto } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import * as CryptoCodeVault from "../src/adapters/CryptoCodeVault.ts"
import * as Postgres from "../src/adapters/Postgres.ts"
import {
  Access,
  Actor,
  CodeGenerator,
  type CodeVault,
  Limits,
  Operations,
  SetPhone,
  SmsDelivery,
  SmsNotifier,
  SmsText,
  UserId,
  Users
} from "../src/core/index.ts"
import * as Database from "./Database.ts"

const organization = UserId.OrganizationId.make("bench")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

/** Everything on one database. Limits are off, so that calls can follow each other. */
export const layer = (
  url: Redacted.Redacted,
  send: SmsNotifier.SmsNotifier["Service"]["send"],
  layerVault: Layer.Layer<CodeVault.CodeVault, never, Layer.Services<typeof CryptoCodeVault.layerRandomKeys>> =
    CryptoCodeVault.layerRandomKeys
) =>
  SmsDelivery.layer().pipe(
    Layer.provideMerge(Operations.layer),
    Layer.provideMerge(Layer.mergeAll(
      Access.layer,
      CodeGenerator.layerPreset("digits6"),
      layerVault,
      SmsText.layerEnglish,
      Layer.succeed(SmsNotifier.SmsNotifier, { send, receipts: new Map() }),
      Layer.succeed(Limits.Limits, Limits.off)
    )),
    Layer.provideMerge(NodeCrypto.layer),
    Layer.provideMerge(Layer.fresh(Postgres.layerStores)),
    Layer.provideMerge(Database.layerClient(url))
  )

let lines = 0

/** Sets a number on a new user by SMS, and answers how long the call took, in milliseconds. */
export const setNewPhone = Effect.gen(function*() {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  const phone = Redacted.make(`+4179${String(++lines).padStart(7, "0")}`)
  const start = performance.now()
  yield* SetPhone.SetPhone.use(({ setPhone }) => setPhone({ userId, phone })).pipe(
    Effect.provideService(Actor.Actor, admin)
  )
  return performance.now() - start
}).pipe(Effect.orDie)
