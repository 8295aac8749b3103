/**
 * One port for HTTP/1.1 and HTTP/2, in the clear or by TLS, and the way to close it that cuts off nobody who has asked
 * something.
 *
 * In the clear nobody says beforehand which of the two it will be, so the first bytes of a connection decide.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Status from "../Status.ts"
import { answerExpectation, answerMalformed, errorOver } from "./NodeAnswers.ts"

/**
 * In PEM, the certificate with those that it was issued by.
 *
 * @category options
 * @since 0.1.0
 */
export interface Certificate {
  readonly certificate: string
  readonly key: Redacted.Redacted
}

/** How long a connection without a request stays open once the server is closing: one may be on its way. */
const patience = "1 second"

/** How long a request may still come in once it was answered. */
const timeToFinish = "1 second"

/**
 * How long a connection may say nothing before its first request, and between two over HTTP/2, in milliseconds.
 *
 * @category options
 * @since 0.1.0
 */
export interface Silence {
  readonly first: number
  readonly http2: number
}

/**
 * A server that emits the requests of both protocols, and how to close it. Node's own `close` ends idle connections at once,
 * with the request that may be arriving on them, and waits forever for a connection that never sent one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (tls: Certificate | undefined, silence: Silence = { first: 60_000, http2: 300_000 }) => {
  const http1 = tls === undefined ? Http.createServer({ shouldUpgradeCallback: shouldUpgrade }) : Https.createServer({
    shouldUpgradeCallback: shouldUpgrade,
    cert: tls.certificate,
    key: Redacted.value(tls.key),
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: silence.first
  })
  const http2 = makeHttp2(http1, silence)
  const unsure = shareConnections(http1, tls === undefined ? "connection" : "secureConnection", http2.server, silence)
  const answering = trackAnswers(http1)
  http1.on("clientError", (error: NodeJS.ErrnoException, socket: Net.Socket) => {
    if (cannotRead.has(error.code) || !socket.writable) socket.destroy()
    else if (!answering.endAfterAnswer(socket)) answerMalformed(error, socket)
  })
  http1.on("checkExpectation", answerExpectation)
  http1.on("connect", (_request, socket: Net.Socket) => socket.end(errorOver(Status.wrongMethod)))
  holdEarly(http1)

  /** Stops listening and ends each connection after its next answer; at the latest after `timeout`. */
  const drain = Effect.fnUntraced(function*(timeout: Duration.Input) {
    const closed = yield* Deferred.make<void>()
    yield* Effect.sync(() => {
      Net.Server.prototype.close.call(http1, () => Deferred.doneUnsafe(closed, Effect.void))
      answering.end()
      http2.announceEnd()
    })
    yield* Effect.timeoutOption(Deferred.await(closed), patience)
    yield* Effect.sync(() => {
      http1.closeIdleConnections()
      // Node does not count those among the idle: browsers open connections in advance.
      for (const socket of unsure) socket.destroy()
      http2.end()
    })
    yield* Effect.timeoutOption(Deferred.await(closed), timeout)
    yield* Effect.sync(() => {
      http2.cut()
      // The second close is Node's own, for its timers.
      http1.close().closeAllConnections()
    })
  })

  return { drain, server: http1 }
}

/** Errors of clients who could read no answer: it would wait for them, and the connection with it. */
const cannotRead: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "ERR_TLS_HANDSHAKE_TIMEOUT"])

/** The HTTP/2 half, which hands its requests to the other's listeners. */
const makeHttp2 = (http1: Http.Server, silence: Silence) => {
  const server = Http2.createServer({ settings: { maxConcurrentStreams: 1000, maxHeaderListSize: 16_384 } })
  const sessions = new Set<Http2.ServerHttp2Session>()
  let isEnding = false
  const announce = (session: Http2.ServerHttp2Session) => {
    // The last stream is not fixed yet: a request that is on its way is answered.
    if (!session.closed) session.goaway(Http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1)
  }
  server.on("session", (session) => {
    sessions.add(session)
    session.once("close", () => sessions.delete(session))
    session.setTimeout(silence.http2, () => session.closed ? session.destroy() : session.close())
    if (isEnding) announce(session)
  })
  for (const event of ["request", "checkContinue"] as const) {
    server.on(event, (request, response) => {
      // Reset already, in the same packet: there is nobody to answer.
      if (response.stream.closed) return
      response.stream.once("wantTrailers", () => endAnswered(response.stream))
      http1.emit(event, request, response)
    })
  }
  server.on("checkExpectation", answerExpectation)
  return {
    server,
    announceEnd: () => {
      isEnding = true
      sessions.forEach(announce)
    },
    end: () => sessions.forEach((session) => session.close()),
    cut: () => sessions.forEach((session) => session.destroy())
  }
}

/**
 * Lets a client that was answered before it had asked to the end, such as one without a token, finish, and drops what still
 * comes. Node would reset the stream at once, which RFC 9113 8.1 allows; but some clients, such as curl 7.88, then take their
 * answer for lost. Who takes longer is reset all the same: the stream would stay open for as long as they like, also when
 * the server stops.
 */
const endAnswered = (stream: Http2.ServerHttp2Stream): void => {
  if (stream.readableEnded) return
  stream.resume()
  const close = Effect.sync(() => stream.close(Http2.constants.NGHTTP2_NO_ERROR))
  const late = Effect.runFork(Effect.delay(close, timeToFinish))
  stream.once("close", () => late.interruptUnsafe())
}

