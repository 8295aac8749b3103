/**
 * Connect's calls by GET, for methods without side effects: the message is in the query, as it would be in a body.
 */
import { base64Decode } from "@bufbuild/protobuf/wire"
import * as Effect from "effect/Effect"
import { InvalidArgument } from "../../core/Errors.ts"

/**
 * What a body and its headers would have been.
 *
 * @category models
 * @since 0.1.0
 */
export interface Query {
  readonly contentType: string
  readonly compression: string | undefined
  readonly body: Effect.Effect<Uint8Array<ArrayBuffer>, InvalidArgument>
}

/**
 * The call of a URL, for a message type.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (url: string, request: string): Query => {
  const parameters = new URLSearchParams(url.split("?").slice(1).join("?"))
  const message = parameters.get("message") ?? ""
  return {
    contentType: `application/${parameters.get("encoding") ?? ""}`,
    compression: parameters.get("compression") ?? undefined,
    body: parameters.get("base64") !== "1"
      ? Effect.succeed(new TextEncoder().encode(message))
      : Effect.try({
        try: () => base64Decode(message),
        catch: () => new InvalidArgument({ request, rule: "the message must be base64, as base64=1 says" })
      })
  }
}
