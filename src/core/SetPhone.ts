/**
 * SetPhone: change the phone number of a user, and start proving the new one unless the caller vouches for it.
 *
 * The checks come in the order that tells a stranger least: shape, permission, user, number, decision, commit. A message
 * leaves through the outbox that the commit writes, so no change is without its message and no message without its change.
 */
import * as Context from "effect/Context"
import type * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Access } from "./Access.ts"
import type { Actor } from "./Actor.ts"
import type { CodeGenerator } from "./CodeGenerator.ts"
import type { CodeVault } from "./CodeVault.ts"
import {
  type IdempotencyKeyReused,
  InvalidArgument,
  type InvalidPhoneNumber,
  type NotFound,
  type PermissionDenied,
  type PhoneNotChanged,
  type TooManyRequests,
  type Unavailable,
  type UserNotInitialized
} from "./Errors.ts"
import * as Idempotency from "./internal/Idempotency.ts"
import * as OneTimeCode from "./internal/OneTimeCode.ts"
import * as PhoneCommand from "./internal/PhoneCommand.ts"
import * as PhoneNumber from "./PhoneNumber.ts"
import { lengthRule } from "./UserId.ts"
import { decideSetPhone } from "./UserPhone.ts"
import type { Details, UserStore } from "./UserStore.ts"
import type { Verification } from "./Verification.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface SetPhoneRequest {
  /** Whose phone: 1 to 200 code points. */
  readonly userId: string
  /** The number as it was written: 1 to 200 code points. */
  readonly phone: Redacted.Redacted
  /** `SendCode` by default. */
  readonly verification?: Verification | undefined
  /**
   * Makes it safe to repeat the request for 24 hours: 1 to 255 visible ASCII characters, unique per caller, operation and
   * user.
   */
  readonly idempotencyKey?: string | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface SetPhoneAnswer {
  readonly details: Details
  /** The code, for `ReturnCode`; a replay has none, since codes are not kept. */
  readonly verificationCode?: Redacted.Redacted | undefined
  /** Whether this answers a repeated request, which then changed nothing. */
  readonly replayed: boolean
}

/**
 * All that can go wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export type SetPhoneError =
  | InvalidArgument
  | PermissionDenied
  | NotFound
  | UserNotInitialized
  | InvalidPhoneNumber
  | PhoneNotChanged
  | TooManyRequests
  | IdempotencyKeyReused
  | Unavailable

/**
 * @category services
 * @since 0.1.0
 */
export class SetPhone extends Context.Service<SetPhone, {
  readonly setPhone: (request: SetPhoneRequest) => Effect.Effect<SetPhoneAnswer, SetPhoneError, Actor>
}>()("effect-user-phone/core/SetPhone") {}

const make = Effect.gen(function*() {
  const command = yield* PhoneCommand.PhoneCommand
  const codes = yield* OneTimeCode.make
  const idempotent = yield* Idempotency.make
  const policy = yield* PhoneNumber.PhonePolicy

  return SetPhone.of({
    setPhone: Effect.fn("SetPhone.setPhone")(function*({
      idempotencyKey,
      phone,
      userId: id,
      verification = { _tag: "SendCode" }
    }) {
      const userId = yield* PhoneCommand.checkUserId("SetPhoneRequest", id)
      yield* checkPhone(phone)
      yield* Idempotency.checkKey("SetPhoneRequest", idempotencyKey)
      const privileged = verification._tag !== "SendCode"

      return yield* command.onUser(userId, privileged, (user) =>
        Effect.gen(function*() {
          const number = yield* Effect.fromResult(PhoneNumber.parse(phone, policy))
          const now = yield* DateTime.now
          const idempotency = yield* idempotent.describe({
            operation: "SetPhone",
            userId,
            key: idempotencyKey,
            command: [Redacted.value(number), verification._tag],
            now
          })
          const earlier = yield* idempotent.recall(idempotency, now)
          if (earlier !== undefined) return { details: earlier, replayed: true }

          const code = verification._tag === "AlreadyVerified" ? undefined : yield* codes.issue(userId, number, now)
          const decision = yield* Effect.fromResult(decideSetPhone(user, {
            number,
            proof: code === undefined
              ? "Vouched"
              : { code: code.record, deliver: verification._tag === "ReturnCode" ? "Return" : "Send" }
          }, now))
          const messages = yield* codes.enclose(decision, code?.code, now)
          const { details, replayed } = yield* command.commit({ ...decision, messages, charges: [], idempotency })
          if (replayed !== undefined) {
            return { details: yield* idempotent.same(idempotency, replayed), replayed: true }
          }
          return verification._tag === "ReturnCode"
            ? { details, verificationCode: code?.code, replayed: false }
            : { details, replayed: false }
        }))
    })
  })
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  SetPhone,
  never,
  Access | UserStore | CodeGenerator | CodeVault | SecureRandom.SecureRandom
> = Layer.effect(SetPhone, make).pipe(Layer.provide(PhoneCommand.layer))

const checkPhone = (phone: Redacted.Redacted): Effect.Effect<void, InvalidArgument> =>
  isPhoneLength(Redacted.value(phone))
    ? Effect.void
    : Effect.fail(new InvalidArgument({ request: "SetPhoneRequest", field: "phone", rule: lengthRule }))

const isPhoneLength = Schema.is(Schema.String.check(Schema.isBetweenCodePoints(1, 200)))
