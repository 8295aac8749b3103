/**
 * Clients that other people wrote, on one port and all at once, in the clear and by TLS: gRPC's own, those of Connect and of
 * Effect in a real browser on a page of another origin, plain scripts, Node and curl.
 */
import { assert, layer } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Context, Effect, Layer, Redacted } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { Limits } from "../../src/core/index.ts"
import { UserId } from "../../src/core/UserId.ts"
import { UserStore } from "../../src/core/UserStore.ts"
import { Cors } from "../../src/http/index.ts"
import { type Failure, invalidCode, tokenMissing, tooMany, writer } from "../cases/Case.ts"
import * as Browser from "../fixtures/Browser.ts"
import { authorization, newTarget } from "../fixtures/Calls.ts"
import * as Certificate from "../fixtures/Certificate.ts"
import * as Clients from "../fixtures/ClientTransports.ts"
import * as TestServer from "../fixtures/TestServer.ts"
import { type Answer, assertFailure, type Transport } from "../fixtures/Transport.ts"
import * as WebPage from "../fixtures/WebPage.ts"

const certificate = Certificate.make("localhost", "127.0.0.1")
const certificateOfAnother = Certificate.make("other.example")

/** For clients that are to trust a certificate. */
const trusting = ({ certificate }: Certificate.TestCertificate) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-user-phone-test-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ),
    (folder) => {
      const file = join(folder, "ca.pem")
      writeFileSync(file, certificate)
      return { ca: certificate, file }
    }
  )

class World extends Context.Service<World, {
  /** The servers' addresses. */
  readonly urls: { readonly clear: string; readonly tls: string; readonly ofAnother: string }
  readonly transports: { readonly clear: ReadonlyArray<Transport>; readonly tls: ReadonlyArray<Transport> }
  /** Pages of the origin that is let in, and of another one. */
  readonly app: Page
  readonly stranger: Page
}>()("test/World") {}

const layerWorld = Layer.effect(
  World,
  Effect.gen(function*() {
    const origins = yield* WebPage.Origins
    const beside = Layer.orDie(Cors.layer({ origins: [origins.app] }))
    const serve = (tls?: Certificate.TestCertificate) =>
      Effect.map(
        Layer.build(TestServer.layerServer({ beside, ...(tls && { tls }) })),
        (context) => Context.get(context, TestServer.TestServer).url.replace("127.0.0.1", tls ? "localhost" : "$&")
      )
    const urls = {
      clear: yield* serve(),
      tls: yield* serve(certificate),
      ofAnother: yield* serve(certificateOfAnother)
    }
    const app = yield* WebPage.open(origins.app)
    const pages = WebPage.transports(app)
    const trust = yield* trusting(certificate)
    const transports = {
      clear: [...pages, ...yield* Clients.make()],
      tls: [...pages, ...yield* Clients.make(trust)]
    }
    return World.of({ urls, transports, app, stranger: yield* WebPage.open(origins.stranger) })
  })
)

const layerAll = layerWorld.pipe(
  Layer.provideMerge(TestServer.layerWith({ limits: Limits.defaults })),
  Layer.provide(Browser.layer([`--ignore-certificate-errors-spki-list=${certificate.keyHash}`])),
  Layer.provideMerge(WebPage.layerOrigins)
)

let numbers = 0

/** A user of its own with a number of its own, and the token of somebody who may have codes returned. */
const newAccount = Effect.gen(function*() {
  const userId = yield* newTarget("active")
  const headers = { authorization: (yield* authorization(writer, userId))! }
  return { userId, headers, phone: `+4179${String(1_000_000 + numbers++)}` }
})

const calling = (transport: Transport, url: string) =>
(
  { headers, userId }: { readonly headers: Readonly<Record<string, string>>; readonly userId: string },
  operation: string,
  fields: object
): Effect.Effect<Answer> =>
  Effect.promise(() => transport.call(url, { version: "v2", operation, userId, fields, headers }))

const phoneOf = (userId: string) =>
  Effect.map(UserStore.use((store) => store.load(UserId.make(userId))), (user) => ({
    number: user?.phone === undefined ? undefined : Redacted.value<string>(user.phone.number),
    sequence: Number(user!.sequence)
  }))

