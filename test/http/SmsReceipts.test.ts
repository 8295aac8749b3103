/** Providers' reports over real HTTP: which count, and that nothing else tells or changes anything. */
import { NodeCrypto } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { createHash } from "node:crypto"
import * as Memory from "../../src/adapters/Memory.ts"
import { Unauthenticated, Unavailable } from "../../src/core/Errors.ts"
import {
  Actor,
  GetPhone,
  Limits,
  Operations,
  Outbox,
  SetPhone,
  SmsDelivery,
  SmsNotifier,
  SmsReceipts,
  UserId,
  Users,
  UserStore
} from "../../src/core/index.ts"
import * as TokenVerifier from "../../src/core/TokenVerifier.ts"
import { Routes, SmsReceiptRoutes } from "../../src/http/index.ts"
import * as NodeServer from "../../src/http/NodeServer.ts"

const organization = UserId.OrganizationId.make("demo")
const admin = Actor.make({ userId: "admin", organization, grants: { [organization]: ["user.write"] } })

/** What the provider was given. */
const handed: Array<SmsNotifier.Sms> = []

/** How a provider may sign: all of its report. */
const signatureOf = (query: string, body: string) => createHash("sha256").update(`${query}\n${body}`).digest("hex")

/** A provider that signs with one word, or all that it says, and reports how it went with another. */
const notifier = Layer.succeed(SmsNotifier.SmsNotifier, {
  send: (sms) =>
    Effect.sync(() => {
      handed.push(sms)
      return { provider: "stand-in", reference: undefined }
    }),
  receipts: new Map<string, SmsNotifier.ReadReceipt>([["stand-in", ({ body, headers, query }) =>
    Effect.sync(() => {
      const isSigned = ["right", signatureOf(query, body)].includes(headers["x-signature"]!)
      if (!isSigned && query !== "signature=right") return undefined
      if (body.replace("\uFEFF", "") === "arrived") return { status: "delivered" }
      return body.startsWith("lost ") ? { status: "failed", code: body.slice(5) } : undefined
    })]])
})

let isDown = false
const outbox = Layer.effect(
  Outbox.Outbox,
  Effect.map(Outbox.Outbox, (real) => ({
    ...real,
    report: (messageId, receipt, at) =>
      Effect.suspend(() =>
        isDown ? Effect.fail(new Unavailable({ cause: "down" })) : real.report(messageId, receipt, at)
      )
  }))
)

const layerServer = NodeServer.serve(Layer.merge(Routes.layer, SmsReceiptRoutes.layer), { host: "127.0.0.1", port: 0 })
  .pipe(
    Layer.provide(SmsReceipts.layer.pipe(Layer.provide(outbox))),
    Layer.provideMerge(Operations.layer),
    Layer.provide(Layer.succeed(TokenVerifier.TokenVerifier, {
      verify: () => Effect.fail(new Unauthenticated({ reason: "TokenInvalid" }))
    })),
    Layer.provideMerge(Layer.mergeAll(Memory.layerPorts, notifier, Layer.succeed(Limits.Limits, Limits.off))),
    Layer.provideMerge(NodeCrypto.layer)
  )

/** A user whose code was handed over, and what the provider has of it. */
const sent = Effect.gen(function*() {
  const userId = UserId.UserId.make(crypto.randomUUID())
  yield* Users.Users.use((users) =>
    users.register({ userId, resourceOwner: organization, kind: "human", state: "active" })
  )
  const phone = Redacted.make("+41791234567")
  yield* SetPhone.SetPhone.use(({ setPhone }) => setPhone({ userId, phone })).pipe(
    Effect.provideService(Actor.Actor, admin)
  )
  const { deliverDue } = yield* SmsDelivery.make()
  yield* deliverDue
  return { userId, sms: handed.at(-1)! }
})

const report = Effect.fnUntraced(function*(
  path: string,
  body: string,
  { method = "POST", signature = "right" }: { readonly method?: string; readonly signature?: string } = {}
) {
  const { address } = yield* HttpServer.HttpServer
  const response = yield* Effect.promise(() =>
    fetch(`${HttpServer.formatAddress(address)}/sms-receipts/${path}`, {
      method,
      headers: { "x-signature": signature, "content-type": "text/plain" },
      ...(method === "GET" ? {} : { body })
    })
  )
  return [response.status, yield* Effect.promise(() => response.text())] as const
})

const deliveryOf = (userId: string) =>
  GetPhone.GetPhone.use(({ getPhone }) => getPhone({ userId })).pipe(
    Effect.provideService(Actor.Actor, admin),
    Effect.map(({ pendingCode }) => pendingCode?.delivery)
  )
const eventsOf = (userId: UserId.UserId) =>
  Effect.map(UserStore.UserStore.use((store) => store.history(userId)), (log) => log.map(({ change }) => change.type))

const nothing = [204, ""] as const

