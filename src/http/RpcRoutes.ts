/**
 * gRPC, gRPC-Web and Connect as routes: the same operations as the JSON endpoints, under the names of ZITADEL's user
 * service. Mount them beside `Routes.layer`, or alone.
 *
 * Connect speaks the protocols. Around it stands what it would answer wrongly by itself: who has no token learns nothing but
 * that one is needed, and what cannot be read is the caller's fault.
 */
import { type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { TokenVerifier } from "../core/TokenVerifier.ts"
import { statusResponse } from "./ErrorResponse.ts"
import * as JsonBody from "./JsonBody.ts"
import * as PhoneRpc from "./PhoneRpc.ts"
import * as RpcCall from "./RpcCall.ts"
import * as RpcEnvelope from "./RpcEnvelope.ts"
import * as RpcQuery from "./RpcQuery.ts"
import * as Status from "./Status.ts"
import { Trailers } from "./Trailers.ts"

type Handler = ConnectRouter["handlers"][number]
type Answer = Awaited<ReturnType<Handler>>

/**
 * The routes of the operations.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const registerAll = yield* PhoneRpc.make
  const rpc = createConnectRouter({
    acceptCompression: [RpcEnvelope.gzip],
    // Answers are small.
    compressMinBytes: 0xFFFF_FFFF,
    requestGate: RpcCall.gate(yield* TokenVerifier)
  })
  registerAll(rpc)
  yield* mount(router, rpc)
}))

/**
 * Adds what a Connect router holds to an HTTP router.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mount = (router: HttpRouter.HttpRouter, { handlers }: ConnectRouter) =>
  Effect.forEach(handlers, (handler) => router.add("*", handler.requestPath as `/${string}`, serve(handler)), {
    discard: true
  })

const serve = (handler: Handler) => {
  const isUnary = handler.method.methodKind === "unary"
  const bodyOf = isUnary ? openedBody(handler) : streamedBody
  const { href } = new URL(handler.requestPath, "http://localhost")
  return Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (!handler.allowedMethods.includes(request.method)) {
      return statusResponse(Status.wrongMethod, { allow: handler.allowedMethods.join(", ") })
    }
    const query = request.method === "GET" ? RpcQuery.parse(request.url, handler.method.input.name) : undefined
    const headers = headersOf(request, query)
    const format = RpcEnvelope.formatOf(headers.get("content-type") ?? "")
    const trailers = (yield* Trailers)(request)
    if (format.native && trailers === undefined) return statusResponse(Status.http2Needed)
    const sendTrailers = format.native ? trailers : undefined

    const call = RpcCall.make(yield* Effect.context<never>())
    const body = bodyOf({ request, query, headers, format, call })
    const answer = yield* ask(handler, {
      // Where there are trailers, requests and answers can also flow at once.
      httpVersion: trailers === undefined ? "1.1" : "2.0",
      method: "POST",
      url: href,
      header: headers,
      body,
      contextValues: createContextValues().set(RpcCall.key, call)
    })
    return yield* isUnary ? respond(answer, sendTrailers) : respondStream(answer, sendTrailers)
  })
}

/** The headers that Connect is to see: what is said of the body is true of the one that it gets. */
const headersOf = (request: HttpServerRequest.HttpServerRequest, query: RpcQuery.Query | undefined): Headers => {
  const headers = new Headers(request.headers)
  if (query !== undefined) {
    headers.set("content-type", query.contentType)
    if (query.compression !== undefined) headers.set("content-encoding", query.compression)
  }
  for (const name of ["content-length", "accept-encoding", "grpc-accept-encoding"]) headers.delete(name)
  const [name, millis] = timeoutOf(headers)
  // A timer cannot wait longer, and would go off at once.
  if (millis > 0x7FFF_FFFF) headers.delete(name)
  return headers
}

const timeoutOf = (headers: Headers): readonly [header: string, millis: number] => {
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(headers.get("grpc-timeout") ?? "") ?? []
  return amount === undefined
    ? ["connect-timeout-ms", Number(headers.get("connect-timeout-ms") ?? "")]
    : ["grpc-timeout", Number(amount) * ({ H: 3_600_000, M: 60_000, S: 1000 }[unit!] ?? 1)]
}

interface Input {
  readonly request: HttpServerRequest.HttpServerRequest
  readonly query: RpcQuery.Query | undefined
  readonly headers: Headers
  readonly format: RpcEnvelope.Format
  readonly call: RpcCall.Call
}

/** The body of a call with one message, which is read, opened and checked when Connect asks for it, after the gate. */
const openedBody = ({ method: { input } }: Handler) => {
  const open = RpcEnvelope.opener(input)
  const read = Effect.fnUntraced(function*({ format, query, request }: Input, gzip: boolean) {
    const limit = Number((yield* HttpIncomingMessage.MaxBodySize) ?? ByteSize.kibibytes(64))
    return yield* open(yield* query?.body ?? JsonBody.read(input.name, request), format, gzip, limit)
  })
  return (request: Input): AsyncIterable<Uint8Array> => {
    const { call, format, headers } = request
    const gzip = headers.get(format.encodingHeader)?.toLowerCase() === "gzip"
    if (gzip) headers.delete(format.encodingHeader)
    let taken = false
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          if (taken) return Promise.resolve({ done: true, value: undefined })
          taken = true
          return call.run(read(request, gzip)).then((value) => ({ done: false, value }))
        }
      })
    }
  }
}

