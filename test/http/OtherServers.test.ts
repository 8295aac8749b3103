/** The routes on servers other than `NodeServer`: Effect's own on Node, and a function from `Request` to `Response`. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import * as Memory from "../../src/adapters/Memory.ts"
import { Actor, SmsReceipts, TokenVerifier, UserId, Users } from "../../src/core/index.ts"
import { Routes, SmsReceiptRoutes } from "../../src/http/index.ts"
import * as RpcRoutes from "../../src/http/RpcRoutes.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

/** The bodies of reports as they were taken. */
const reports: Array<string> = []

const routes = Layer.mergeAll(Routes.layer, RpcRoutes.layer, SmsReceiptRoutes.layer).pipe(
  Layer.provide(Layer.succeed(SmsReceipts.SmsReceipts, {
    take: (_provider, { body }) => Effect.sync(() => reports.push(body) > 0)
  })),
  Layer.provide(Layer.succeed(TokenVerifier.TokenVerifier, { verify: () => Effect.succeed(admin) })),
  Layer.provide(Layer.effectDiscard(Users.Users.use((users) =>
    users.register({
      userId: UserId.UserId.make("ada"),
      resourceOwner: organization,
      kind: "human",
      state: "active"
    })
  ))),
  Layer.provide(Memory.layer)
)

type Send = (path: string, body: string, headers?: Readonly<Record<string, string>>) => Promise<Response>

const requestOf = (url: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
  new Request(url, {
    method: "POST",
    headers: { "authorization": "Bearer token", "content-type": "application/json", ...headers },
    body
  })

const servers = {
  "Effect's server on Node": Effect.gen(function*() {
    const context = yield* Layer.build(
      HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true, routerConfig: Routes.routerConfig }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
      )
    )
    const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
    const send: Send = (path, body, headers) =>
      fetch(requestOf(HttpServer.formatAddress(address) + path, body, headers))
    return send
  }),
  "a function of Request and Response": Effect.gen(function*() {
    const { handler } = yield* Effect.acquireRelease(
      Effect.sync(() =>
        HttpRouter.toWebHandler(Layer.provide(routes, HttpServer.layerServices), {
          disableLogger: true,
          routerConfig: Routes.routerConfig
        })
      ),
      ({ dispose }) => Effect.promise(dispose)
    )
    const send: Send = (path, body, headers) => handler(requestOf(`http://localhost${path}`, body, headers))
    return send
  })
}

/** Valid, and as long as that. */
const padded = (length: number, phone: string) => `{"phone":"${phone}","returnCode":{}}`.padEnd(length, " ")

for (const [name, start] of Object.entries(servers)) {
  describe(name, () => {
    it.live("takes calls, and reads no body further than 64 KiB", () =>
      Effect.gen(function*() {
        const send = yield* start
        const call = Effect.fnUntraced(
          function*(path: string, body: string, headers?: Readonly<Record<string, string>>) {
            const response = yield* Effect.promise(() => send(path, body, headers))
            return [response.status, yield* Effect.promise(() => response.text())] as const
          }
        )
        const [status, text] = yield* call("/v2/users/ada/phone", padded(65_536, "+41791234567"))
        assert.strictEqual(status, 200)
        assert.match(JSON.parse(text).verificationCode, /^\d{6}$/)
        assert.strictEqual((yield* call("/v2/users/ada/phone", padded(65_537, "+41791234568")))[0], 413)

        const connect = yield* call("/zitadel.user.v2.UserService/SetPhone", padded(65_537, "+41791234568"), {
          "connect-protocol-version": "1"
        })
        assert.strictEqual(JSON.parse(connect[1]).code, "resource_exhausted")

        assert.strictEqual((yield* call("/sms-receipts/stand-in/1", "x".repeat(65_536)))[0], 204)
        assert.strictEqual((yield* call("/sms-receipts/stand-in/1", "x".repeat(65_537)))[0], 204)
        assert.deepStrictEqual(reports.splice(0).map((body) => body.length), [65_536, 0])
      }))
  })
}
