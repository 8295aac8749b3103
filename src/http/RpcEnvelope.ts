/**
 * How the protocols wrap a request's message: Connect sends it as it is, gRPC and gRPC-Web in frames, each compressed or
 * not. What is taken out here is put back whole and uncompressed, so that Connect has nothing left to refuse.
 */
import type { DescMessage } from "@bufbuild/protobuf"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InvalidArgument } from "../core/Errors.ts"
import { Refused } from "./ErrorResponse.ts"
import { binaryCheck, type Check, jsonCheck } from "./RpcMessage.ts"
import * as Status from "./Status.ts"

type Bytes = Uint8Array<ArrayBuffer>

/**
 * A content type of the protocols, as far as the request's body goes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Format {
  readonly json: boolean
  readonly framed: boolean
  /** Native gRPC, whose answers end with trailers. */
  readonly native: boolean
  /** The header that names the compression. */
  readonly encodingHeader: "content-encoding" | "grpc-encoding"
}

/**
 * The format of a content type; Connect refuses those that it does not know.
 *
 * @category constructors
 * @since 0.1.0
 */
export const formatOf = (contentType: string): Format => {
  const [, grpc, web, encoding] = /^application\/(grpc)?(-web)?\+?(\w*)/i.exec(contentType) ?? []
  const framed = grpc !== undefined
  return {
    json: encoding?.toLowerCase() === "json",
    framed,
    native: framed && web === undefined,
    encodingHeader: framed ? "grpc-encoding" : "content-encoding"
  }
}

/**
 * The body of a call with one message, checked, for Connect. `limit` is the most that a message may be in bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const opener = (message: DescMessage) => {
  const json = jsonCheck(message)
  const binary = binaryCheck(message)
  const invalid = (rule: string) => new InvalidArgument({ request: message.name, rule })

  const expand = (bytes: Bytes, limit: number) =>
    gunzip(bytes, limit, () => invalid("the message must be gzip, as its headers say"))

  const openFrames = Effect.fnUntraced(function*(body: Bytes, gzip: boolean, limit: number, check: Check) {
    const frames: Array<Bytes> = []
    for (let at = 0; at < body.length;) {
      const size = body.length - at < head ? Infinity : new DataView(body.buffer, body.byteOffset + at).getUint32(1)
      if (at + head + size > body.length) return yield* invalid("the body must be whole frames")
      const flags = body[at]!
      const data = body.slice(at + head, at + head + size)
      at += head + size
      if (flags === trailerFlag) continue
      if (flags > 1 || (flags === 1 && !gzip)) {
        return yield* invalid("the flags of a frame must be those of its headers")
      }
      frames.push(frameOf(yield* check(flags === 1 ? yield* expand(data, limit) : data)))
    }
    return concat(frames)
  })

  return Effect.fnUntraced(function*(body: Bytes, format: Format, gzip: boolean, limit: number) {
    const check = format.json ? json : binary
    if (format.framed) return yield* openFrames(body, gzip, limit, check)
    return yield* check(gzip && body.length > 0 ? yield* expand(body, limit) : body)
  })
}

/** Flags and length, before the data of each frame. */
const head = 5

/** A gRPC-Web client may end with a frame of trailers. */
const trailerFlag = 0x80

const frameOf = (data: Bytes): Bytes => {
  const frame = new Uint8Array(head + data.length)
  new DataView(frame.buffer).setUint32(1, data.length)
  frame.set(data, head)
  return frame
}

/**
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

/**
 * Decompresses, and stops where the result gets larger than `limit`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const gunzip: <E>(bytes: Bytes, limit: number, onError: () => E) => Effect.Effect<Bytes, E | Refused> = Effect
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

/**
 * What Connect needs to know of gzip: its name. Nothing compressed gets to it, and its answers are too small to
 * be worth it.
 *
 * @category constants
 * @since 0.1.0
 */
export const gzip = {
  name: "gzip",
  compress: (bytes: Uint8Array) => Promise.resolve(new Uint8Array(bytes)),
  decompress: (bytes: Uint8Array) => Promise.resolve(new Uint8Array(bytes))
}
