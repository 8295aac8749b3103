/**
 * The routes on Node's HTTP server, ready to run: bounded bodies, errors of one shape down to malformed requests, and a
 * shutdown that answers every request it has taken.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Http from "node:http"
import type * as Net from "node:net"
import * as Routes from "./Routes.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface NodeServerOptions {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** The largest body that is read; 64 KiB by default. */
  readonly maxBodySize?: ByteSize.ByteSize | undefined
  /** How long a shutdown waits for requests at work; 20 seconds by default. */
  readonly shutdownTimeout?: Duration.Input | undefined
}

/**
 * Serves routes, such as `Routes.layer` with a host's own beside it.
 *
 * @category layers
 * @since 0.1.0
 */
export const serve = <A, E, R>(
  routes: Layer.Layer<A, E, R>,
  { host, maxBodySize, port, shutdownTimeout }: NodeServerOptions
) =>
  HttpRouter.serve(routes, {
    disableLogger: true,
    disableListenLog: true,
    routerConfig: Routes.routerConfig
  }).pipe(
    Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, maxBodySize ?? ByteSize.kibibytes(64))),
    Layer.provideMerge(
      NodeHttpServer.layer(createServer, { host, port, gracefulShutdownTimeout: shutdownTimeout ?? "20 seconds" })
    )
  )

/**
 * Serves the routes of this module.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: NodeServerOptions) => serve(Routes.layer, options)

/**
 * A server whose connections end after their current answer once it is closing: left alone, a client that keeps a
 * connection busy would hold the shutdown up.
 */
const createServer = (): Http.Server => {
  const server = Http.createServer()
  server.prependListener("request", (_request: Http.IncomingMessage, response: Http.ServerResponse) => {
    if (!server.listening) response.shouldKeepAlive = false
    response.once("finish", () => {
      if (!server.listening) server.closeIdleConnections()
    })
  })
  server.on("clientError", answerMalformed)
  return server
}

/** What Node cannot parse as HTTP never reaches a route. */
const answerMalformed = (error: NodeJS.ErrnoException, socket: Net.Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, reason, message] = error.code === "HPE_HEADER_OVERFLOW"
    ? [431, "Request Header Fields Too Large", "the request's headers are too large"]
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? [408, "Request Timeout", "the request did not arrive in time"]
    : [400, "Bad Request", "the request is not HTTP"]
  const body = JSON.stringify({ code: 3, message })
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
  )
}
