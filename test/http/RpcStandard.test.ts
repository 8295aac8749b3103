/** gRPC's standard services, by gRPC's own client: health says what `/readyz` says, reflection what there is to call. */
import { assert, layer } from "@effect/vitest"
import * as Grpc from "@grpc/grpc-js"
import { Duration, Effect, Fiber, Layer, Schedule } from "effect"
import { HttpServer } from "effect/http"
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2"
import { Errors } from "../../src/core/index.ts"
import { Health } from "../../src/http/index.ts"
import * as NodeServer from "../../src/http/NodeServer.ts"
import * as RpcStandard from "../../src/http/RpcStandard.ts"
import { sessionTo } from "../fixtures/GrpcStreams.ts"
import { methodOf } from "../fixtures/Protobuf.ts"

/** How ready the service is from now on. */
let readiness: Effect.Effect<void, Errors.Unavailable> = Effect.void

const layerServer = NodeServer.serve(Layer.merge(RpcStandard.layer, Health.layer), { host: "127.0.0.1", port: 0 }).pipe(
  Layer.provide(Layer.succeed(Health.Readiness, Effect.suspend(() => readiness)))
)

const url = Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address))

const client = Effect.acquireRelease(
  Effect.map(url, (url) => new Grpc.Client(new URL(url).host, Grpc.credentials.createInsecure())),
  (client) => Effect.sync(() => client.close())
)

const check = Effect.fnUntraced(function*(service: string) {
  const { path, requestSerialize, responseDeserialize } = methodOf("grpc.health.v1.Health", "Check")
  const caller = yield* client
  return yield* Effect.callback<{ readonly code: number; readonly status: string | undefined }>((resume) => {
    caller.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service },
      (error, response: any) => resume(Effect.succeed({ code: error?.code ?? 0, status: response?.status }))
    )
  })
})

const reflect = (...questions: ReadonlyArray<object>) =>
  reflectAt("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", questions)

const reflectAt = Effect.fnUntraced(function*(path: string, questions: ReadonlyArray<object>) {
  const { requestSerialize, responseDeserialize } = methodOf(
    "grpc.reflection.v1.ServerReflection",
    "ServerReflectionInfo"
  )
  const caller = yield* client
  return yield* Effect.callback<ReadonlyArray<any>>((resume) => {
    const call = caller.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    const answers: Array<any> = []
    const ask = () => answers.length < questions.length ? call.write(questions[answers.length]!) : call.end()
    // Each question after the answer to the one before, on one stream.
    call.on("data", (answer) => {
      answers.push(answer)
      ask()
    })
    call.on("error", (error) => resume(Effect.die(error)))
    call.on("end", () => resume(Effect.succeed(answers)))
    ask()
  })
})

const services = [
  "zitadel.user.v2.UserService",
  "zitadel.user.v2beta.UserService",
  "effectuserphone.v1.PhoneService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection"
]

