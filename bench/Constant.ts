/**
 * Servers that answer SetPhone with what never changes, so that nothing is measured but the way there and back: Node's HTTP alone
 * (`LAYERS=node`), Effect's `HttpApi` with one endpoint (`effect`), and this library's routes, which read the token and the
 * body (`product`).
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Console, DateTime, Effect, Layer, Redacted, References, Schema } from "effect"
import {
  Actor,
  GetPhone,
  RemovePhone,
  ResendPhoneCode,
  SetPhone,
  TokenVerifier,
  UnlockPhoneVerification,
  UserId,
  VerifyPhone
} from "effect-user-phone"
import { Routes } from "effect-user-phone/http"
import * as NodeServer from "effect-user-phone/http/NodeServer"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { createServer } from "node:http"
import { setFlagsFromString } from "node:v8"

setFlagsFromString("--no-allocation-site-pretenuring")

const code = "123456"
const resourceOwner = UserId.OrganizationId.make("bench")
const changeDate = "2026-11-28T00:00:00Z"
const body = { details: { sequence: "2", changeDate, resourceOwner }, verificationCode: code }

const layerApi = () => {
  const api = HttpApi.make("Constant").add(
    HttpApiGroup.make("phone").add(
      HttpApiEndpoint.post("setPhone", "/v2/users/:userId/phone", {
        params: { userId: Schema.String },
        payload: Schema.Struct({
          phone: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)),
          returnCode: Schema.optionalKey(Schema.Struct({}))
        }),
        success: Schema.Struct({
          details: Schema.Struct({ sequence: Schema.String, changeDate: Schema.String, resourceOwner: Schema.String }),
          verificationCode: Schema.String
        })
      })
    )
  )
  const handlers = HttpApiBuilder.group(api, "phone", (group) => group.handle("setPhone", () => Effect.succeed(body)))
  return HttpRouter.serve(HttpApiBuilder.layer(api).pipe(Layer.provide(handlers)), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })))
}

const layerProduct = () => {
  const unasked = () => Effect.die("only SetPhone is measured")
  const answer = {
    details: { sequence: 2n, changeDate: DateTime.makeUnsafe(changeDate), resourceOwner },
    replayed: false,
    verificationCode: Redacted.make(code)
  }
  const actor = Actor.make({ userId: "service", organization: resourceOwner, grants: {} })
  const services = Layer.mergeAll(
    Layer.succeed(SetPhone.SetPhone, { setPhone: () => Effect.succeed(answer) }),
    Layer.succeed(VerifyPhone.VerifyPhone, { verifyPhone: unasked }),
    Layer.succeed(ResendPhoneCode.ResendPhoneCode, { resendPhoneCode: unasked }),
    Layer.succeed(RemovePhone.RemovePhone, { removePhone: unasked }),
    Layer.succeed(GetPhone.GetPhone, { getPhone: unasked }),
    Layer.succeed(UnlockPhoneVerification.UnlockPhoneVerification, { unlockPhoneVerification: unasked }),
    Layer.succeed(TokenVerifier.TokenVerifier, { verify: () => Effect.succeed(actor) })
  )
  return NodeServer.serve(Layer.provide(Routes.layer, services), { host: "127.0.0.1", port: 0 })
}

const launch = <E>(layer: Layer.Layer<HttpServer.HttpServer, E>) => {
  const announce = Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) => Console.log(`listening on ${HttpServer.formatAddress(address)}`)
  )
  Layer.launch(Layer.provide(Layer.effectDiscard(announce), layer)).pipe(
    Effect.provideService(References.TracerEnabled, false),
    NodeRuntime.runMain
  )
}

const listenAlone = () => {
  const server = createServer((request, response) => {
    const chunks: Array<Uint8Array> = []
    request.on("data", (chunk) => chunks.push(chunk))
    request.on("end", () => {
      JSON.parse(Buffer.concat(chunks).toString())
      const text = JSON.stringify(body)
      response.writeHead(200, { "content-type": "application/json", "content-length": text.length }).end(text)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { readonly port: number }
    process.stdout.write(`listening on http://127.0.0.1:${port}\n`)
  })
  process.once("SIGTERM", () => process.exit(0))
}

switch (process.env["LAYERS"]) {
  case "node":
    listenAlone()
    break
  case "effect":
    launch(layerApi())
    break
  default:
    launch(layerProduct())
}