/** The body of a call with a stream of messages. None of them needs a token. */
const streamedBody = ({ request }: Input): AsyncIterable<Uint8Array> => Stream.toAsyncIterable(request.stream)

/** Gives a request to Connect. When the client goes away, waits until the work has ended. */
const ask = (handler: Handler, request: Omit<Parameters<Handler>[0], "signal">): Effect.Effect<Answer> =>
  Effect.callback((resume, signal) => {
    const answer = handler({ ...request, signal })
    answer.then((answer) => resume(Effect.succeed(answer)), (error) => resume(Effect.die(error)))
    return Effect.promise(() => answer.then(() => {}, () => {}))
  })

type SendTrailers = ReturnType<typeof Trailers.Service>

const respond = Effect.fnUntraced(function*({ body, header, status, trailer }: Answer, sendTrailers: SendTrailers) {
  if (body === undefined) return refused(status)
  // Connect has the one message ready when it answers, with what it puts around it.
  const parts = yield* Effect.promise(() => Array.fromAsync(body))
  sendTrailers?.(trailersOf(trailer))
  return HttpServerResponse.uint8Array(RpcEnvelope.concat(parts), { status, headers: answerHeaders(header) })
})

const respondStream = ({ body, header, status, trailer }: Answer, sendTrailers: SendTrailers) =>
  Effect.succeed(
    body === undefined
      ? refused(status)
      : HttpServerResponse.stream(
        Stream.fromAsyncIterable(body, (error) => error).pipe(
          Stream.orDie,
          Stream.onEnd(Effect.sync(() => sendTrailers?.(trailersOf(trailer))))
        ),
        { status, headers: answerHeaders(header) }
      )
  )

/** Where Connect has a status only. */
const refused = (status: number) => statusResponse(status === 415 ? Status.wrongRpcContentType : Status.http2Needed)

const recordOf = (headers: Headers | undefined): Record<string, string> => Object.fromEntries(headers ?? [])

/** Connect encodes more of the message than gRPC asks for, which not every client takes back. */
const trailersOf = (headers: Headers | undefined): Record<string, string> => {
  const { "grpc-message": message, ...others } = recordOf(headers)
  return message === undefined
    ? others
    : { ...others, "grpc-message": decodeURIComponent(message).replace(/[^\x20-\x24\x26-\x7E]+/g, encodeURIComponent) }
}

// The answer is for this caller alone, and may hold a code.
const answerHeaders = (headers: Headers | undefined) => ({ ...recordOf(headers), "cache-control": "no-store" })