layer(layerServer, { excludeTestServices: true, timeout: "30 seconds" })("gRPC's standard services", (it) => {
  it.effect("health says what /readyz says, for the server and for each service", () =>
    Effect.gen(function*() {
      const readyz = Effect.flatMap(url, (url) => Effect.promise(() => fetch(`${url}/readyz`)))
      for (
        const [state, httpStatus, status] of [
          [Effect.void, 200, undefined],
          [Effect.fail(new Errors.Unavailable({ cause: "test" })), 503, "NOT_SERVING"],
          [Effect.void, 200, undefined]
        ] as const
      ) {
        readiness = state
        assert.strictEqual((yield* readyz).status, httpStatus)
        for (const service of ["", ...services]) {
          const answer = yield* check(service)
          assert.deepStrictEqual(answer, { code: 0, status: status ?? "SERVING" }, service)
        }
      }
    }))

  it.effect("health does not know what is not served, and cannot be watched", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* check("zitadel.user.v3.UserService"), {
        code: Grpc.status.NOT_FOUND,
        status: undefined
      })
      const { path, requestSerialize, responseDeserialize } = methodOf("grpc.health.v1.Health", "Watch")
      const caller = yield* client
      const code = yield* Effect.callback<number>((resume) => {
        caller.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {})
          .on("data", () => {})
          .on("error", (error: Grpc.ServiceError) => resume(Effect.succeed(error.code)))
      })
      assert.strictEqual(code, Grpc.status.UNIMPLEMENTED)
    }))

  it.effect("reflection lists the services, and describes them with all that they import", () =>
    Effect.gen(function*() {
      const [list] = yield* reflect({ listServices: "" })
      assert.deepStrictEqual(list.listServicesResponse.service.map(({ name }: { name: string }) => name), services)

      const symbols = [
        ...services,
        "zitadel.user.v2.UserService.SetPhone",
        "zitadel.user.v2.SetPhoneRequest",
        "effectuserphone.v1.PendingCode",
        "zitadel.v1.ErrorDetail",
        "google.rpc.RetryInfo",
        "google.rpc.BadRequest.FieldViolation",
        "grpc.health.v1.HealthCheckResponse.ServingStatus"
      ]
      const answers = yield* reflect(...symbols.map((fileContainingSymbol) => ({ fileContainingSymbol })))
      assert.lengthOf(answers, symbols.length)
      answers.forEach(({ fileDescriptorResponse, originalRequest }, index) => {
        assert.strictEqual(originalRequest.fileContainingSymbol, symbols[index])
        const [first] = fileDescriptorResponse.fileDescriptorProto
        assert.include(Buffer.from(first).toString("latin1"), symbols[index]!.split(".").at(-1)!)
      })
      const [setPhone] = yield* reflect({ fileByFilename: "zitadel/user/v2/user_service.proto" })
      const files = setPhone.fileDescriptorResponse.fileDescriptorProto.map((file: Uint8Array) =>
        /[\w/]+\.proto/.exec(Buffer.from(file).toString("latin1"))![0]
      )
      assert.includeMembers(files, [
        "zitadel/user/v2/user_service.proto",
        "zitadel/object/v2/object.proto",
        "google/protobuf/timestamp.proto"
      ])
    }))

  it.effect("reflection answers by its former name, too", () =>
    Effect.gen(function*() {
      const questions = [{ listServices: "" }, { fileContainingSymbol: "zitadel.user.v2.UserService" }]
      const former = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
      assert.deepStrictEqual(yield* reflectAt(former, questions), yield* reflect(...questions))
    }))

  it.effect("reflection says what there is none of", () =>
    Effect.gen(function*() {
      const answers = yield* reflect(
        { fileByFilename: "zitadel/user/v2/email.proto" },
        { fileContainingSymbol: "zitadel.user.v2.UserService.SetEmail" },
        { fileContainingExtension: { containingType: "zitadel.user.v2.SetPhoneRequest", extensionNumber: 1 } },
        {},
        { allExtensionNumbersOfType: "zitadel.user.v2.SetPhoneRequest" }
      )
      const codes = answers.map(({ errorResponse }) => errorResponse?.errorCode)
      assert.deepStrictEqual(codes, [5, 5, 5, 3, undefined])
      assert.strictEqual(answers[4].allExtensionNumbersResponse.baseTypeName, "zitadel.user.v2.SetPhoneRequest")
    }))

  const frame = (...bytes: ReadonlyArray<number>) => Buffer.from([0, 0, 0, 0, bytes.length, ...bytes])

  /** A bare stream of reflection, and its trailers once they come. */
  const open = Effect.fnUntraced(function*(headers: Record<string, string> = {}) {
    const session = yield* sessionTo(yield* url)
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers
    })
    const trailers = new Promise<IncomingHttpHeaders>((resolve, fail) =>
      stream.once("trailers", resolve).once("error", fail)
    )
    stream.resume()
    return {
      stream,
      trailers: Effect.map(
        Effect.promise(() => trailers),
        ({ "grpc-message": message, "grpc-status": status }) => ({ status, message })
      )
    }
  })

  it.effect("a stream's answer is kept by no cache", () =>
    Effect.gen(function*() {
      const { stream, trailers } = yield* open()
      const answered = new Promise<IncomingHttpHeaders>((resolve) => stream.once("response", resolve))
      stream.end(frame(0x3A, 0))
      assert.strictEqual((yield* Effect.promise(() => answered))["cache-control"], "no-store")
      assert.strictEqual((yield* trailers).status, "0")
    }))

  /** What such a stream comes to that sends these bytes, and ends if it is to. */
  const bare = Effect.fnUntraced(function*(
    bytes: Uint8Array | undefined,
    { end = true, headers }: { readonly end?: boolean; readonly headers?: Record<string, string> } = {}
  ) {
    const { stream, trailers } = yield* open(headers)
    if (bytes !== undefined) stream.write(bytes)
    if (end) stream.end()
    return yield* trailers
  })

  it.effect("what a stream cannot read is the caller's fault", () =>
    Effect.gen(function*() {
      for (const bytes of [frame(0x09), frame(0x22, 0x01, 0xFF), frame(...Array.from({ length: 200 }, () => 0x0B))]) {
        assert.strictEqual((yield* bare(bytes)).status, "3")
      }
      const compressed = Buffer.from([1, 0, 0, 0, 2, 0x3A, 0])
      assert.strictEqual((yield* bare(compressed)).status, "3")
      assert.deepStrictEqual(yield* bare(compressed, { headers: { "grpc-encoding": "gzip" } }), {
        status: "12",
        message: "unknown compression \"gzip\": supported encodings are%20"
      })
      // What can be read is read.
      assert.strictEqual((yield* bare(frame(0x3A, 0))).status, "0")
    }))

  it.effect("a stream reads no message that is longer than those of calls, and does not wait for it", () =>
    Effect.gen(function*() {
      const tooLong = yield* bare(Buffer.from([0, 0, 1, 0, 1, 0x3A]), { end: false })
      assert.strictEqual(tooLong.status, "8")
      // A name of as much as there may be, and the four bytes before it.
      const longest = Buffer.alloc(64 * 1024 - 4, "a")
      const most = Buffer.concat([Buffer.from([0, 0, 1, 0, 0, 0x1A, 0xFC, 0xFF, 0x03]), longest])
      assert.strictEqual((yield* bare(most)).status, "0")
    }))

  it.effect("a stream ends with its deadline", () =>
    Effect.gen(function*() {
      for (const [deadline, bytes] of [["0S", undefined], ["200m", undefined], ["200m", frame(0x3A, 0)]] as const) {
        const { status } = yield* bare(bytes, { end: false, headers: { "grpc-timeout": deadline } })
        assert.strictEqual(status, "4", deadline)
      }
      const unread = yield* bare(frame(0x3A, 0), { headers: { "grpc-timeout": "soon" } })
      assert.strictEqual(unread.status, "3")
      const inTime = yield* bare(frame(0x3A, 0), { headers: { "grpc-timeout": "5S" } })
      assert.strictEqual(inTime.status, "0")
    }))

  it.effect("a stream ends when its caller is silent for ten seconds", () =>
    Effect.gen(function*() {
      const [took, { status }] = yield* Effect.timed(bare(frame(0x3A, 0), { end: false }))
      assert.strictEqual(status, "0")
      assert.isAbove(Duration.toSeconds(took), 9)
      assert.isBelow(Duration.toSeconds(took), 20)
    }))

  it.effect("a stream is one of a hundred at most, and who is one too many is told so", () =>
    Effect.gen(function*() {
      const { stream: first } = yield* open()
      const session = first.session as ClientHttp2Session
      // Those count that have said nothing yet.
      const streams = [first, ...Array.from({ length: 149 }, () => session.request(first.sentHeaders!))]
      const statuses = (all: ReadonlyArray<ClientHttp2Stream>) =>
        Effect.forEach(all, (stream) =>
          Effect.callback<unknown>((resume) => {
            stream.once("response", (headers) => resume(Effect.succeed(headers[":status"])))
          }), { concurrency: "unbounded" })
      const asked = yield* Effect.forkChild(statuses(streams))
      yield* Effect.yieldNow
      for (const stream of streams) stream.on("error", () => {}).write(frame(0x3A, 0))
      const all = yield* Fiber.join(asked)
      assert.deepStrictEqual([200, 503].map((status) => all.filter((one) => one === status).length), [100, 50])
      const another = Effect.suspend(() => {
        const stream = session.request(first.sentHeaders!)
        stream.end(frame(0x3A, 0))
        return statuses([stream])
      })
      assert.deepStrictEqual(yield* another, [503])
      for (const stream of streams) stream.close()
      yield* Effect.repeat(another, { schedule: Schedule.spaced("20 millis"), until: ([status]) => status === 200 })
    }))

  it.effect("a stream both ways is not for HTTP/1.1, whatever its protocol", () =>
    Effect.gen(function*() {
      const base = yield* url
      for (const type of ["application/grpc", "application/grpc-web", "application/connect+proto"]) {
        const response = yield* Effect.promise(() =>
          fetch(`${base}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`, {
            method: "POST",
            headers: { "content-type": type }
          })
        )
        assert.strictEqual(response.status, 505)
        assert.deepStrictEqual(yield* Effect.promise(() => response.json()), {
          code: 12,
          message: "a stream of messages both ways needs HTTP/2"
        })
      }
    }))

  it.effect("a stream keeps no deadline that is longer than a timer, and its errors read as they were written", () =>
    Effect.gen(function*() {
      const warnings: Array<Error> = []
      const note = (warning: Error) => void warnings.push(warning)
      process.on("warning", note)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("warning", note)))
      const { stream, trailers } = yield* open({ "grpc-timeout": "99999999H" })
      // Longer than a timer would take that cannot wait so long.
      yield* Effect.sleep(50)
      stream.end(Buffer.from([0, 0, 0]))
      assert.deepStrictEqual(yield* trailers, { status: "3", message: "protocol error: incomplete envelope" })
      assert.deepStrictEqual(warnings, [])
    }))
})
