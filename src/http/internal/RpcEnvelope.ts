/**
 * How the protocols wrap a request's message: Connect sends it as it is, gRPC and gRPC-Web in frames, each compressed
 * or not.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf"
import { Code, ConnectError } from "@connectrpc/connect"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidArgument } from "../../core/Errors.ts"
import { Refused } from "../ErrorResponse.ts"
import * as Status from "../Status.ts"
import { binaryDecoder, jsonDecoder } from "./RpcMessage.ts"

type Bytes = Uint8Array<ArrayBuffer>

/**
 * How a body is to be read. `limit` is the largest size of the message in bytes, also after decompression.
 *
 * @category options
 * @since 0.1.0
 */
export interface Format {
  readonly json: boolean
  readonly framed: boolean
  readonly gzip: boolean
  readonly limit: number
}

/**
 * Takes the one message of a call out of its body.
 *
 * @category constructors
 * @since 0.1.0
 */
export const opener = <I extends DescMessage>(message: I) => {
  const decodeJson = jsonDecoder(message)
  const decodeBinary = binaryDecoder(message)
  const invalid = (rule: string) => new InvalidArgument({ request: message.name, rule })

  const expand = (bytes: Bytes, limit: number) =>
    gunzip(bytes, limit, () => invalid("the message must be gzip, as its headers say"))

  const openFrames = Effect.fnUntraced(function*(body: Bytes, { gzip, json, limit }: Format) {
    let message: MessageShape<I> | undefined
    for (let at = 0; at < body.length;) {
      const size = body.length - at < head ? Infinity : new DataView(body.buffer, body.byteOffset + at).getUint32(1)
      if (at + head + size > body.length) return yield* invalid("the body must be whole frames")
      const flags = body[at]!
      const data = body.slice(at + head, at + head + size)
      at += head + size
      if (flags === trailerFlag) continue
      // Refused before it is decompressed, since there may be hundreds of frames.
      if (message !== undefined) return yield* wrongCount("received extra")
      if (flags > 1 || (flags === 1 && !gzip)) {
        return yield* invalid("the flags of a frame must be those of its headers")
      }
      const bytes = flags === 1 ? yield* expand(data, limit) : data
      message = yield* json ? decodeJson(bytes) : decodeBinary(bytes)
    }
    return message ?? (yield* wrongCount("missing"))
  })

  return Effect.fnUntraced(function*(body: Bytes, format: Format) {
    if (format.framed) return yield* openFrames(body, format)
    const bytes = format.gzip && body.length > 0 ? yield* expand(body, format.limit) : body
    return yield* format.json ? decodeJson(bytes) : decodeBinary(bytes)
  })
}

const wrongCount = (count: "missing" | "received extra") =>
  Effect.fail(new ConnectError(`protocol error: ${count} input message for unary method`, Code.Unimplemented))

/** Flags and length, before the data of each frame. */
const head = 5

/**
 * The flags of a frame of trailers. A gRPC-Web answer ends with one, and a request may too.
 *
 * @category constants
 * @since 0.1.0
 */
export const trailerFlag = 0x80

/**
 * Puts data into a frame.
 *
 * @category constructors
 * @since 0.1.0
 */
export const frame = (flags: number, data: Uint8Array): Bytes => {
  const framed = new Uint8Array(head + data.length)
  framed[0] = flags
  new DataView(framed.buffer).setUint32(1, data.length)
  framed.set(data, head)
  return framed
}

/**
 * Joins bytes.
 *
 * @category combinators
 * @since 0.1.0
 */
export const concat = (parts: ReadonlyArray<Uint8Array>): Bytes => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Decompresses, and stops if the result gets larger than `limit`. */
const gunzip: <E>(bytes: Bytes, limit: number, onError: () => E) => Effect.Effect<Bytes, E | Refused> = Effect
  .fnUntraced(function*<E>(bytes: Bytes, limit: number, onError: () => E) {
    const parts: Array<Bytes> = []
    let length = 0
    yield* Stream.fromReadableStream({
      evaluate: () => new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
      onError
    }).pipe(
      Stream.runForEach((part) => {
        length += part.length
        parts.push(part)
        return length > limit ? Effect.fail(new Refused({ status: Status.bodyTooLarge })) : Effect.void
      })
    )
    return concat(parts)
  })
