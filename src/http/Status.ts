/**
 * The one table from a core error to what goes over the wire: HTTP status, gRPC code, ZITADEL's id, message and
 * details. Every transport reads it.
 */
import type * as DateTime from "effect/DateTime"
import type * as Errors from "../core/Errors.ts"

/**
 * Any error of the core that a caller can meet.
 *
 * @category models
 * @since 0.1.0
 */
export type CallerError = {
  [Name in keyof typeof Errors]: InstanceType<(typeof Errors)[Name]>
}[keyof typeof Errors]

/**
 * An entry of an error's `details`, by its protobuf type.
 *
 * @category models
 * @since 0.1.0
 */
export type Detail =
  | { readonly type: "zitadel.v1.ErrorDetail"; readonly id: string; readonly message: string }
  | {
    readonly type: "google.rpc.BadRequest"
    /** On one field, or on the whole message. */
    readonly fieldViolations: ReadonlyArray<{ readonly field?: string; readonly description: string }>
  }
  | {
    readonly type: "google.rpc.ErrorInfo"
    readonly reason: string
    readonly domain: string
    /** Absent if it would be empty. */
    readonly metadata?: Readonly<Record<string, string>>
  }
  | { readonly type: "google.rpc.RetryInfo"; readonly retryDelaySeconds: number }

/**
 * An error as every transport puts it on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly httpStatus: number
  /** The gRPC status code. */
  readonly code: number
  readonly message: string
  readonly details: ReadonlyArray<Detail>
  /** Whole seconds after which to try again. */
  readonly retryAfter?: number | undefined
}

interface Row<E> {
  readonly http: number
  readonly code: number
  /** ZITADEL's id of the error, with which a `zitadel.v1.ErrorDetail` comes first among the details. */
  readonly id?: string | ((error: E) => string | undefined)
  readonly details?: (error: E, now: DateTime.Utc) => ReadonlyArray<Detail>
}

const table: { readonly [Tag in CallerError["_tag"]]: Row<Extract<CallerError, { readonly _tag: Tag }>> } = {
  Unauthenticated: {
    http: 401,
    code: 16,
    id: ({ reason }) => ({ TokenMissing: undefined, HeaderMalformed: "AUTH-toLo1", TokenInvalid: "AUTH-7fs1e" })[reason]
  },
  PermissionDenied: { http: 403, code: 7, id: "AUTH-AWfge" },
  NotFound: { http: 404, code: 5, id: "COMMAND-ieJ2e" },
  InvalidArgument: { http: 400, code: 3, details: ({ field, rule }) => [badRequest(field, rule)] },
  InvalidPhoneNumber: { http: 400, code: 3, id: "PHONE-so0wa", details: ({ rule }) => [badRequest("phone", rule)] },
  UserNotInitialized: { http: 400, code: 9, id: "COMMAND-uz0Uu" },
  PhoneNotChanged: { http: 400, code: 9, id: "COMMAND-Uch5e" },
  NoPhone: { http: 400, code: 9, id: "COMMAND-ieJ2e" },
  NoPendingCode: { http: 400, code: 9, id: "PHONE-5xrra88eq8" },
  InvalidCode: {
    http: 400,
    code: 3,
    id: "COMMAND-eis9R",
    details: ({ guessesLeft, reason }) => [
      errorInfo(reason, guessesLeft === undefined ? undefined : { guessesLeft: String(guessesLeft) })
    ]
  },
  CodeNotReturnable: { http: 400, code: 9, details: () => [errorInfo("CODE_NOT_RETURNABLE")] },
  VerificationOff: { http: 400, code: 9, details: () => [errorInfo("VERIFICATION_OFF")] },
  TooManyRequests: {
    http: 429,
    code: 8,
    details: ({ reason, until }, now) => [
      { type: "google.rpc.RetryInfo", retryDelaySeconds: secondsUntil(until, now) },
      errorInfo(reason)
    ]
  },
  IdempotencyKeyReused: {
    http: 400,
    code: 3,
    details: ({ message }) => [badRequest("idempotencyKey", message)]
  },
  Unavailable: { http: 503, code: 14, details: () => [{ type: "google.rpc.RetryInfo", retryDelaySeconds: 1 }] }
}

/**
 * The HTTP status and the gRPC code of an error, by its tag.
 *
 * @category conversions
 * @since 0.1.0
 */
export const codesOf = (tag: CallerError["_tag"]): readonly [httpStatus: number, code: number] => [
  table[tag].http,
  table[tag].code
]

const domain = "effect-user-phone"

