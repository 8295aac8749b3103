/**
 * The routes on Node's HTTP servers, ready to run: HTTP/1.1 and HTTP/2 on one port, bounded bodies, errors of one shape down
 * to malformed requests, and a shutdown that answers every request it has taken.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import type * as Http2 from "node:http2"
import { type Certificate, make } from "./NodeListener.ts"
import * as Routes from "./Routes.ts"
import { Trailers } from "./Trailers.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface NodeServerOptions {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Serves by TLS, and only so; in the clear by default. */
  readonly tls?: Certificate | undefined
  /** The largest body that is read; 64 KiB by default. */
  readonly maxBodySize?: ByteSize.ByteSize | undefined
  /** How long a shutdown waits for requests at work; 20 seconds by default. */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/**
 * Serves routes, such as `Routes.layer`, `RpcRoutes.layer` and a host's own, by HTTP/1.1 and HTTP/2. In the clear HTTP/2 is
 * for clients that know beforehand, as those of gRPC do; by TLS the two are negotiated.
 *
 * @category layers
 * @since 0.1.0
 */
export const serve = <A, E, R>(
  routes: Layer.Layer<A, E, R>,
  { host, maxBodySize, port, shutdownTimeout, tls }: NodeServerOptions
) =>
  Layer.suspend(() => {
    const { drain, server } = make(tls)
    return Layer.effectDiscard(Effect.addFinalizer(() => drain(shutdownTimeout ?? "20 seconds"))).pipe(
      // Built on top of the routes, so that it ends before them.
      Layer.provideMerge(HttpRouter.serve(routes, {
        disableLogger: true,
        disableListenLog: true,
        routerConfig: Routes.routerConfig
      })),
      Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, maxBodySize ?? ByteSize.kibibytes(64))),
      Layer.provide(Layer.succeed(Trailers, trailersOf)),
      // No operation takes a query; who puts a number or a code there does not find it in the traces.
      Layer.provide(Layer.succeed(UrlParams.CurrentRedactedNames, [/^/])),
      Layer.provideMerge(NodeHttpServer.layer(() => server, { host, port, disablePreemptiveShutdown: true }))
    )
  })

/**
 * Serves the routes of this module.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: NodeServerOptions) => serve(Routes.layer, options)

const trailersOf = (request: Parameters<typeof NodeHttpServerRequest.toServerResponse>[0]) => {
  if (NodeHttpServerRequest.toIncomingMessage(request).httpVersionMajor < 2) return undefined
  const response = NodeHttpServerRequest.toServerResponse(request) as Http2.Http2ServerResponse
  return (trailers: Readonly<Record<string, string>>) => response.addTrailers(trailers)
}
