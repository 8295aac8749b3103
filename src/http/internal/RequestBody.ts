/**
 * How the body of a request is read to its end. `NodeServer` brings a way that is quicker for small bodies, as all
 * bodies here are.
 */
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"

/**
 * How long a body may be if nothing else is set.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLongest = ByteSize.kibibytes(64)

/**
 * The longest body that is read: what `MaxBodySize` says, or `defaultLongest`.
 *
 * @category options
 * @since 0.1.0
 */
export const longest: Effect.Effect<ByteSize.ByteSize> = Effect.map(
  HttpIncomingMessage.MaxBodySize,
  (most) => most ?? defaultLongest
)

/**
 * The bytes of a request's body; fails if there are more than `longest`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<Uint8Array<ArrayBuffer>, HttpServerError.HttpServerError> =>
  longest.pipe(
    Effect.flatMap((most) => Effect.provideService(request.arrayBuffer, HttpIncomingMessage.MaxBodySize, most)),
    Effect.map((buffer) => new Uint8Array(buffer))
  )

/**
 * Reads the body of a request, as `read` does by default.
 *
 * @category references
 * @since 0.1.0
 */
export const RequestBody = Context.Reference<typeof read>("effect-user-phone/http/internal/RequestBody", {
  defaultValue: () => read
})