layer(layerServer, { excludeTestServices: true })("reports on messages", (it) => {
  it.effect("tell that a message arrived, once, in what is known of the code and in the log", () =>
    Effect.gen(function*() {
      const { sms, userId } = yield* sent
      assert.deepStrictEqual(yield* deliveryOf(userId), { state: "sent", attempts: 1, reason: undefined })
      assert.deepStrictEqual(yield* report(`stand-in/${sms.receiptId}`, "arrived"), nothing)
      assert.deepStrictEqual(yield* deliveryOf(userId), { state: "delivered", attempts: 1, reason: undefined })
      const log = yield* eventsOf(userId)
      assert.deepStrictEqual(log.slice(-2), ["user.human.phone.code.sent", "user.human.phone.code.delivered"])
      assert.deepStrictEqual(yield* report(`stand-in/${sms.receiptId}`, "arrived"), nothing)
      assert.deepStrictEqual(yield* report(`stand-in/${sms.receiptId}`, "lost 30005"), nothing)
      assert.deepStrictEqual(yield* eventsOf(userId), log)
    }))

  it.effect("tell that a message was lost, and why, also by a query", () =>
    Effect.gen(function*() {
      const { sms, userId } = yield* sent
      const path = `stand-in/${sms.receiptId}?signature=right`
      assert.deepStrictEqual(yield* report(path, "lost 30005", { signature: "none" }), nothing)
      assert.deepStrictEqual(yield* deliveryOf(userId), {
        state: "failed",
        attempts: 1,
        reason: "not delivered: 30005"
      })
      assert.strictEqual((yield* eventsOf(userId)).at(-1), "user.human.phone.code.undelivered")
    }))

  it.effect("are read to the last byte, since all of them may be signed", () =>
    Effect.gen(function*() {
      for (const [query, body] of [["a=1?b=2", "arrived"], ["?", "arrived"], ["a=1", "\uFEFFarrived"]] as const) {
        const { sms, userId } = yield* sent
        const options = { signature: signatureOf(query, body) }
        assert.deepStrictEqual(yield* report(`stand-in/${sms.receiptId}?${query}`, body, options), nothing)
        assert.strictEqual((yield* deliveryOf(userId))?.state, "delivered", query)
      }
    }))

  it.effect("change nothing, and are answered alike, when anything about them is wrong", () =>
    Effect.gen(function*() {
      const { sms, userId } = yield* sent
      const { sms: other } = yield* sent
      const [messageId, keyed] = sms.receiptId.split(".") as [string, string]
      const log = yield* eventsOf(userId)
      const wrong: ReadonlyArray<readonly [path: string, body: string, options?: object]> = [
        [`stand-in/${sms.receiptId}`, "arrived", { signature: "wrong" }],
        [`stand-in/${sms.receiptId}`, "on its way"],
        [`stand-in/${sms.receiptId}`, ""],
        [`stand-in/${sms.receiptId}`, "", { method: "GET" }],
        [`unknown/${sms.receiptId}`, "arrived"],
        [`stand-in/${messageId}`, "arrived"],
        [`stand-in/${messageId}.`, "arrived"],
        [`stand-in/${messageId}.${keyed.slice(0, -1)}`, "arrived"],
        [`stand-in/${messageId}.${keyed.slice(0, -1)}${keyed.endsWith("A") ? "B" : "A"}`, "arrived"],
        [`stand-in/${messageId}.${other.receiptId.split(".")[1]}`, "arrived"],
        [`stand-in/${keyed}`, "arrived"],
        ["stand-in/x", "arrived"],
        [`stand-in/${"x".repeat(5000)}`, "arrived"],
        ["__proto__/constructor", "arrived"],
        [`stand-in/${sms.receiptId}`, "arrived ".repeat(20_000)]
      ]
      for (const [path, body, options] of wrong) {
        assert.deepStrictEqual(yield* report(path, body, options), nothing, `${path.slice(0, 80)} ${body.slice(0, 10)}`)
      }
      assert.deepStrictEqual(yield* eventsOf(userId), log)
      assert.deepStrictEqual(yield* deliveryOf(userId), { state: "sent", attempts: 1, reason: undefined })
    }))

  it.effect("are asked for again while they cannot be recorded", () =>
    Effect.gen(function*() {
      const { sms, userId } = yield* sent
      isDown = true
      const [status, body] = yield* report(`stand-in/${sms.receiptId}`, "arrived")
      isDown = false
      assert.deepStrictEqual([status, JSON.parse(body).code], [503, 14])
      assert.deepStrictEqual(yield* report(`stand-in/${sms.receiptId}`, "arrived"), nothing)
      assert.strictEqual((yield* deliveryOf(userId))?.state, "delivered")
    }))

  it.effect("name each message by an id of its own, which holds 132 bits that nobody can guess", () =>
    Effect.gen(function*() {
      const ids = yield* Effect.replicateEffect(Effect.map(sent, ({ sms }) => sms.receiptId), 20)
      assert.strictEqual(new Set(ids.map((id) => id.split(".")[1])).size, 20)
      for (const id of ids) assert.match(id, /^[0-9a-f-]{36}\.[\w-]{22}$/)
    }))
})
