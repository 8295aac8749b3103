/**
 * Answers, in the one error shape, what never reaches a route.
 */
import * as Http from "node:http"
import type * as Net from "node:net"
import { statusJson } from "../ErrorResponse.ts"
import * as Status from "../Status.ts"

/**
 * Refuses an expectation other than 100-continue, which Node meets by itself.
 *
 * @category handlers
 * @since 0.1.0
 */
export const answerExpectation = (
  { httpVersionMajor }: { readonly httpVersionMajor: number },
  response: {
    readonly writeHead: (status: number, headers: Record<string, string>) => unknown
    readonly end: (body: string) => unknown
  }
): void => {
  // The client may send the body all the same.
  const close = httpVersionMajor === 1 ? { connection: "close" } : {}
  const { body, status } = statusJson(Status.unknownExpectation)
  response.writeHead(status, { "content-type": "application/json", ...close })
  response.end(JSON.stringify(body))
}

/**
 * Answers what Node cannot parse as HTTP.
 *
 * @category handlers
 * @since 0.1.0
 */
export const answerMalformed = (error: NodeJS.ErrnoException, socket: Net.Socket): void => {
  const status = error.code === "HPE_HEADER_OVERFLOW"
    ? Status.headersTooLarge
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? Status.requestTimeout
    : Status.notHttp
  socket.end(errorOver(status))
}

/**
 * An error as the last answer of a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorOver = (error: Status.Status): string => {
  const { body: json, status } = statusJson(error)
  const body = JSON.stringify(json)
  return `HTTP/1.1 ${status} ${
    Http.STATUS_CODES[status]
  }\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
}