/** Gives each connection to the half that it is for. Returns those of which that is not known yet. */
const shareConnections = (
  http1: Http.Server,
  event: "connection" | "secureConnection",
  http2: Http2.Http2Server,
  silence: Silence
): ReadonlySet<Net.Socket> => {
  const unsure = new Set<Net.Socket>()
  const handshaking = new Map<string, Net.Socket>()
  const toHttp1 = http1.listeners(event).at(-1)! as (socket: Net.Socket) => void
  http1.off(event, toHttp1)
  if (event === "secureConnection") {
    http1.prependListener("connection", (socket: Net.Socket) => {
      const name = nameOf(socket)
      unsure.add(socket)
      handshaking.set(name, socket)
      socket.once("close", () => {
        unsure.delete(socket)
        handshaking.delete(name)
      })
    })
  }
  http1.on(event, (socket: Net.Socket) => {
    unsure.delete(handshaking.get(nameOf(socket))!)
    unsure.add(socket)
    const forget = () => unsure.delete(socket)
    socket.once("close", forget)
    whenClear(socket, silence, (isHttp2) => {
      forget()
      socket.off("close", forget)
      if (isHttp2) {
        // As sockets of Node's own HTTP/2 servers are. One of HTTP/1.1 stays half open when the client has gone, and so would
        // its streams, with all that works for them.
        socket.allowHalfOpen = false
        http2.emit("connection", socket)
      } else toHttp1.call(http1, socket)
    })
  })
  return unsure
}

const nameOf = ({ remoteAddress, remotePort }: Net.Socket): string => `${remoteAddress} ${remotePort}`

/** What every HTTP/2 connection begins with, and no method of HTTP/1.1. */
const preface = Buffer.from("PRI ")

/** Waits for the first bytes, and leaves them where they are. */
const whenClear = (socket: Net.Socket, silence: Silence, then: (isHttp2: boolean) => void): void => {
  let first = Buffer.alloc(0)
  const destroy = () => void socket.destroy()
  const look = () => {
    for (let chunk: Buffer | null; (chunk = socket.read()) !== null;) first = Buffer.concat([first, chunk])
    const size = Math.min(first.length, preface.length)
    const isHttp2 = first.subarray(0, size).equals(preface.subarray(0, size))
    if (size === 0 || (isHttp2 && size < preface.length)) return
    socket.off("readable", look)
    socket.off("error", destroy)
    socket.off("end", destroy)
    socket.setTimeout(0)
    socket.off("timeout", destroy)
    socket.unshift(first)
    then(isHttp2)
  }
  socket.on("error", destroy)
  socket.on("end", destroy)
  socket.setTimeout(silence.first, destroy)
  socket.on("readable", look)
}

/**
 * Keeps the answer to the last request of each connection over HTTP/1.1 until it is sent: with it would be kept all that the
 * request was answered with.
 */
const trackAnswers = (server: Http.Server) => {
  const connections = new Map<Net.Socket, { answer: Http.ServerResponse | undefined }>()
  const answering = ({ httpVersionMajor, socket }: Http.IncomingMessage, response: Http.ServerResponse) => {
    if (httpVersionMajor !== 1) return
    let connection = connections.get(socket)
    if (connection === undefined) {
      connections.set(socket, connection = { answer: undefined })
      socket.once("close", () => connections.delete(socket))
    }
    if (!server.listening) {
      // Of pipelined requests only the last answer ends the connection.
      if (connection.answer !== undefined) connection.answer.shouldKeepAlive = true
      response.shouldKeepAlive = false
    }
    connection.answer = response
    response.once("finish", () => {
      if (connection.answer === response) connection.answer = undefined
    })
  }
  server.prependListener("request", answering)
  server.prependListener("checkContinue", answering)
  return {
    end: () => {
      for (const { answer } of connections.values()) {
        if (answer !== undefined) answer.shouldKeepAlive = false
      }
    },
    /** Ends a connection with the answer to a request that has come whole, if it is still owed. */
    endAfterAnswer: (socket: Net.Socket): boolean => {
      const answer = connections.get(socket)?.answer
      if (answer?.req.complete !== true) return false
      answer.shouldKeepAlive = false
      return true
    }
  }
}

/**
 * Whether a connection is to become one of WebSocket, as a host's routes may have it. A request that offers anything else is what it
 * is beside the offer, as RFC 9110 7.8 allows. Node before 24.9 does not ask.
 */
const shouldUpgrade = ({ headers, method }: Http.IncomingMessage): boolean =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket"

/** Keeps requests that come while the routes are still being built until there is who answers them. Node would drop them. */
const holdEarly = (server: Http.Server): void => {
  for (const event of ["request", "checkContinue"] as const) {
    const early: Array<Parameters<Http.RequestListener>> = []
    const hold: Http.RequestListener = (...request) => void early.push(request)
    const release = (name: string, listener: Http.RequestListener): void => {
      if (name !== event) return
      server.off("newListener", release)
      server.off(event, hold)
      for (const request of early) setImmediate(() => listener(...request))
    }
    server.on(event, hold)
    server.on("newListener", release)
  }
}