/** Each transport with its server's address. */
const everyone = Effect.map(
  World,
  ({ transports, urls }) =>
    (["clear", "tls"] as const).flatMap((kind) =>
      transports[kind].map((transport) => ({
        name: `${transport.name}, ${kind}`,
        call: calling(transport, urls[kind])
      }))
    )
)

/** A failure that is all of an answer. */
const assertFails = ({ name }: { readonly name: string }, answer: Answer, failure: Failure) => {
  assert.strictEqual(answer.code, failure.code, `${name}: ${answer.message}`)
  assertFailure(answer, failure)
}

/** All that a script learns when the browser gives it no answer. */
const noAnswer = /Failed to fetch|Transport error/

/** A call that does not come through, and the reason that the client sees. */
const assertCannotCall = Effect.fnUntraced(function*(transport: Transport, url: string, reason: RegExp) {
  const account = yield* newAccount
  const seen = yield* Effect.promise(() =>
    transport.call(url, { version: "v2", operation: "SetPhone", fields: { phone: account.phone }, ...account })
      .then(({ code, message }) => code === 0 ? "an answer" : message, String)
  )
  assert.match(seen, reason, transport.name)
  assert.deepStrictEqual(yield* phoneOf(account.userId), { number: undefined, sequence: 0 })
})

/** What gRPC's own client makes of a call of any kind that is answered with an error. */
const grpcErrorOf = (url: string, path: string, kind: "unary" | "server stream" | "both ways") =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Grpc.Client(new URL(url).host, Grpc.credentials.createInsecure())),
    (client) =>
      Effect.callback<Grpc.ServiceError>((resume) => {
        const empty = () => Buffer.alloc(0)
        const told = (error: Error) => resume(Effect.succeed(error as Grpc.ServiceError))
        if (kind === "unary") return void client.makeUnaryRequest(path, empty, empty, {}, (error) => told(error!))
        const call = kind === "both ways"
          ? client.makeBidiStreamRequest(path, empty, empty)
          : client.makeServerStreamRequest(path, empty, empty, {})
        call.on("error", told).on("data", () => {})
      }),
    (client) => Effect.sync(() => client.close())
  )

