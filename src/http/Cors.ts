/**
 * Lets scripts of other origins call, from the named origins only. Without this layer, no browser lets a script of
 * another origin read an answer.
 *
 * It covers every route of the router (JSON, Connect and gRPC-Web alike) and unknown paths. Preflights are answered
 * before a token is asked for, since they never carry one. A script has to set the header with the caller's token
 * itself, so the layer does not allow cookies and other credentials that a browser adds.
 */
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/**
 * Which origins may call.
 *
 * @category options
 * @since 0.1.0
 */
export interface CorsOptions {
  /**
   * The origins as browsers write them: `https://app.example`, with the port if it is not the scheme's default, and
   * nothing after it. `*` and patterns are refused. With an empty list, the layer does nothing.
   */
  readonly origins: ReadonlyArray<string>
}

/**
 * An origin is a pattern, or one that no browser sends, so that it would let nobody in. The error stops the startup.
 *
 * @category errors
 * @since 0.1.0
 */
export class OriginRefused extends Schema.TaggedError<OriginRefused>()("OriginRefused", {
  origin: Schema.String,
  rule: Schema.String
}) {
  override get message() {
    return `CORS origin refused: ${JSON.stringify(this.origin)} ${this.rule}`
  }
}

/**
 * The methods that the operations answer to, in any protocol.
 *
 * @category constants
 * @since 0.1.0
 */
export const allowedMethods: ReadonlyArray<string> = ["GET", "POST", "DELETE"]

/**
 * The headers that clients in browsers send: those of any client, of ZITADEL's (whose organisation header has no effect
 * here), of Connect's and gRPC-Web's, and of Effect's, which propagates its traces.
 *
 * @category constants
 * @since 0.1.0
 */
export const allowedHeaders: ReadonlyArray<string> = [
  "authorization",
  "content-type",
  "idempotency-key",
  "x-requested-with",
  "x-zitadel-orgid",
  "connect-protocol-version",
  "connect-timeout-ms",
  "grpc-timeout",
  "x-grpc-web",
  "x-user-agent",
  "b3",
  "traceparent",
  "tracestate"
]

/**
 * The headers of an answer that a script may read, besides those that browsers always show.
 *
 * @category constants
 * @since 0.1.0
 */
export const exposedHeaders: ReadonlyArray<string> = [
  "idempotency-replayed",
  "retry-after",
  "www-authenticate",
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin"
]

/** For how many seconds a browser may remember a preflight; Chromium remembers none for longer. */
const maxAge = 7200

/**
 * Mount it beside the routes: `Layer.mergeAll(Routes.layer, RpcRoutes.layer, Cors.layer({ origins }))`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ origins }: CorsOptions): Layer.Layer<never, OriginRefused, HttpRouter.HttpRouter> =>
  HttpRouter.use(Effect.fnUntraced(function*(router) {
    for (const origin of origins) yield* check(origin)
    // To Effect, an empty list means all origins.
    if (origins.length > 0) yield* router.addGlobalMiddleware(admitting(new Set(origins)))
  }))

/**
 * Fails for an origin that the layer refuses.
 *
 * @category constructors
 * @since 0.1.0
 */
export const check = (origin: string): Effect.Effect<void, OriginRefused> => {
  const refuse = (rule: string) => Effect.fail(new OriginRefused({ origin, rule }))
  if (origin.includes("*")) return refuse("is a pattern: name each origin")
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  if (url === undefined || url.host === "") return refuse("must be a scheme, :// and a host, like https://app.example")
  // `URL` gives no `origin` for schemes other than those of the web, such as that of an app's own pages.
  const written = `${url.protocol}//${url.host.toLowerCase()}`
  return origin === written ? Effect.void : refuse(`must be written as browsers do: ${written}`)
}

/**
 * Effect's middleware answers every OPTIONS as a preflight, and shows its lists to everybody. Here it runs only for the
 * named origins, and only for real preflights.
 */
const admitting = (origins: ReadonlySet<string>) => {
  const admit = HttpMiddleware.cors({
    allowedOrigins: [...origins],
    allowedMethods,
    allowedHeaders,
    exposedHeaders,
    maxAge
  })
  return <E, R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, method }) => {
      const isPreflight = "access-control-request-method" in headers
      return origins.has(headers["origin"] ?? "") && (method !== "OPTIONS" || isPreflight)
        ? admit(effect)
        : HttpEffect.withPreResponseHandler(effect, (_, response) => Effect.succeed(varying(response)))
    })
}

/** A cache must not give one origin the answer that was meant for another. */
const varying = (response: HttpServerResponse.HttpServerResponse) => {
  const others = response.headers["vary"]
  return HttpServerResponse.setHeader(response, "vary", others === undefined ? "Origin" : `${others}, Origin`)
}
