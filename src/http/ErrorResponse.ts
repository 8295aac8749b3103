/**
 * Errors as HTTP answers: always JSON of one shape, with the headers that belong to the status.
 */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Status from "./Status.ts"

/**
 * The transport refuses a request before any operation is reached.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Data.TaggedError("Refused")<{ readonly status: Status.Status }> {}

/**
 * The answer for an error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorResponse = (error: Status.CallerError | Refused) =>
  Effect.map(statusOf(error), (status) => statusResponse(status))

/**
 * What an error is on the wire, as of now. The reason why the service is unavailable goes to the log only.
 *
 * @category constructors
 * @since 0.1.0
 */
export const statusOf = Effect.fnUntraced(function*(error: Status.CallerError | Refused) {
  if (error._tag === "Refused") return error.status
  if (error._tag === "Unavailable") yield* Effect.logWarning("unavailable", error.cause)
  return Status.of(error, yield* DateTime.now)
})

/**
 * An HTTP answer whose body is JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
}

/**
 * A status as a JSON answer.
 *
 * @category conversions
 * @since 0.1.0
 */
export const statusJson = ({ code, details, httpStatus, message, retryAfter }: Status.Status): JsonAnswer => ({
  status: httpStatus,
  headers: {
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
    ...(httpStatus === 401 ? { "www-authenticate": "Bearer" } : {})
  },
  body: { code, message, ...(details.length === 0 ? {} : { details: details.map(detailJson) }) }
})

/**
 * The answer for a status.
 *
 * @category constructors
 * @since 0.1.0
 */
export const statusResponse = (
  wanted: Status.Status,
  more: Record<string, string> = {}
): HttpServerResponse.HttpServerResponse => {
  const { body, headers, status } = statusJson(wanted)
  return HttpServerResponse.jsonUnsafe(body, { status, headers: { ...headers, ...more } })
}

const detailJson = (detail: Status.Detail): Record<string, unknown> => {
  const { type, ...fields } = detail
  const json = { "@type": `type.googleapis.com/${type}` }
  if (detail.type === "google.rpc.RetryInfo") return { ...json, retryDelay: `${detail.retryDelaySeconds}s` }
  return { ...json, ...fields }
}
