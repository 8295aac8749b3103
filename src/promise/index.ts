/**
 * The operations as asynchronous functions, for hosts that are not written with Effect. Plain values go in; what comes out is as it is
 * in JSON on the wire; and what goes wrong is thrown, one class of `Errors` for each.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Actor from "../core/Actor.ts"
import * as Errors from "../core/Errors.ts"
import { GetPhone } from "../core/GetPhone.ts"
import type { Operations } from "../core/Operations.ts"
import { RemovePhone } from "../core/RemovePhone.ts"
import { ResendPhoneCode } from "../core/ResendPhoneCode.ts"
import { SetPhone } from "../core/SetPhone.ts"
import { UnlockPhoneVerification } from "../core/UnlockPhoneVerification.ts"
import { OrganizationId, UserId } from "../core/UserId.ts"
import { Users } from "../core/Users.ts"
import type { CodeAnswer } from "../core/Verification.ts"
import { VerifyPhone } from "../core/VerifyPhone.ts"
import { type JsonAnswer, statusJson } from "../http/ErrorResponse.ts"
import type { CodeResponse, DetailsResponse, GetPhoneResponse } from "../http/PhoneApi.ts"
import * as PhoneJson from "../http/PhoneJson.ts"
import * as Status from "../http/Status.ts"

/**
 * Who calls: a user or a service account, its organisation, and what it may do in which organisation, such as
 * `{ demo: ["user.write"] }`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Caller {
  readonly userId: string
  readonly organization: string
  readonly grants?: Readonly<Record<string, ReadonlyArray<Actor.Permission>>> | undefined
}

/**
 * Aborting rejects at once; what is committed by then stays.
 *
 * @category options
 * @since 0.1.0
 */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * What setting and resending answer. `verificationCode` is there for `ReturnCode`, but not in a replay.
 *
 * @category models
 * @since 0.1.0
 */
export type CodeResult = typeof CodeResponse.Encoded & {
  /** Whether this answers a repeated request, which then changed nothing. */
  readonly replayed: boolean
}

/**
 * What verifying, removing and unlocking answer.
 *
 * @category models
 * @since 0.1.0
 */
export type DetailsResult = typeof DetailsResponse.Encoded

/**
 * What reading answers.
 *
 * @category models
 * @since 0.1.0
 */
export type PhoneResult = typeof GetPhoneResponse.Encoded

/**
 * The operations on behalf of a caller. Each rejects with an error of `Errors`, or with what `signal` gives as a reason.
 *
 * @category models
 * @since 0.1.0
 */
export interface PhoneOperations {
  /** Sets a number, and sends a code to it unless `verification` says otherwise. */
  readonly setPhone: (request: {
    readonly userId: string
    /** As it was written: 1 to 200 code points. */
    readonly phone: string
    /** `SendCode` by default. */
    readonly verification?: "SendCode" | "ReturnCode" | "AlreadyVerified" | undefined
    /** Makes it safe to repeat for 24 hours: 1 to 255 visible ASCII characters. */
    readonly idempotencyKey?: string | undefined
  }, options?: CallOptions) => Promise<CodeResult>
  /** Proves the number with the code as it was typed: 1 to 20 code points. */
  readonly verifyPhone: (
    request: { readonly userId: string; readonly verificationCode: string },
    options?: CallOptions
  ) => Promise<DetailsResult>
  /** Makes a new code. */
  readonly resendPhoneCode: (request: {
    readonly userId: string
    /** `SendCode` by default. */
    readonly verification?: "SendCode" | "ReturnCode" | undefined
    readonly idempotencyKey?: string | undefined
  }, options?: CallOptions) => Promise<CodeResult>
  readonly removePhone: (request: { readonly userId: string }, options?: CallOptions) => Promise<DetailsResult>
  readonly getPhone: (request: { readonly userId: string }, options?: CallOptions) => Promise<PhoneResult>
  readonly unlockPhoneVerification: (
    request: { readonly userId: string },
    options?: CallOptions
  ) => Promise<DetailsResult>
}

/**
 * Which users there are. `register` rejects with `UserAlreadyExists` where the id is taken, also by a user that was removed.
 *
 * @category models
 * @since 0.1.0
 */
