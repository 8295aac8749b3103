/**
 * How the body of a request is read to its end. `NodeServer` brings a way that is quicker for what is small, as everything
 * here is.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"

/**
 * The bytes of a request's body, as far as `MaxBodySize` goes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<Uint8Array<ArrayBuffer>, HttpServerError.HttpServerError> =>
  Effect.map(request.arrayBuffer, (buffer) => new Uint8Array(buffer))

/**
 * Reads the body of a request, as `read` does by default.
 *
 * @category references
 * @since 0.1.0
 */
export const RequestBody = Context.Reference<typeof read>("effect-user-phone/http/RequestBody", {
  defaultValue: () => read
})
