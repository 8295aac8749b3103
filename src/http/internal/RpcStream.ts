/**
 * Calls with streams of messages, which Connect serves. None of them needs a token.
 */
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect"
import * as Effect from "effect/Effect"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { statusResponse } from "../ErrorResponse.ts"
import { answeringBugs, onExactPath } from "../Fallback.ts"
import * as Status from "../Status.ts"
import { Trailers } from "../Trailers.ts"
import * as RpcProtocol from "./RpcProtocol.ts"

type Handler = ConnectRouter["handlers"][number]
type Answer = Awaited<ReturnType<Handler>>

/**
 * Adds what a Connect router holds to an HTTP router, at the paths of each handler: its own, unless others are given.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mount = (
  router: HttpRouter.HttpRouter,
  { handlers }: ConnectRouter,
  pathsOf: (path: string) => ReadonlyArray<string> = (path) => [path]
) => {
  const places = makePlaces()
  const routes = handlers.flatMap((handler) => pathsOf(handler.requestPath).map((path) => ({ handler, path })))
  return Effect.forEach(
    routes,
    ({ handler, path }) => router.add("*", path as `/${string}`, onExactPath(answeringBugs(serve(handler, places)))),
    { discard: true }
  )
}

/**
 * How many streams are served at once. A client that does not read its answers keeps one open, with all that waits in
 * it.
 */
const mostStreams = 100

type Places = ReturnType<typeof makePlaces>

const makePlaces = () => {
  let taken = 0
  return {
    /** Takes a place until the request has ended, or answers false if none is free. */
    take: Effect.suspend(() => {
      if (taken >= mostStreams) return Effect.succeed(false)
      taken++
      return Effect.as(Effect.addFinalizer(() => Effect.sync(() => taken--)), true)
    }).pipe(Effect.uninterruptible)
  }
}

/**
 * The messages that a caller sends. One that cannot be read is the caller's fault; Connect would call it this service's
 * fault.
 *
 * @category conversions
 * @since 0.1.0
 */
export const messagesOf = <A>(messages: AsyncIterable<A>): Stream.Stream<A, unknown> =>
  Stream.fromAsyncIterable(messages, (error) =>
    error instanceof ConnectError && error.code === Code.Internal
      ? new ConnectError(error.rawMessage, Code.InvalidArgument)
      : error)

/** How long a caller may be silent before the stream ends. Nobody needs a token to open one. */
const silence = "10 seconds"

const serve = (handler: Handler, places: Places) => {
  const { href } = new URL(handler.requestPath, "http://localhost")
  return Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (!handler.allowedMethods.includes(request.method)) {
      return statusResponse(Status.wrongMethod, { allow: handler.allowedMethods.join(", ") })
    }
    if (!(yield* places.take)) return statusResponse(Status.tooManyStreams)
    const trailers = (yield* Trailers)(request)
    const { headers, millis } = withoutLongDeadline(request.headers)
    const answer = yield* ask(handler, {
      // If there can be trailers, requests and answers can also flow at the same time.
      httpVersion: trailers === undefined ? "1.1" : "2.0",
      method: request.method,
      url: href,
      header: headers,
      body: Stream.toAsyncIterable(inTime(request.stream.pipe(Stream.timeout(silence)), millis))
    })
    const native = RpcProtocol.of(request.headers["content-type"] ?? "")?.native === true
    return respond(answer, native ? trailers : undefined)
  })
}

/**
 * The headers for Connect, without a deadline that is longer than a timer can wait; and the deadline in milliseconds.
 */
const withoutLongDeadline = (requestHeaders: HttpServerRequest.HttpServerRequest["headers"]) => {
  const headers = new Headers(requestHeaders)
  let millis: number | undefined
  for (const { header, parse } of Object.values(RpcProtocol.deadlines)) {
    // Connect refuses a deadline that cannot be read.
    const { timeoutMs } = parse(headers.get(header), Infinity)
    if (timeoutMs === undefined) continue
    if (timeoutMs > RpcProtocol.longestDeadline) headers.delete(header)
    else millis = timeoutMs
  }
  return { headers, millis }
}

/** Bounds reading by the deadline: Connect itself only tells the handlers that ask about it. */
const inTime = <A, E, R>(stream: Stream.Stream<A, E, R>, millis: number | undefined) =>
  millis === undefined
    ? stream
    : Stream.interruptWhen(stream, Effect.delay(RpcProtocol.deadlineExceeded, millis))

/** Gives a request to Connect. When the client goes away, waits until the work has ended. */
const ask = (handler: Handler, request: Omit<Parameters<Handler>[0], "signal">): Effect.Effect<Answer> =>
  Effect.callback((resume, signal) => {
    const answer = handler({ ...request, signal })
    answer.then((answer) => resume(Effect.succeed(answer)), (error) => resume(Effect.die(error)))
    return Effect.promise(() => answer.then(() => {}, () => {}))
  })

const respond = ({ body, header, status, trailer }: Answer, sendTrailers: ReturnType<typeof Trailers.Service>) =>
  body === undefined
    // Connect has only a status for this, and no body.
    ? statusResponse(status === 415 ? Status.wrongRpcContentType : Status.http2NeededByStreams)
    : HttpServerResponse.stream(
      Stream.fromAsyncIterable(body, (error) => error).pipe(
        Stream.orDie,
        Stream.onEnd(Effect.sync(() => sendTrailers?.(trailersOf(trailer))))
      ),
      { status, headers: { ...Object.fromEntries(header ?? []), "cache-control": "no-store" } }
    )

const trailersOf = (trailer = new Headers()): Record<string, string> => {
  const message = trailer.get("grpc-message")
  return {
    ...Object.fromEntries(trailer),
    ...(message !== null && { "grpc-message": RpcProtocol.encodeMessage(decodeURIComponent(message)) })
  }
}
