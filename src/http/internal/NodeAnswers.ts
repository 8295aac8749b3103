/**
 * Answers, in the one error shape, what never reaches a route.
 */
import * as Http from "node:http"
import type * as Net from "node:net"

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
  response.writeHead(417, { "content-type": "application/json", ...close })
  response.end(bodyOf(12, "the only expectation there is is 100-continue"))
}

/**
 * Answers what Node cannot parse as HTTP.
 *
 * @category handlers
 * @since 0.1.0
 */
export const answerMalformed = (error: NodeJS.ErrnoException, socket: Net.Socket): void => {
  const [status, message] = error.code === "HPE_HEADER_OVERFLOW"
    ? [431, "the request's headers are too large"] as const
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? [408, "the request did not arrive in time"] as const
    : [400, "the request is not HTTP"] as const
  socket.end(errorOver(status, 3, message))
}

const bodyOf = (code: number, message: string): string => JSON.stringify({ code, message })

/**
 * An error as the last answer of a connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorOver = (status: number, code: number, message: string): string => {
  const body = bodyOf(code, message)
  return `HTTP/1.1 ${status} ${
    Http.STATUS_CODES[status]
  }\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`
}