const errorInfo = (reason: string, metadata?: Readonly<Record<string, string>>): Detail => ({
  type: "google.rpc.ErrorInfo",
  reason,
  domain,
  ...(metadata && { metadata })
})

const badRequest = (field: string | undefined, description: string): Detail => ({
  type: "google.rpc.BadRequest",
  fieldViolations: [{ ...(field !== undefined && { field }), description }]
})

const secondsUntil = (until: DateTime.Utc, now: DateTime.Utc): number =>
  Math.max(1, Math.ceil((until.epochMilliseconds - now.epochMilliseconds) / 1000))

/**
 * The error on the wire, as of now.
 *
 * @category conversions
 * @since 0.1.0
 */
export const of = <E extends CallerError>(error: E, now: DateTime.Utc): Status => {
  const row = table[error._tag] as Row<E>
  const id = typeof row.id === "function" ? row.id(error) : row.id
  const details = row.details?.(error, now) ?? []
  const retry = details.find((detail) => detail.type === "google.rpc.RetryInfo")
  return {
    httpStatus: row.http,
    code: row.code,
    message: id === undefined ? error.message : `${error.message} (${id})`,
    details: id === undefined ? details : [{ type: "zitadel.v1.ErrorDetail", id, message: error.message }, ...details],
    retryAfter: retry?.retryDelaySeconds
  }
}

/** A status for what the transport itself refuses, before any operation is reached. */
const refused = (httpStatus: number, code: number, message: string): Status => ({
  httpStatus,
  code,
  message,
  details: []
})

/**
 * No operation has this path.
 *
 * @category constants
 * @since 0.1.0
 */
export const unknownRoute = refused(404, 5, "Not Found")

/**
 * The path is known, the method is not one of its methods.
 *
 * @category constants
 * @since 0.1.0
 */
export const wrongMethod = refused(405, 12, "Method Not Allowed")

/**
 * The path cannot be decoded.
 *
 * @category constants
 * @since 0.1.0
 */
export const malformedPath = refused(400, 3, "the path must be percent-encoded UTF-8")

/**
 * The body is longer than `RequestBody.longest`.
 *
 * @category constants
 * @since 0.1.0
 */
export const bodyTooLarge = refused(413, 8, "the request body is larger than this service reads")

/**
 * The body of a JSON endpoint is declared as something else.
 *
 * @category constants
 * @since 0.1.0
 */
export const wrongContentType = refused(415, 3, "the content type must be application/json")

/**
 * The body of a JSON endpoint is compressed.
 *
 * @category constants
 * @since 0.1.0
 */
export const wrongContentEncoding = refused(415, 3, "the body must not be compressed")

/**
 * Native gRPC was asked for where there are no trailers.
 *
 * @category constants
 * @since 0.1.0
 */
export const http2Needed = refused(505, 12, "gRPC needs HTTP/2; gRPC-Web and Connect do not")

/**
 * A stream in both directions was asked for over HTTP/1.1, by any protocol.
 *
 * @category constants
 * @since 0.1.0
 */
export const http2NeededByStreams = refused(505, 12, "a stream of messages both ways needs HTTP/2")

/**
 * As many streams are open as can be served at once.
 *
 * @category constants
 * @since 0.1.0
 */
export const tooManyStreams = refused(503, 14, "too many streams at once: try again later")

/**
 * No RPC protocol has this content type.
 *
 * @category constants
 * @since 0.1.0
 */
export const wrongRpcContentType = refused(415, 3, "the content type must be one of Connect, gRPC or gRPC-Web")

/**
 * The service whose health is asked for is not served here.
 *
 * @category constants
 * @since 0.1.0
 */
export const unknownService = refused(404, 5, "no such service")

/**
 * An expectation other than 100-continue, which Node meets by itself.
 *
 * @category constants
 * @since 0.1.0
 */
export const unknownExpectation = refused(417, 12, "the only expectation there is is 100-continue")

/**
 * The headers are longer than Node reads.
 *
 * @category constants
 * @since 0.1.0
 */
export const headersTooLarge = refused(431, 3, "the request's headers are too large")

/**
 * The request began and did not come to its end.
 *
 * @category constants
 * @since 0.1.0
 */
export const requestTimeout = refused(408, 3, "the request did not arrive in time")

/**
 * Node cannot parse what came.
 *
 * @category constants
 * @since 0.1.0
 */
export const notHttp = refused(400, 3, "the request is not HTTP")

/**
 * A bug. The log says what it was; the caller does not learn it.
 *
 * @category constants
 * @since 0.1.0
 */
export const internal = refused(500, 13, "internal error")
