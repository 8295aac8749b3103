/**
 * The standalone server: settings, database, delivery and HTTP, wired together. `npm start` runs it.
 */
import { NodeCrypto, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Logger, Redacted, References } from "effect"
import {
  Access,
  CodeGenerator,
  Errors,
  Limits,
  Operations,
  PhoneNumber,
  ResendPhoneCode,
  SmsDelivery,
  SmsReceipts,
  TokenVerifier
} from "effect-user-phone"
import * as CryptoCodeVault from "effect-user-phone/adapters/CryptoCodeVault"
import * as JoseTokenVerifier from "effect-user-phone/adapters/JoseTokenVerifier"
import * as NodeVaultCrypto from "effect-user-phone/adapters/NodeVaultCrypto"
import { Cors, Health, Routes, SmsReceiptRoutes } from "effect-user-phone/http"
import * as NodeServer from "effect-user-phone/http/NodeServer"
import * as RpcRoutes from "effect-user-phone/http/RpcRoutes"
import * as RpcStandard from "effect-user-phone/http/RpcStandard"
import { HttpServer } from "effect/http"
import { SqlClient } from "effect/sql"
import { setFlagsFromString } from "node:v8"
import * as Database from "./Database.ts"
import * as Development from "./Development.ts"
import { exitCode, reported } from "./Failure.ts"
import * as Settings from "./Settings.ts"
import * as Signals from "./Signals.ts"

// A log that cannot be written, as on a full disk, ends nothing but itself.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
Signals.watch()

// Measured in docs/performance.md.
for (
  const flag of [
    // V8 would allocate among the old what outlived a collection while the server was cold. There it stays when it is dead, and
    // what it refers to stays with it: a part of every request, until a full collection.
    "--no-allocation-site-pretenuring",
    // What becomes old even so may be a third of what lives and as much as the young generation, not several times what lives.
    "--heap-growing-percent=30",
    // A full collection begins when a quarter of that room is used, or a third at the latest; V8 would begin soon after the last.
    "--incremental-marking-soft-trigger=25",
    "--incremental-marking-hard-trigger=35"
  ]
) setFlagsFromString(flag)

const layerReadiness = Layer.effect(
  Health.Readiness,
  Effect.map(
    SqlClient.SqlClient,
    (sql) =>
      sql<{ readonly writable: boolean }>`SELECT current_setting('transaction_read_only') = 'off' AS writable,
      EXISTS (SELECT 1 FROM user_phone.users)`.pipe(
        Effect.mapError(() => new Errors.Unavailable({ cause: "the database does not answer" })),
        Effect.flatMap(([row]) =>
          row?.writable === true
            ? Effect.void
            : Effect.fail(new Errors.Unavailable({ cause: "the database is read-only" }))
        )
      )
  )
)

const server = Effect.gen(function*() {
  const { codePreset, deployment, http, limits, phonePolicy, resendGrace, sms, users } = yield* Settings.Settings
  const { dataDirectory } = yield* Settings.DatabaseSettings
  const secrets = deployment === undefined ? yield* Development.secrets(dataDirectory) : undefined

  const layerVault = CryptoCodeVault.layer(deployment?.keys ?? Development.vaultKeys(secrets!))
  const layerTokens = deployment === undefined
    ? JoseTokenVerifier.layerSecret({
      issuer: Settings.developmentIssuer,
      audience: Development.audience,
      secret: secrets!.token
    })
    : JoseTokenVerifier.layerJwks(deployment)

  const layerPorts = Layer.mergeAll(
    Access.layer,
    CodeGenerator.layerPreset(codePreset),
    layerVault,
    sms.layer.pipe(Layer.provide(NodeHttpClient.layerUndici)),
    users === "from-token" ? TokenVerifier.layerRegisteringUsers.pipe(Layer.provide(layerTokens)) : layerTokens,
    Layer.succeed(PhoneNumber.PhonePolicy, phonePolicy),
    Layer.succeed(Limits.Limits, limits),
    Layer.succeed(ResendPhoneCode.Grace, resendGrace),
    layerReadiness
  ).pipe(Layer.provideMerge(NodeVaultCrypto.layer), Layer.provideMerge(NodeCrypto.layer))

  const layerServices = Layer.merge(Operations.layer, SmsReceipts.layer).pipe(
    Layer.provideMerge(layerPorts),
    Layer.provideMerge(Database.layer)
  )

  const routes = Layer.mergeAll(
    Routes.layer,
    RpcRoutes.layer,
    RpcStandard.layer,
    Cors.layer(http),
    sms.takesReceipts ? SmsReceiptRoutes.layer : Layer.empty,
    deployment === undefined ? Development.layerLocalOnly : Layer.empty
  )
  // Each request carries what the server is built with, so the routes have theirs to themselves.
  const layerServer = Layer.merge(
    NodeServer.serve(routes.pipe(Layer.provide(layerServices)), http),
    SmsDelivery.layer(sms.delivery).pipe(Layer.provide(layerServices))
  )

  const announce = Effect.gen(function*() {
    const address = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
    const url = http.tls === undefined ? address : address.replace("http:", "https:")
    if (sms.testNumbers > 0) {
      yield* Effect.logWarning(`TEST_NUMBERS: ${sms.testNumbers} numbers have a code that is always the same`)
    }
    if (secrets === undefined) {
      if (sms.providers.includes("console")) {
        yield* Effect.logWarning("SMS_PROVIDER has console: numbers and codes are printed here, and no message is sent")
      }
      return yield* Console.log(`listening on ${url}`)
    }
    yield* Development.registerDemoUsers
    const tokens = yield* Development.signTokens(secrets.token)
    const databaseUrl = Redacted.value(yield* Database.DatabaseUrl)
    yield* Development.writeDevJson(dataDirectory, { url, databaseUrl, tokens })
    yield* Console.log(welcome(url, tokens))
  })

  return Layer.effectDiscard(announce).pipe(Layer.provide(layerServer), Layer.provide(Database.layer))
})

const layerLogLevel = Layer.effect(
  References.MinimumLogLevel,
  Effect.map(Settings.Settings, ({ logLevel }) => logLevel)
)

const welcome = (url: string, tokens: Development.Tokens): string => `
effect-user-phone in development mode, listening on ${url}  (docs: ${url}/docs)

Set the phone of the user ada and get the code in the answer:

  curl -X POST ${url}/v2/users/ada/phone \\
    -H 'Authorization: Bearer ${tokens.admin}' \\
    -H 'Content-Type: application/json' \\
    -d '{"phone": "+41 79 123 45 67", "returnCode": {}}'

Tokens for 12 hours, also in the data directory's dev.json:

${Object.entries(tokens).map(([name, token]) => `  ${name.padEnd(5)}  ${token}`).join("\n")}
`

Layer.launch(
  Layer.unwrap(server).pipe(
    Layer.provide(layerLogLevel),
    // Nobody listens to spans.
    Layer.provide(Layer.succeed(References.TracerEnabled, false)),
    // The full settings first: they name everything that is wrong at once.
    Layer.provide(Settings.layerDatabase.pipe(Layer.provideMerge(Settings.layer))),
    Layer.provide(
      Logger.layer([process.env["NODE_ENV"] === "production" ? Logger.consoleJson : Logger.consolePretty()])
    )
  )
).pipe(
  reported,
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(exitCode(exit))
  })
)
