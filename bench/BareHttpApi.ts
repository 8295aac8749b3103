/**
 * What a server weighs that does nothing: all that the standalone server imports, and one endpoint that says so.
 */
// oxlint-disable import/no-unassigned-import
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema } from "effect"
import "effect-user-phone"
import "effect-user-phone/adapters/CryptoCodeVault"
import "effect-user-phone/adapters/JoseTokenVerifier"
import "effect-user-phone/adapters/NodeVaultCrypto"
import "effect-user-phone/http"
import "effect-user-phone/http/NodeServer"
import "effect-user-phone/http/RpcRoutes"
import "effect-user-phone/http/RpcStandard"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import "effect/sql"
import { createServer } from "node:http"
import "node:v8"
import "../examples/server/Database.ts"
import "../examples/server/Development.ts"
import "../examples/server/Failure.ts"
import "../examples/server/Settings.ts"
import "../examples/server/Signals.ts"

const api = HttpApi.make("Bare").add(
  HttpApiGroup.make("bare").add(
    HttpApiEndpoint.get("ready", "/readyz", { success: Schema.Struct({ status: Schema.String }) })
  )
)

const routes = HttpApiBuilder.layer(api).pipe(
  Layer.provide(
    HttpApiBuilder.group(api, "bare", (handlers) => handlers.handle("ready", () => Effect.succeed({ status: "ready" })))
  )
)

const announce = Effect.flatMap(
  HttpServer.HttpServer,
  ({ address }) => Console.log(`listening on ${HttpServer.formatAddress(address)}`)
)

Layer.launch(
  Layer.effectDiscard(announce).pipe(
    Layer.provideMerge(HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true })),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
  )
).pipe(NodeRuntime.runMain)
