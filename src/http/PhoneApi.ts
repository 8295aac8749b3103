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
import { complete } from "./internal/ApiDescription.ts"

/** A protobuf message without members: `{}`. */
export const EmptyMessage = Schema.Record(Schema.String, Schema.Unknown).annotate({ message: "must be an object" })

/** The rule of a choice: at most one of its members. */
export const atMostOneOf = (members: ReadonlyArray<string>) => (body: object) => {
  const [first, second] = members.filter((key) => key in body)
  return second === undefined ? undefined : { path: [second], issue: `must not be set together with ${first}` }
}

/** The rule of the choice between `sendCode`, `returnCode` and `isVerified`. */
export const atMostOneVerification = atMostOneOf(["sendCode", "returnCode", "isVerified"])

const sendCode = Schema.optionalKey(
  EmptyMessage.annotate({ description: "Send a one-time code to the number by SMS. The default." })
)
const returnCode = Schema.optionalKey(
  EmptyMessage.annotate({ description: "Return the one-time code in the answer; nothing is sent. Needs user.write." })
)

/**
 * The choice of how a number is proven: at most one member. None means `sendCode`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SetPhoneBody = Schema.Struct({
  phone: Schema.String.check(Schema.isBetweenCodePoints(1, 200)).annotate({
    description: "The phone number with its country code, such as +41791234567."
  }),
  sendCode,
  returnCode,
  isVerified: Schema.optionalKey(
    Schema.Boolean.annotate({
      description: "true: the number counts as verified and there is no code; needs user.write. false: as sendCode."
    })
  )
}).check(Schema.makeFilter(atMostOneVerification)).annotate({ identifier: "SetPhoneRequest" })

/**
 * The code that was typed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const VerifyPhoneBody = Schema.Struct({
  verificationCode: Schema.String.check(Schema.isBetweenCodePoints(1, 20)).annotate({
    description: "The one-time code as it was typed: spaces and hyphens do not matter."
  })
}).annotate({ identifier: "VerifyPhoneRequest" })

/**
 * Where the new code goes: at most one member. None means `sendCode`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResendPhoneCodeBody = Schema.Struct({ sendCode, returnCode }).check(
  Schema.makeFilter(atMostOneVerification)
).annotate({ identifier: "ResendPhoneCodeRequest" })

const resourceOwner = Schema.String.annotate({ description: "The organisation that owns the user." })

const Details = Schema.Struct({
  sequence: Schema.String.annotate({ description: "The user's sequence after this change, a 64-bit number." }),
  changeDate: Schema.String.annotate({ description: "When the change was made, RFC 3339." }),
  resourceOwner
}).annotate({ identifier: "Details" })

/**
 * The answer to a change that makes no code.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DetailsResponse = Schema.Struct({ details: Details }).annotate({ identifier: "DetailsResponse" })

/**
 * The answer to a change that may make a code.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CodeResponse = Schema.Struct({
  details: Details,
  verificationCode: Schema.optionalKey(
    Schema.String.annotate({ description: "The one-time code, for returnCode; not repeated in a replay." })
  )
}).annotate({ identifier: "CodeResponse" })

/**
 * What is known of a user's phone. As everywhere on this wire, members that are false or absent are left out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GetPhoneResponse = Schema.Struct({
  details: Schema.Struct({
    sequence: Schema.optionalKey(Schema.String.annotate({ description: "The sequence of the user's last change." })),
    changeDate: Schema.optionalKey(Schema.String.annotate({ description: "When that was made, RFC 3339." })),
    resourceOwner
  }),
  phone: Schema.Struct({
    phone: Schema.optionalKey(Schema.String.annotate({ description: "The number in E.164 form." })),
    isVerified: Schema.optionalKey(Schema.Literal(true))
  }),
  pendingCode: Schema.optionalKey(Schema.Struct({
    expiresAt: Schema.String.annotate({ description: "When the code can no longer be used, RFC 3339." }),
    guessesLeft: Schema.optionalKey(
      Schema.Natural.annotate({
        description: "At most how many more wrong codes will be looked at; absent for any number."
      })
    ),
    canResendAt: Schema.String.annotate({ description: "When the next code can be sent, RFC 3339." }),
    delivery: Schema.optionalKey(
      Schema.Struct({
        state: Schema.Literals(["queued", "sent", "delivered", "failed", "dropped"]).annotate({
          description:
            "sent: a provider took the message. delivered: it arrived, says the provider. failed: it was given up, or did not arrive. dropped: it was no longer of use."
        }),
        attempts: Schema.Natural,
        reason: Schema.optionalKey(Schema.String.annotate({ description: "Why it is tried again or has failed." }))
      }).annotate({ description: "The message with the code; absent when the code was returned." })
    )
  })),
  verificationOff: Schema.optionalKey(
    Schema.Literal(true).annotate({ description: "Too many wrong codes in a row: verification has to be unlocked." })
  )
}).annotate({ identifier: "GetPhoneResponse" })

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

const failing = (...statuses: ReadonlyArray<number>) =>
  statuses.map((status) => ErrorBody.pipe(HttpApiSchema.status(status)))

const params = { userId: Schema.String }

/** The headers and the answer of the calls that may send or return a code. */
const repeatable = {
  headers: {
    "idempotency-key": Schema.optionalKey(
      Schema.String.annotate({
        description: "Makes it safe to repeat the request for 24 hours: 1 to 255 visible ASCII characters."
      })
    )
  },
  success: HttpApiSchema.WithHeaders(CodeResponse, {
    "idempotency-replayed": Schema.optionalKey(
      Schema.Literal("true").annotate({ description: "The answer to an earlier request with the same key." })
    )
  })
}