layer(layerAll, { excludeTestServices: true, timeout: "120 seconds" })("Clients", (it) => {
  it.effect("of gRPC learn of every unknown method that there is none", () =>
    Effect.gen(function*() {
      const { urls: { clear } } = yield* World
      for (
        const [path, kind] of [
          ["/zitadel.user.v2.UserService/GetUserByID", "unary"],
          ["/a.B/C", "unary"],
          ["/zitadel.user.v2.UserService/SetPhone;x", "unary"],
          ["/grpc.health.v1.Health/Watch", "server stream"],
          ["/a.B/C", "both ways"]
        ] as const
      ) {
        const { code, details } = yield* grpcErrorOf(clear, path, kind)
        assert.deepStrictEqual([code, details], [Grpc.status.UNIMPLEMENTED, "no such method"], path)
      }
    }))

  it.effect("set, prove and read phones, all kinds at once", () =>
    Effect.gen(function*() {
      const clients = yield* everyone
      yield* Effect.forEach(
        Array.from({ length: 10 }, () => clients).flat(),
        Effect.fnUntraced(function*({ call, name }) {
          const account = yield* newAccount
          const set = yield* call(account, "SetPhone", { phone: account.phone, returnCode: {} })
          assert.strictEqual(set.code, 0, `${name}: ${set.message}`)
          const { verificationCode } = set.body
          assert.match(verificationCode, /^\d{6}$/, name)
          const verified = yield* call(account, "VerifyPhone", { verificationCode })
          assert.strictEqual(verified.body?.details.sequence, "3", `${name}: ${verified.message}`)
          const { body } = yield* call(account, "GetPhone", {})
          assert.deepStrictEqual(body.phone, { phone: account.phone, isVerified: true }, name)
          assert.deepStrictEqual(yield* phoneOf(account.userId), { number: account.phone, sequence: 3 }, name)
        }),
        { concurrency: "unbounded", discard: true }
      )
    }), 120_000)

  it.effect("read what is wrong, with its details, and when to come back", () =>
    Effect.gen(function*() {
      for (const client of yield* everyone) {
        const { call } = client
        const account = yield* newAccount
        const set = { phone: account.phone, sendCode: {} }
        assertFails(client, yield* call({ ...account, headers: {} }, "SetPhone", set), tokenMissing)
        assert.strictEqual((yield* call(account, "SetPhone", set)).code, 0)
        const guess = yield* call(account, "VerifyPhone", { verificationCode: "wrong" })
        assertFails(client, guess, invalidCode("CODE_WRONG", 4))
        const soon = yield* call(account, "SetPhone", {
          ...set,
          phone: `${account.phone.slice(0, 4)}8${account.phone.slice(5)}`
        })
        assert.isAtLeast(Number(soon.retryAfter), 1, client.name)
        assert.isAtMost(Number(soon.retryAfter), 33, client.name)
        assertFails(client, soon, tooMany("WAIT_BETWEEN_CODES", Number(soon.retryAfter)))
      }
    }))

  it.effect("see that an answer is a repeated one", () =>
    Effect.gen(function*() {
      for (const { call, name } of yield* everyone) {
        const account = yield* newAccount
        const headers = { ...account.headers, "idempotency-key": "0001" }
        const set = call({ ...account, headers }, "SetPhone", { phone: account.phone, returnCode: {} })
        const first = yield* set
        const again = yield* set
        assert.deepStrictEqual([first.replayed, again.replayed], [false, true], name)
        assert.deepStrictEqual(again.body, { details: first.body.details }, name)
      }
    }))

  it.effect("in a page of an origin that is not configured get nothing", () =>
    Effect.gen(function*() {
      const { stranger, urls } = yield* World
      for (const url of [urls.clear, urls.tls]) {
        // The browser asks before it sends the call, and is not let in.
        for (const transport of WebPage.transports(stranger)) yield* assertCannotCall(transport, url, noAnswer)
      }
    }))

  it.effect("in a page read a plain answer only where its origin is configured", () =>
    Effect.gen(function*() {
      const { app, stranger, urls } = yield* World
      for (const url of [urls.clear, urls.tls]) {
        // Sent without asking first, by either page; what comes back is for the one only.
        const read = (page: Page) => Effect.promise(() => WebPage.request(page, `${url}/healthz`).catch(String))
        assert.deepInclude(yield* read(app), { status: 200, text: "{\"status\":\"ok\"}" })
        assert.match(String(yield* read(stranger)), /TypeError: Failed to fetch/)
      }
      const refused = yield* Effect.promise(() =>
        WebPage.request(app, `${urls.clear}/v2/users/ada/phone`, { method: "DELETE" })
      )
      assert.strictEqual(refused.status, 401)
      assert.deepInclude(Object.fromEntries(refused.headers), { "www-authenticate": "Bearer" })
    }))

  it.effect("in a page speak HTTP/2 by TLS, and HTTP/1.1 in the clear", () =>
    Effect.gen(function*() {
      const { app, urls } = yield* World
      for (const [url, protocol] of [[urls.tls, "h2"], [urls.clear, "http/1.1"]] as const) {
        const seen = yield* Effect.promise(async () => {
          const session = await app.context().newCDPSession(app)
          await session.send("Network.enable")
          const received = new Promise<string | undefined>((resolve) =>
            session.once("Network.responseReceived", ({ response }) => resolve(response.protocol))
          )
          await WebPage.request(app, `${url}/readyz`)
          return received.finally(() => session.detach())
        })
        assert.strictEqual(seen, protocol)
      }
    }))

  it.effect("refuse a certificate for another host, and one that they do not trust", () =>
    Effect.gen(function*() {
      const { app, urls } = yield* World
      const clients = yield* Clients.make(yield* trusting(certificateOfAnother))
      for (const client of clients) {
        yield* assertCannotCall(client, urls.ofAnother, /altnames|curl: \(60\)/)
        yield* assertCannotCall(client, urls.tls, /self-signed|curl: \(60\)/)
      }
      for (const client of WebPage.transports(app)) yield* assertCannotCall(client, urls.ofAnother, noAnswer)
    }))
})
