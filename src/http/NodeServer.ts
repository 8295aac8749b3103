/**
 * The routes on Node's HTTP server, ready to run: bounded bodies, errors of one shape down to malformed requests, and a
 * shutdown that answers every request it has taken.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as ByteSize from "effect/ByteSize"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as Http from "node:http"
import * as Net from "node:net"
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
  Layer.suspend(() => {
    const { drain, server } = makeServer()
    return Layer.effectDiscard(Effect.addFinalizer(() => drain(shutdownTimeout ?? "20 seconds"))).pipe(
      // Built on top of the routes, so that it ends before them.
      Layer.provideMerge(HttpRouter.serve(routes, {
        disableLogger: true,
        disableListenLog: true,
        routerConfig: Routes.routerConfig
      })),
      Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, maxBodySize ?? ByteSize.kibibytes(64))),
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

/** How long a connection without a request stays open once the server is closing: one may be on its way. */
const patience = "1 second"

/**
 * A server, and the way to close it that cuts off nobody who has asked something. Node's own `close` ends idle connections
 * at once, with the request that may be arriving on them, and waits forever for a connection that never sent one.
 */
const makeServer = () => {
  const server = Http.createServer()
  /** The open connections, with the answer to the last request of each. */
  const connections = new Map<Net.Socket, Http.ServerResponse | undefined>()
  server.on("connection", (socket: Net.Socket) => {
    connections.set(socket, undefined)
    socket.once("close", () => connections.delete(socket))
  })
  const answering = ({ socket }: Http.IncomingMessage, response: Http.ServerResponse) => {
    if (!server.listening) {
      const earlier = connections.get(socket)
      // Of pipelined requests only the last answer ends the connection.
      if (earlier !== undefined) earlier.shouldKeepAlive = true
      response.shouldKeepAlive = false
    }
    connections.set(socket, response)
  }
  server.prependListener("request", answering)
  server.prependListener("checkContinue", answering)
  server.on("clientError", answerMalformed)

  /** Stops listening and ends each connection after its next answer; at the latest after `timeout`. */
  const drain = Effect.fnUntraced(function*(timeout: Duration.Input) {
    const closed = yield* Deferred.make<void>()
    yield* Effect.sync(() => {
      Net.Server.prototype.close.call(server, () => Deferred.doneUnsafe(closed, Effect.void))
      for (const response of connections.values()) {
        if (response !== undefined) response.shouldKeepAlive = false
      }
    })
    yield* Effect.timeoutOption(Deferred.await(closed), patience)
    yield* Effect.sync(() => {
      server.closeIdleConnections()
      // Node does not count those among the idle: browsers open connections in advance.
      for (const socket of connections.keys()) if (socket.bytesRead === 0) socket.destroy()
    })
    yield* Effect.timeoutOption(Deferred.await(closed), timeout)
    // The second close is Node's own, for its timers.
    yield* Effect.sync(() => server.close().closeAllConnections())
  })

  return { drain, server }
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
