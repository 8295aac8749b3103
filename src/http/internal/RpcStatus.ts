/**
 * Errors as Connect, gRPC and gRPC-Web carry them: code, message and details of the one table.
 */
import { ConnectError } from "@connectrpc/connect"
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts"
import { ErrorDetailSchema } from "../gen/zitadel/message_pb.ts"
import type * as Status from "../Status.ts"

/**
 * The error for a status. What HTTP sends as headers is metadata here.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connectError = ({ code, details, httpStatus, message, retryAfter }: Status.Status): ConnectError =>
  new ConnectError(
    message,
    code,
    {
      ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
      ...(httpStatus === 401 ? { "www-authenticate": "Bearer" } : {})
    },
    details.map(outgoing)
  )

const outgoing = (detail: Status.Detail) => {
  switch (detail.type) {
    case "zitadel.v1.ErrorDetail":
      return { desc: ErrorDetailSchema, value: { id: detail.id, message: detail.message } }
    case "google.rpc.BadRequest":
      return { desc: BadRequestSchema, value: { fieldViolations: [...detail.fieldViolations] } }
    case "google.rpc.ErrorInfo":
      return {
        desc: ErrorInfoSchema,
        value: { reason: detail.reason, domain: detail.domain, metadata: { ...detail.metadata } }
      }
    case "google.rpc.RetryInfo":
      return { desc: RetryInfoSchema, value: { retryDelay: { seconds: BigInt(detail.retryDelaySeconds) } } }
  }
}