export interface UserRegistry {
  readonly register: (user: {
    readonly userId: string
    /** The organisation that owns the user. */
    readonly resourceOwner: string
    /** `human` by default; a machine has no phone. */
    readonly kind?: "human" | "machine" | undefined
    /** `active` by default; `initial` until the user has signed up. */
    readonly state?: "initial" | "active" | undefined
    /** The preferred language as a BCP 47 tag. */
    readonly language?: string | undefined
  }) => Promise<void>
  /** Changes what is given and keeps the rest. */
  readonly update: (userId: string, changes: {
    readonly resourceOwner?: string
    readonly state?: "initial" | "active"
    readonly language?: string | undefined
  }) => Promise<void>
  /** Removes a user with its phone. */
  readonly remove: (userId: string) => Promise<void>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface UserPhones {
  /** Throws `InvalidArgument` for a caller whose ids or grants are of another shape. */
  readonly as: (caller: Caller) => PhoneOperations
  readonly users: UserRegistry
  /** Ends what the layer started, such as the worker and its connections, once what is in hand is done. */
  readonly close: () => Promise<void>
}

/**
 * Builds a layer of the operations, such as `Memory.layer` or one of a host's own, and rejects with what keeps it from being built.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E>(layer: Layer.Layer<Operations | Users, E>): Promise<UserPhones> => {
  const runtime = ManagedRuntime.make(layer)
  return runtime.context().then(() => phonesOf(runtime))
}

const phonesOf = <E>(runtime: ManagedRuntime.ManagedRuntime<Operations | Users, E>): UserPhones => {
  const run = <A, E2>(
    effect: Effect.Effect<A, E2, Operations | Users>,
    { signal }: CallOptions = {}
  ): Promise<A> =>
    runtime.runPromiseExit(effect, signal === undefined ? undefined : { signal }).then((exit) => {
      if (Exit.isSuccess(exit)) return exit.value
      signal?.throwIfAborted()
      throw Cause.squash(exit.cause)
    })

  const withId = <A, E2>(id: string, use: (users: Users["Service"], userId: UserId) => Effect.Effect<A, E2>) =>
    run(Effect.gen(function*() {
      const userId = yield* identifier("userId", id, UserId)
      return yield* use(yield* Users, userId)
    }))

  return {
    as: (caller) => {
      const actor = actorOf(caller)
      const call = <A, E2>(
        effect: Effect.Effect<A, E2, Actor.Actor | Operations>,
        options: CallOptions | undefined
      ) => run(Effect.provideService(effect, Actor.Actor, actor), options)
      return {
        setPhone: ({ phone, verification = "SendCode", ...request }, options) =>
          call(
            SetPhone.use(({ setPhone }) =>
              setPhone({ ...request, phone: secretOf(phone), verification: { _tag: verification } })
            ),
            options
          ).then(codeResult),
        verifyPhone: ({ userId, verificationCode }, options) =>
          call(
            VerifyPhone.use(({ verifyPhone }) => verifyPhone({ userId, verificationCode: secretOf(verificationCode) })),
            options
          ).then(PhoneJson.detailsAnswer),
        resendPhoneCode: ({ verification = "SendCode", ...request }, options) =>
          call(
            ResendPhoneCode.use(({ resendPhoneCode }) =>
              resendPhoneCode({ ...request, verification: { _tag: verification } })
            ),
            options
          ).then(codeResult),
        removePhone: (request, options) =>
          call(RemovePhone.use(({ removePhone }) => removePhone(request)), options).then(PhoneJson.detailsAnswer),
        getPhone: (request, options) =>
          call(GetPhone.use(({ getPhone }) => getPhone(request)), options).then(PhoneJson.phoneAnswer),
        unlockPhoneVerification: (request, options) =>
          call(
            UnlockPhoneVerification.use(({ unlockPhoneVerification }) => unlockPhoneVerification(request)),
            options
          ).then(PhoneJson.detailsAnswer)
      }
    },

    users: {
      register: ({ kind = "human", language, resourceOwner: owner, state = "active", userId: id }) =>
        withId(id, (users, userId) =>
          Effect.flatMap(
            identifier("resourceOwner", owner, OrganizationId),
            (resourceOwner) => users.register({ userId, resourceOwner, kind, state, language })
          )),
      update: (id, { resourceOwner: owner, ...changes }) =>
        withId(id, (users, userId) =>
          Effect.flatMap(
            owner === undefined ? Effect.undefined : identifier("resourceOwner", owner, OrganizationId),
            (resourceOwner) => users.update(userId, { ...changes, ...(resourceOwner && { resourceOwner }) })
          )),
      remove: (id) => withId(id, (users, userId) => users.remove(userId))
    },

    close: () => runtime.dispose()
  }
}

/**
 * An error as the HTTP layer would answer it, undefined for what is none of `Errors`: a bug, which is a host's to handle.
 *
 * @category conversions
 * @since 0.1.0
 */
export const errorAnswer = (error: unknown): JsonAnswer | undefined =>
  isCallerError(error) ? statusJson(Status.of(error, DateTime.nowUnsafe())) : undefined

const classes = Object.values(Errors)

const isCallerError = (error: unknown): error is Status.CallerError => classes.some((one) => error instanceof one)

const codeResult = (answer: CodeAnswer): CodeResult => ({ ...PhoneJson.codeAnswer(answer), replayed: answer.replayed })

/** What is no text is passed on, to be refused by name. */
const secretOf = (text: string): Redacted.Redacted =>
  typeof text === "string" ? Redacted.make(text) : text as Redacted.Redacted

const identifier = <A extends string>(field: string, text: unknown, schema: Schema.Decoder<A>) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(text),
    () => new Errors.InvalidArgument({ request: "User", field, rule: idRule })
  )

const idRule = "must be a text of 1 to 200 characters"

const decodeCaller = Schema.decodeUnknownOption(Schema.Struct({
  userId: UserId,
  organization: OrganizationId,
  grants: Schema.optional(
    Schema.Record(OrganizationId, Schema.Array(Schema.Literals(["user.read", "user.write"])))
  )
}))

const actorOf = (caller: Caller): Actor.Actor["Service"] => {
  const decoded = decodeCaller(caller)
  if (decoded._tag === "Some") return Actor.make(decoded.value)
  throw new Errors.InvalidArgument({
    request: "Caller",
    rule: `must have userId and organization, each ${
      idRule.replace("must be ", "")
    }, and as grants lists of user.read and user.write`
  })
}
