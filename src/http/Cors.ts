/**
 * Lets scripts of other origins call: of those that are named, and of no others. Without this layer no browser lets a script
 * of another origin read an answer.
 *
 * It speaks for every route of the router, JSON, Connect and gRPC-Web alike, and for what no route answers. Preflights are
 * answered before anybody asks for a token, since they never carry one. A caller's token comes in a header that a script has
 * to set by itself, so cookies and other credentials that a browser adds are not asked for.
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
 * @category options
 * @since 0.1.0
 */
export interface CorsOptions {
  /**
   * As browsers write them: `https://app.example`, with the port where it is not the scheme's own, and nothing after it.
   * There is no `*` and no pattern. With none of them the layer does nothing.
   */
  readonly origins: ReadonlyArray<string>
}

/**
 * An origin that no browser sends, so that nobody would be let in by it, or that is a pattern. It ends the start.
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
 * What the operations answer to, in any protocol.
 *
 * @category constants
 * @since 0.1.0
 */
export const allowedMethods: ReadonlyArray<string> = ["GET", "POST", "DELETE"]

/**
 * What clients in browsers send: everybody, those of ZITADEL, whose organisation is of no account here, of Connect and of gRPC-Web, and
 * Effect's, which propagates its traces.
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
 * What a script may read of an answer, beside what browsers always show.
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

/** Seconds that a browser may remember a preflight; Chromium remembers none for longer. */
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
    // An empty list is all origins to Effect.
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
  // Schemes other than those of the web, such as of an app's own pages, have no `origin` of their own.
  const written = `${url.protocol}//${url.host.toLowerCase()}`
  return origin === written ? Effect.void : refuse(`must be written as browsers do: ${written}`)
}

/** Effect's own answers every OPTIONS as a preflight, and tells its lists to all: here only to who may come in. */
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

/** A cache must not give to one origin what was answered to another. */
const varying = (response: HttpServerResponse.HttpServerResponse) => {
  const others = response.headers["vary"]
  return HttpServerResponse.setHeader(response, "vary", others === undefined ? "Origin" : `${others}, Origin`)
}
