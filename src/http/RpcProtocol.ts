/**
 * What tells gRPC, gRPC-Web and Connect apart in a call with one message: content types, the names of headers, and what an
 * answer and an error look like. Of how each is written Connect's own modules know.
 */
import { Code, ConnectError } from "@connectrpc/connect"
import * as Connect from "@connectrpc/connect/protocol-connect"
import * as Grpc from "@connectrpc/connect/protocol-grpc"
import * as GrpcWeb from "@connectrpc/connect/protocol-grpc-web"
import * as RpcEnvelope from "./RpcEnvelope.ts"

type Bytes = Uint8Array<ArrayBuffer>

/**
 * An answer for HTTP. Trailers, where there are any, follow the body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Bytes
  readonly trailers?: Readonly<Record<string, string>>
}

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
  /** The header that names the compression of the request, in lower case. */
  readonly encodingHeader: string
  /** In lower case. */
  readonly timeoutHeader: string
  readonly parseTimeout: typeof Grpc.parseTimeout
  readonly success: (message: Uint8Array) => Answer
  readonly failure: (error: ConnectError) => Answer
}

const framed = (
  native: boolean,
  contentTypes: { readonly proto: string; readonly json: string },
  json: boolean
): Protocol => {
  const headers = { "content-type": json ? contentTypes.json : contentTypes.proto }
  return {
    json,
    framed: true,
    native,
    encodingHeader: Grpc.headerEncoding.toLowerCase(),
    timeoutHeader: Grpc.headerTimeout.toLowerCase(),
    parseTimeout: Grpc.parseTimeout,
    success: (message) => {
      const frame = RpcEnvelope.frame(0, message)
      return native
        ? { status: 200, headers, body: frame, trailers: okTrailers }
        : { status: 200, headers, body: RpcEnvelope.concat([frame, trailerFrame(okTrailers)]) }
    },
    failure: (error) => {
      const trailers = errorTrailers(error)
      return native
        ? { status: 200, headers, body: new Uint8Array(), trailers }
        : { status: 200, headers, body: trailerFrame(trailers) }
    }
  }
}

const okTrailers = { "grpc-status": Grpc.grpcStatusOk }

/** Connect encodes more of the message than gRPC asks for, which not every client takes back. */
const errorTrailers = (error: ConnectError): Record<string, string> => ({
  ...Object.fromEntries(Grpc.setTrailerStatus(new Headers(), error)),
  "grpc-message": error.rawMessage.replace(/[^\x20-\x24\x26-\x7E]+/g, encodeURIComponent)
})

const trailerFrame = (trailers: Readonly<Record<string, string>>): Bytes =>
  RpcEnvelope.frame(GrpcWeb.trailerFlag, GrpcWeb.trailerSerialize(new Headers(trailers)))

const unframed = (json: boolean): Protocol => {
  const headers = { "content-type": json ? Connect.contentTypeUnaryJson : Connect.contentTypeUnaryProto }
  return {
    json,
    framed: false,
    native: false,
    encodingHeader: Connect.headerUnaryEncoding.toLowerCase(),
    timeoutHeader: Connect.headerTimeout.toLowerCase(),
    parseTimeout: Connect.parseTimeout,
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
  grpc: [framed(true, grpcTypes, false), framed(true, grpcTypes, true)],
  grpcWeb: [framed(false, grpcWebTypes, false), framed(false, grpcWebTypes, true)],
  connect: [unframed(false), unframed(true)]
} as const

/**
 * The protocol of a content type, undefined where it is of none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (contentType: string): Protocol | undefined => {
  const grpc = Grpc.parseContentType(contentType)
  if (grpc !== undefined) return protocols.grpc[grpc.binary ? 0 : 1]
  const grpcWeb = GrpcWeb.parseContentType(contentType)
  if (grpcWeb !== undefined) return grpcWeb.text ? undefined : protocols.grpcWeb[grpcWeb.binary ? 0 : 1]
  const connect = Connect.parseContentType(contentType)
  return connect === undefined || connect.stream ? undefined : protocols.connect[connect.binary ? 0 : 1]
}

/**
 * Whether the message is compressed, by gzip. There is no other compression.
 *
 * @category constructors
 * @since 0.1.0
 */
export const isCompressed = ({ framed }: Protocol, encoding = "identity"): boolean | ConnectError => {
  const name = encoding.toLowerCase()
  if (name === "gzip" || name === "identity") return name === "gzip"
  return new ConnectError(`unknown compression "${encoding}": supported encodings are gzip`, Code.Unimplemented, {
    [framed ? Grpc.headerAcceptEncoding : Connect.headerUnaryAcceptEncoding]: "gzip"
  })
}
