/**
 * A call with one message and one answer, over gRPC, gRPC-Web and Connect. A caller without a token learns nothing
 * except that one is needed. A request that cannot be read is the caller's fault. A deadline ends the work, and so does
 * a client who goes away.
 */
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJsonString
} from "@bufbuild/protobuf"
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt"
import { ConnectError } from "@connectrpc/connect"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Actor } from "../../core/Actor.ts"
import type { TokenVerifier } from "../../core/TokenVerifier.ts"
import { authenticate } from "../BearerAuthentication.ts"
import { type Refused, statusOf, statusResponse } from "../ErrorResponse.ts"
import { logBug } from "../Fallback.ts"
import * as Status from "../Status.ts"
import { Trailers } from "../Trailers.ts"
import * as JsonBody from "./JsonBody.ts"
import * as RequestBody from "./RequestBody.ts"
import * as RpcEnvelope from "./RpcEnvelope.ts"
import * as RpcProtocol from "./RpcProtocol.ts"
import * as RpcQuery from "./RpcQuery.ts"
import { connectError } from "./RpcStatus.ts"

/**
 * What an operation answers: its message, and headers to go with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<O extends DescMessage> {
  readonly message: MessageInitShape<O>
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * An operation of a method.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation<I extends DescMessage, O extends DescMessage, R> = (
  request: MessageShape<I>,
  headers: Headers.Headers
) => Effect.Effect<Answer<O>, Status.CallerError | Refused, R>

type Failure = Status.CallerError | Refused | ConnectError

/**
 * Decides who may call, from the value of the `Authorization` header. It is asked before any part of the message is
 * read.
 *
 * @category authentication
 * @since 0.1.0
 */
export type Gate<R> = <A, E>(
  authorization: string | undefined,
  call: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | Status.CallerError>

/**
 * Lets only callers with a good token pass.
 *
 * @category authentication
 * @since 0.1.0
 */
export const withToken = (verifier: TokenVerifier["Service"]): Gate<Actor> => (authorization, call) =>
  Effect.flatMap(authenticate(verifier, authorization), (actor) => Effect.provideService(call, Actor, actor))

/**
 * Lets everybody pass.
 *
 * @category authentication
 * @since 0.1.0
 */
export const open: Gate<never> = (_authorization, call) => call

/**
 * The path of a method.
 *
 * @category conversions
 * @since 0.1.0
 */
export const pathOf = ({ name, parent }: DescMethodUnary): `/${string}` => `/${parent.typeName}/${name}`

/**
 * Answers the calls of a method.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serve = <I extends DescMessage, O extends DescMessage, R>(
  { idempotency, input, output }: DescMethodUnary<I, O>,
  gate: Gate<R>,
  operation: Operation<I, O, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> => {
  const methods = idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ? ["POST", "GET"] : ["POST"]
  const unwrap = RpcEnvelope.opener(input)

  const write = (message: MessageInitShape<O>, json: boolean): Uint8Array => {
    const made = create(output, message)
    return json ? utf8.encode(toJsonString(output, made)) : toBinary(output, made)
  }

  const perform = Effect.fnUntraced(function*(
    request: HttpServerRequest.HttpServerRequest,
    protocol: RpcProtocol.Protocol,
    query: RpcQuery.Query | undefined
  ) {
    const gzip = yield* RpcProtocol.gzipOf(
      protocol,
      query === undefined ? request.headers[protocol.encodingHeader] : query.compression
    )
    const limit = Number(yield* RequestBody.longest)
    const body = yield* query?.body ?? JsonBody.read(input.name, request)
    const { framed, json } = protocol
    const { headers, message } = yield* operation(yield* unwrap(body, { framed, json, gzip, limit }), request.headers)
    const answer = protocol.success(write(message, json))
    return headers === undefined ? answer : { ...answer, headers: { ...headers, ...answer.headers } }
  })

  return Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (!methods.includes(request.method)) return statusResponse(Status.wrongMethod, { allow: methods.join(", ") })
    const query = request.method === "GET" ? RpcQuery.parse(request.url, input.name) : undefined
    const protocol = RpcProtocol.of(query?.contentType ?? request.headers["content-type"] ?? "")
    if (protocol === undefined || (query !== undefined && protocol.framed)) {
      return statusResponse(Status.wrongRpcContentType)
    }
    const sendTrailers = protocol.native ? (yield* Trailers)(request) : undefined
    if (protocol.native && sendTrailers === undefined) return statusResponse(Status.http2Needed)

    const { deadline } = protocol
    const { error, timeoutMs } = deadline.parse(request.headers[deadline.header] ?? null, Infinity)
    const call = Effect.suspend(() =>
      gate(
        request.headers["authorization"],
        error === undefined ? perform(request, protocol, query) : Effect.fail(error)
      )
    )
    const { body, headers, status, trailers } = yield* Effect.catchCause(
      inTime(call, timeoutMs),
      (cause) => Effect.map(errorOf(cause), protocol.failure)
    )
    if (trailers !== undefined) sendTrailers?.(trailers)
    // The answer is for this caller alone, and may hold a code.
    return HttpServerResponse.uint8Array(body, { status, headers: { ...headers, "cache-control": "no-store" } })
  })
}

const utf8 = new TextEncoder()

/** Ends the call at its deadline. A deadline that has already passed is answered as such, whoever calls. */
const inTime = <A, E>(call: Effect.Effect<A, E>, millis: number | undefined): Effect.Effect<A, E | ConnectError> => {
  if (millis === undefined || millis > RpcProtocol.longestDeadline) return call
  if (millis <= 0) return RpcProtocol.deadlineExceeded
  return Effect.timeoutOrElse(call, { duration: millis, orElse: () => RpcProtocol.deadlineExceeded })
}

/** What went wrong, as a Connect error. A client who has gone gets no answer. */
const errorOf = (cause: Cause.Cause<Failure>): Effect.Effect<ConnectError> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure === undefined) return Effect.as(logBug(cause), connectError(Status.internal))
  const { error } = failure
  return error instanceof ConnectError ? Effect.succeed(error) : Effect.map(statusOf(error), connectError)
}