const setPhone = <const Name extends string, const Version extends string>(name: Name, version: Version) =>
  HttpApiEndpoint.post(name, `/${version}/users/:userId/phone`, {
    params,
    payload: SetPhoneBody,
    ...repeatable,
    error: failing(400, 401, 403, 404, 413, 415, 429, 503)
  })
    .annotate(OpenApi.Summary, "Set the phone number of a user")
    .annotate(
      OpenApi.Description,
      "Changes the phone number of a user. Unless the number is given as verified, a one-time code is made, which is sent to the number by SMS or returned."
    )

const verifyPhone = <const Name extends string, const Version extends string>(name: Name, version: Version) =>
  HttpApiEndpoint.post(name, `/${version}/users/:userId/phone/verify`, {
    params,
    payload: VerifyPhoneBody,
    success: DetailsResponse,
    error: failing(400, 401, 403, 404, 413, 415, 429, 503)
  })
    .annotate(OpenApi.Summary, "Verify the phone number of a user")
    .annotate(
      OpenApi.Description,
      "Proves the number with the one-time code that was made for it. A wrong code counts, and the error says how many are left."
    )

const resendPhoneCode = <const Name extends string, const Version extends string>(name: Name, version: Version) =>
  HttpApiEndpoint.post(name, `/${version}/users/:userId/phone/resend`, {
    params,
    payload: ResendPhoneCodeBody,
    ...repeatable,
    error: failing(400, 401, 403, 404, 413, 415, 429, 503)
  })
    .annotate(OpenApi.Summary, "Send or return a new code for the number that a user is proving")
    .annotate(
      OpenApi.Description,
      "Makes a new one-time code. The one before it is accepted for a little while longer, since it may be on its way."
    )

const removePhone = <const Name extends string, const Version extends string>(name: Name, version: Version) =>
  HttpApiEndpoint.delete(name, `/${version}/users/:userId/phone`, {
    params,
    success: DetailsResponse,
    error: failing(400, 401, 403, 404, 413, 415, 503)
  })
    .annotate(OpenApi.Summary, "Remove the phone number of a user")
    .annotate(OpenApi.Description, "Removes the number, verified or not, and any code that is pending for it.")

/**
 * ZITADEL's user-phone calls, under version 2 and its older name.
 *
 * @category contracts
 * @since 0.1.0
 */
export class PhoneGroup extends HttpApiGroup.make("phone")
  .add(
    setPhone("setPhone", "v2"),
    verifyPhone("verifyPhone", "v2"),
    resendPhoneCode("resendPhoneCode", "v2"),
    removePhone("removePhone", "v2"),
    setPhone("setPhoneV2beta", "v2beta").annotate(OpenApi.Deprecated, true),
    verifyPhone("verifyPhoneV2beta", "v2beta").annotate(OpenApi.Deprecated, true),
    resendPhoneCode("resendPhoneCodeV2beta", "v2beta").annotate(OpenApi.Deprecated, true),
    removePhone("removePhoneV2beta", "v2beta").annotate(OpenApi.Deprecated, true)
  )
  .middleware(Authentication)
{}

/**
 * The calls that ZITADEL does not have, at paths that it does not use.
 *
 * @category contracts
 * @since 0.1.0
 */
export class AdditionsGroup extends HttpApiGroup.make("additions")
  .add(
    HttpApiEndpoint.get("getPhone", "/v2/users/:userId/phone", {
      params,
      success: GetPhoneResponse,
      error: failing(400, 401, 403, 404, 503)
    })
      .annotate(OpenApi.Summary, "Get the phone number of a user")
      .annotate(
        OpenApi.Description,
        "The number, whether it is verified, and how far proving it has come. For the user itself and for who holds user.read or user.write."
      ),
    HttpApiEndpoint.post("unlockPhoneVerification", "/v2/users/:userId/phone/unlock", {
      params,
      success: DetailsResponse,
      error: failing(400, 401, 403, 404, 413, 415, 503)
    })
      .annotate(OpenApi.Summary, "Unlock phone verification for a user")
      .annotate(
        OpenApi.Description,
        "After too many wrong codes in a row a phone cannot be verified any more. Someone else who holds user.write lets the user try again."
      )
  )
  .middleware(Authentication)
  .annotateMerge(OpenApi.annotations({
    title: "additions",
    description: "What ZITADEL does not have, at paths that it does not use."
  }))
{}

/**
 * All endpoints, for servers, typed clients and the OpenAPI description.
 *
 * @category contracts
 * @since 0.1.0
 */
export class PhoneApi extends HttpApi.make("user-phone")
  .add(PhoneGroup, AdditionsGroup)
  .annotateMerge(OpenApi.annotations({ title: "User phone", version: "v2", transform: complete }))
{}
