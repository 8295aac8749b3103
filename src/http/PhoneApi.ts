/**
 * The contract of the JSON endpoints: what a browser or another client needs to know, and nothing of the server.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Authentication } from "./Authentication.ts"

const Text200 = Schema.String.check(Schema.isBetweenCodePoints(1, 200))

/** A protobuf message without members: `{}`. */
export const EmptyMessage = Schema.Record(Schema.String, Schema.Unknown).annotate({ message: "must be an object" })

/** The rule of the choice between `sendCode`, `returnCode` and `isVerified`. */
export const atMostOneVerification = (body: object) => {
  const [first, second] = ["sendCode", "returnCode", "isVerified"].filter((key) => key in body)
  return second === undefined ? undefined : { path: [second], issue: `must not be set together with ${first}` }
}

/**
 * The choice of how a number is proven: at most one member. None means `sendCode`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SetPhoneBody = Schema.Struct({
  phone: Text200.annotate({ description: "The phone number with its country code, such as +41791234567." }),
  sendCode: Schema.optionalKey(
    EmptyMessage.annotate({ description: "Send a one-time code to the number by SMS. The default." })
  ),
  returnCode: Schema.optionalKey(
    EmptyMessage.annotate({ description: "Return the one-time code in the answer; nothing is sent. Needs user.write." })
  ),
  isVerified: Schema.optionalKey(
    Schema.Boolean.annotate({
      description: "true: the number counts as verified and there is no code; needs user.write. false: as sendCode."
    })
  )
}).check(Schema.makeFilter(atMostOneVerification)).annotate({ identifier: "SetPhoneRequest" })

const Details = Schema.Struct({
  sequence: Schema.String.annotate({ description: "The user's sequence after this change, a 64-bit number." }),
  changeDate: Schema.String.annotate({ description: "When the change was made, RFC 3339." }),
  resourceOwner: Schema.String.annotate({ description: "The organisation that owns the user." })
}).annotate({ identifier: "Details" })

/**
 * @category schemas
 * @since 0.1.0
 */
export const SetPhoneResponse = Schema.Struct({
  details: Details,
  verificationCode: Schema.optionalKey(
    Schema.String.annotate({ description: "The one-time code, for returnCode; not repeated in a replay." })
  )
}).annotate({ identifier: "SetPhoneResponse" })

/**
 * The body of every answer that is not a success.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ErrorBody = Schema.Struct({
  code: Schema.Int.annotate({ description: "The gRPC status code." }),
  message: Schema.String,
  details: Schema.optionalKey(
    Schema.Array(Schema.StructWithRest(Schema.Struct({ "@type": Schema.String }), [
      Schema.Record(Schema.String, Schema.Unknown)
    ]))
  )
}).annotate({ identifier: "Error" })

const errors = [400, 401, 403, 404, 413, 415, 429, 503].map((status) => ErrorBody.pipe(HttpApiSchema.status(status)))

const setPhone = <const Name extends string, const Version extends string>(name: Name, version: Version) =>
  HttpApiEndpoint.post(name, `/${version}/users/:userId/phone`, {
    params: { userId: Schema.String },
    headers: {
      "idempotency-key": Schema.optionalKey(
        Schema.String.annotate({
          description: "Makes it safe to repeat the request for 24 hours: 1 to 255 visible ASCII characters."
        })
      )
    },
    payload: SetPhoneBody,
    success: HttpApiSchema.WithHeaders(SetPhoneResponse, {
      "idempotency-replayed": Schema.optionalKey(
        Schema.Literal("true").annotate({ description: "The answer to an earlier request with the same key." })
      )
    }),
    error: errors
  })
    .annotate(OpenApi.Summary, "Set the phone number of a user")
    .annotate(
      OpenApi.Description,
      "Changes the phone number of a user. Unless the number is given as verified, a one-time code is made, which is sent to the number by SMS or returned."
    )

/**
 * ZITADEL's user-phone calls, in version 2 and its older name.
 *
 * @category contracts
 * @since 0.1.0
 */
export class PhoneGroup extends HttpApiGroup.make("phone")
  .add(setPhone("setPhone", "v2"), setPhone("setPhoneV2beta", "v2beta").annotate(OpenApi.Deprecated, true))
  .middleware(Authentication)
{}

/**
 * @category contracts
 * @since 0.1.0
 */
export class PhoneApi extends HttpApi.make("user-phone")
  .add(PhoneGroup)
  .annotateMerge(OpenApi.annotations({ title: "User phone", version: "v2" }))
{}
