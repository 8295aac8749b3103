/**
 * The routes on Node's HTTP servers, ready to run: HTTP/1.1 and HTTP/2 on one port, bounded bodies, errors of one shape
 * down to malformed requests, and a shutdown that answers every request it has taken.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import type * as Http2 from "node:http2"
import { type Certificate, make } from "./internal/NodeListener.ts"
import * as RequestBody from "./internal/RequestBody.ts"
import * as Routes from "./Routes.ts"
import { Trailers } from "./Trailers.ts"

export type { Certificate }

/**
 * Where the server listens, and what it takes.
 *
 * @category options
 * @since 0.1.0
 */
export interface NodeServerOptions {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Serves over TLS only; in the clear by default. */
  readonly tls?: Certificate | undefined
  /** The largest body that is read; 64 KiB by default. */
  readonly maxBodySize?: ByteSize.ByteSize | undefined
  /** How long a shutdown waits for requests in progress; 20 seconds by default. */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/**
 * Serves routes, such as `Routes.layer`, `RpcRoutes.layer` and a host's own, over HTTP/1.1 and HTTP/2. In the clear,
 * HTTP/2 is for clients that know beforehand, as those of gRPC do; over TLS, the two are negotiated.
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
      Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, maxBodySize ?? RequestBody.defaultLongest)),
      Layer.provide(Layer.succeed(Trailers, trailersOf)),
      Layer.provide(Layer.succeed(RequestBody.RequestBody, readBody)),
      // No operation takes a query. If a caller puts a number or a code there, it must not end up in the traces.
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

/** The largest body that is read without a stream, in bytes. */
const smallBody = 4096

/** A body that declares a small length needs no stream. */
const readBody = (request: HttpServerRequest.HttpServerRequest) => {
  const message = NodeHttpServerRequest.toIncomingMessage(request)
  const { "content-length": declared, expect } = message.headers
  if (declared === undefined || expect !== undefined || message.httpVersionMajor !== 1) return RequestBody.read(request)
  const length = Number(declared)
  return Effect.flatMap(
    HttpIncomingMessage.MaxBodySize,
    (most = RequestBody.defaultLongest) =>
      length > Math.min(smallBody, Number(most)) ? RequestBody.read(request) : collect(request, length)
  )
}

/** The bytes of a body of this length. A body that ends early is read, and refused, like any other. */
const collect = (request: HttpServerRequest.HttpServerRequest, length: number) =>
  Effect.callback<Uint8Array<ArrayBuffer>, HttpServerError.HttpServerError>((resume) => {
    const message = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: Array<Buffer> = []
    let missing = length
    const stop = () => message.off("data", take).off("close", endEarly)
    const take = (chunk: Buffer) => {
      chunks.push(chunk)
      missing -= chunk.length
      if (missing === 0) finish()
    }
    const finish = () => {
      stop()
      resume(Effect.succeed(chunks.length === 1 ? new Uint8Array(chunks[0]!) : new Uint8Array(Buffer.concat(chunks))))
    }
    const endEarly = () => {
      stop()
      resume(RequestBody.read(request))
    }
    if (missing === 0) return finish()
    message.on("data", take).on("close", endEarly)
    return Effect.sync(stop)
  })
