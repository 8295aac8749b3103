/**
 * What tells gRPC, gRPC-Web and Connect apart in a call with one message: content types, the names of headers, and what
 * an answer and an error look like. Connect's own modules know how each of them is written.
 */
import { Code, ConnectError } from "@connectrpc/connect"
import * as Connect from "@connectrpc/connect/protocol-connect"
import * as Grpc from "@connectrpc/connect/protocol-grpc"
import * as GrpcWeb from "@connectrpc/connect/protocol-grpc-web"
import * as Effect from "effect/Effect"
import * as RpcEnvelope from "./RpcEnvelope.ts"

type Bytes = Uint8Array<ArrayBuffer>

/**
 * The HTTP answer to send. Trailers, if there are any, follow the body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Bytes
  readonly trailers?: Readonly<Record<string, string>>
}

interface Deadline {
  /** The header's name in lower case. */
  readonly header: string
  readonly parse: typeof Grpc.parseTimeout
}

/**
 * The ways in which a caller tells a deadline; gRPC-Web's is the same as gRPC's.
 *
 * @category constants
 * @since 0.1.0
 */
export const deadlines: { readonly grpc: Deadline; readonly connect: Deadline } = {
  grpc: { header: Grpc.headerTimeout.toLowerCase(), parse: Grpc.parseTimeout },
  connect: { header: Connect.headerTimeout.toLowerCase(), parse: Connect.parseTimeout }
}

/**
 * The longest deadline that is kept, in milliseconds: a timer that is set to wait longer goes off at once.
 *
 * @category constants
 * @since 0.1.0
 */
export const longestDeadline = 0x7FFF_FFFF

/**
 * @category errors
 * @since 0.1.0
 */
export const deadlineExceeded: Effect.Effect<never, ConnectError> = Effect.fail(
  new ConnectError("the operation timed out", Code.DeadlineExceeded)
)

/**
 * One of the three, with its messages in protobuf or JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Protocol {
  readonly json: boolean
  readonly framed: boolean
  /** Native gRPC, whose answers end with trailers. */
  readonly native: boolean
  readonly deadline: Deadline
  /** The header that names the compression of the request, in lower case. */
  readonly encodingHeader: string
  /** The header that names the supported compressions, in lower case. */
  readonly acceptHeader: string
  readonly success: (message: Uint8Array) => Reply
  readonly failure: (error: ConnectError) => Reply
}

const grpcAcceptHeader = Grpc.headerAcceptEncoding.toLowerCase()

const framedProtocol = (
  native: boolean,
  contentTypes: { readonly proto: string; readonly json: string },
  json: boolean
): Protocol => {
  const contentType = { "content-type": json ? contentTypes.json : contentTypes.proto }
  const reply = (data: Bytes, trailers: Readonly<Record<string, string>>, headers = contentType): Reply =>
    native
      ? { status: 200, headers, body: data, trailers }
      : { status: 200, headers, body: RpcEnvelope.concat([data, trailerFrame(trailers)]) }
  return {
    json,
    framed: true,
    native,
    deadline: deadlines.grpc,
    encodingHeader: Grpc.headerEncoding.toLowerCase(),
    acceptHeader: grpcAcceptHeader,
    success: (message) => reply(RpcEnvelope.frame(0, message), okTrailers),
    failure: (error) => {
      const accepted = error.metadata.get(grpcAcceptHeader)
      const headers = accepted === null ? contentType : { ...contentType, [grpcAcceptHeader]: accepted }
      return reply(new Uint8Array(), errorTrailers(error), headers)
    }
  }
}

const okTrailers = { "grpc-status": Grpc.grpcStatusOk }

const errorTrailers = (error: ConnectError): Record<string, string> => ({
  ...Object.fromEntries(Grpc.setTrailerStatus(new Headers(), error)),
  "grpc-message": encodeMessage(error.rawMessage)
})

/**
 * A message as `grpc-message` carries it. Connect's encoding covers more characters than gRPC asks for, and not every
 * client decodes those. Spaces at both ends are encoded all the same, since no header begins or ends with one.
 *
 * @category conversions
 * @since 0.1.0
 */
export const encodeMessage = (message: string): string =>
  message.replace(/^ +| +$|[^\x20-\x24\x26-\x7E]+/g, encodeURIComponent)

const trailerFrame = (trailers: Readonly<Record<string, string>>): Bytes =>
  RpcEnvelope.frame(RpcEnvelope.trailerFlag, GrpcWeb.trailerSerialize(new Headers(trailers)))

const unframedProtocol = (json: boolean): Protocol => {
  const headers = { "content-type": json ? Connect.contentTypeUnaryJson : Connect.contentTypeUnaryProto }
  return {
    json,
    framed: false,
    native: false,
    deadline: deadlines.connect,
    encodingHeader: Connect.headerUnaryEncoding.toLowerCase(),
    acceptHeader: Connect.headerUnaryAcceptEncoding.toLowerCase(),
    success: (message) => ({ status: 200, headers, body: new Uint8Array(message) }),
    failure: (error) => ({
      status: Connect.codeToHttpStatus(error.code),
      headers: { ...Object.fromEntries(error.metadata), "content-type": Connect.contentTypeUnaryJson },
      body: new Uint8Array(Connect.errorToJsonBytes(error, undefined))
    })
  }
}

const grpcTypes = { proto: Grpc.contentTypeProto, json: Grpc.contentTypeJson }
const grpcWebTypes = { proto: GrpcWeb.contentTypeProto, json: GrpcWeb.contentTypeJson }
const protocols = {
  grpc: [framedProtocol(true, grpcTypes, false), framedProtocol(true, grpcTypes, true)],
  grpcWeb: [framedProtocol(false, grpcWebTypes, false), framedProtocol(false, grpcWebTypes, true)],
  connect: [unframedProtocol(false), unframedProtocol(true)]
} as const

/**
 * The protocol of a content type, whatever its parameters; undefined if no protocol has it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (contentType: string): Protocol | undefined => {
  const [type = ""] = contentType.split(/ *;/, 1)
  const grpc = Grpc.parseContentType(type)
  if (grpc !== undefined) return protocols.grpc[grpc.binary ? 0 : 1]
  const grpcWeb = GrpcWeb.parseContentType(type)
  if (grpcWeb !== undefined) return grpcWeb.text ? undefined : protocols.grpcWeb[grpcWeb.binary ? 0 : 1]
  const connect = Connect.parseContentType(type)
  return connect === undefined || connect.stream ? undefined : protocols.connect[connect.binary ? 0 : 1]
}

/**
 * Whether a header says that the message is compressed with gzip. There is no other compression.
 *
 * @category constructors
 * @since 0.1.0
 */
export const gzipOf = ({ acceptHeader }: Protocol, encoding = "identity"): Effect.Effect<boolean, ConnectError> => {
  const name = encoding.toLowerCase()
  if (name === "gzip" || name === "identity") return Effect.succeed(name === "gzip")
  const message = `unknown compression "${encoding}": supported encodings are gzip`
  return Effect.fail(new ConnectError(message, Code.Unimplemented, { [acceptHeader]: "gzip" }))
}
