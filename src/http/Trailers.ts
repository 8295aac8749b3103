/**
 * Trailers, which end the answers of native gRPC and which Effect's responses do not have.
 */
import * as Context from "effect/Context"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"

/**
 * Gives a function that sends trailers after the answer to a request; undefined if there can be none, such as over
 * HTTP/1.1. `NodeServer` sets it. By default there are no trailers, and native gRPC is refused.
 *
 * @category references
 * @since 0.1.0
 */
export const Trailers = Context.Reference<
  (request: HttpServerRequest.HttpServerRequest) => ((trailers: Readonly<Record<string, string>>) => void) | undefined
>("effect-user-phone/http/Trailers", { defaultValue: () => () => undefined })
