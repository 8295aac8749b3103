/** A server of your own with PostgreSQL: your routes beside the operations, and a worker that delivers. */
import { NodeCrypto, NodeRuntime } from "@effect/platform-node"
import { PgClient } from "@effect/sql-pg"
import { Config, Duration, Effect, Layer, References, Schema } from "effect"
import {
  Access,
  CodeGenerator,
  Errors,
  Limits,
  Operations,
  PhoneNumber,
  SmsDelivery,
  UserId,
  Users
} from "effect-user-phone"
import * as ConsoleSmsNotifier from "effect-user-phone/adapters/ConsoleSmsNotifier"
import * as CryptoCodeVault from "effect-user-phone/adapters/CryptoCodeVault"
import * as IcuSmsText from "effect-user-phone/adapters/IcuSmsText"
import * as JoseTokenVerifier from "effect-user-phone/adapters/JoseTokenVerifier"
import * as NodeVaultCrypto from "effect-user-phone/adapters/NodeVaultCrypto"
import * as Postgres from "effect-user-phone/adapters/Postgres"
import { Health, Routes } from "effect-user-phone/http"
import * as NodeServer from "effect-user-phone/http/NodeServer"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { SqlClient } from "effect/sql"

/** Your client. The worker keeps one of its connections to hear of messages. */
const layerDatabase = PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })

/** Whose tokens are good: here those of an issuer with public keys. */
const layerTokens = Layer.unwrap(
  Config.all({
    issuer: Config.String("AUTH_ISSUER"),
    audience: Config.String("AUTH_AUDIENCE"),
    jwksUrl: Config.URL("AUTH_JWKS_URL")
  }).pipe(Effect.map(JoseTokenVerifier.layerJwks))
)

const layerReadiness = Layer.effect(
  Health.Readiness,
  Effect.map(
    SqlClient.SqlClient,
    (sql) =>
      Effect.mapError(
        Effect.asVoid(sql`SELECT 1`),
        () => new Errors.Unavailable({ cause: "the database does not answer" })
      )
  )
)

/** What differs from the defaults. The operations take it as they are built, so it has to be among what they are built from. */
const layerRules = Layer.mergeAll(
  Layer.succeed(PhoneNumber.PhonePolicy, { regions: ["AT", "CH", "DE"] }),
  Layer.succeed(Limits.Limits, { ...Limits.defaults, codesPerUser: [{ max: 10, within: Duration.hours(24) }] })
)

const layerPhone = Operations.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      Postgres.layerStores,
      Access.layer,
      CodeGenerator.layerPreset("digits6"),
      // The keys are in CODE_KEYS and FINGERPRINT_KEY.
      CryptoCodeVault.layerConfig,
      layerTokens,
      // Prints each SMS: put your provider here.
      ConsoleSmsNotifier.layer,
      IcuSmsText.layer(),
      layerReadiness,
      layerRules
    ).pipe(Layer.provideMerge(Layer.merge(NodeCrypto.layer, NodeVaultCrypto.layer)))
  ),
  Layer.provideMerge(layerDatabase)
)

/** Your own routes. Whoever signs up is told of, or nobody could set their phone. */
const layerOwnRoutes = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const users = yield* Users.Users
  yield* router.add(
    "POST",
    "/sign-up/:userId",
    Effect.gen(function*() {
      const { userId } = yield* HttpRouter.schemaPathParams(Schema.Struct({ userId: UserId.UserId }))
      const resourceOwner = UserId.OrganizationId.make("customers")
      yield* users.register({ userId, resourceOwner, kind: "human", state: "active" })
      return HttpServerResponse.empty({ status: 201 })
    }).pipe(Effect.catchTag("UserAlreadyExists", () => Effect.succeed(HttpServerResponse.empty({ status: 409 }))))
  )
}))

const server = Layer.unwrap(
  Effect.map(Config.Port("PORT"), (port) =>
    Layer.merge(
      NodeServer.serve(Layer.merge(Routes.layer, layerOwnRoutes).pipe(Layer.provide(layerPhone)), {
        host: "127.0.0.1",
        port
      }),
      SmsDelivery.layer().pipe(Layer.provide(layerPhone))
    ))
)

Layer.launch(server).pipe(Effect.provideService(References.TracerEnabled, false), NodeRuntime.runMain)
