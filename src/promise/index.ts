/**
 * The operations as asynchronous functions, for hosts that are not written with Effect. Plain values go in, and the
 * same JSON as on the wire comes out. Every failure is thrown as its own class of `Errors`.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Actor } from "../core/Actor.ts"
import * as Errors from "../core/Errors.ts"
import { GetPhone } from "../core/GetPhone.ts"
import type { Operations } from "../core/Operations.ts"
import { RemovePhone } from "../core/RemovePhone.ts"
import { ResendPhoneCode } from "../core/ResendPhoneCode.ts"
import { SetPhone } from "../core/SetPhone.ts"
import { UnlockPhoneVerification } from "../core/UnlockPhoneVerification.ts"
import { OrganizationId, UserId } from "../core/UserId.ts"
import { UserAlreadyExists, Users } from "../core/Users.ts"
import type { CodeAnswer } from "../core/Verification.ts"
import { VerifyPhone } from "../core/VerifyPhone.ts"
import { type JsonAnswer, statusJson } from "../http/ErrorResponse.ts"
import * as PhoneJson from "../http/PhoneJson.ts"
import * as Status from "../http/Status.ts"
import { actorOf, identifier, languageText, nothing, oneOf, secretOf } from "./internal/Input.ts"
import type { CallOptions, CodeResult, UserPhones } from "./UserPhones.ts"

export type * from "./UserPhones.ts"

/**
 * Builds a layer of the operations, such as those of `promise/Postgres` and `promise/Memory`, or one of a host's own,
 * and rejects with whatever keeps it from being built. With a `memoMap`, it shares what is built with others that have
 * the same one, such as the routes of `HttpRouter.toWebHandler`. What is shared ends when all of them have ended, so
 * call the `dispose` of that handler, too.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E>(
  layer: Layer.Layer<Operations | Users, E>,
  options?: { readonly memoMap?: Layer.MemoMap | undefined }
): Promise<UserPhones> => {
  const runtime = ManagedRuntime.make(layer, options)
  return runtime.context().then(() => phonesOf(runtime))
}

const phonesOf = <E>(runtime: ManagedRuntime.ManagedRuntime<Operations | Users, E>): UserPhones => {
  const running = new Set<Promise<unknown>>()
  let closed: Promise<void> | undefined

  const run = <A, E2>(
    effect: Effect.Effect<A, E2, Operations | Users>,
    options: CallOptions = {}
  ): Promise<A> => {
    // As with `fetch`, null means no signal.
    const signal = options.signal ?? undefined
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (closed !== undefined) return Promise.reject(new Errors.Unavailable({ cause: "it was closed" }))
    const call = runtime.runPromiseExit(logged(effect), signal === undefined ? undefined : { signal })
      .finally(() => running.delete(call))
    running.add(call)
    const answer = call.then((exit) => {
      if (Exit.isSuccess(exit)) return exit.value
      signal?.throwIfAborted()
      throw Cause.squash(exit.cause)
    })
    return signal === undefined ? answer : Promise.race([answer, aborted(signal, answer)])
  }

  const withId = <A, E2>(
    id: string,
    use: (users: Users["Service"], userId: UserId) => Effect.Effect<A, E2 | Errors.InvalidArgument>
  ) =>
    run(Effect.flatMap(
      identifier("userId", id, UserId),
      (userId) => Users.use((users) => use(users, userId))
    ))

  return {
    as: (caller) => {
      const actor = actorOf(caller)
      const call = <A, E2>(
        effect: Effect.Effect<A, E2, Actor | Operations>,
        options: CallOptions | undefined
      ) => run(Effect.provideService(effect, Actor, actor), options)
      return {
        setPhone: (given, options) => {
          const { phone, verification = "SendCode", ...request } = given ?? nothing
          return call(
            Effect.flatMap(
              secretOf("SetPhoneRequest", "phone", phone),
              (phone) =>
                SetPhone.use(({ setPhone }) => setPhone({ ...request, phone, verification: { _tag: verification } }))
            ),
            options
          ).then(codeResult)
        },
        verifyPhone: (given, options) => {
          const { userId, verificationCode } = given ?? nothing
          return call(
            Effect.flatMap(
              secretOf("VerifyPhoneRequest", "verificationCode", verificationCode),
              (code) => VerifyPhone.use(({ verifyPhone }) => verifyPhone({ userId, verificationCode: code }))
            ),
            options
          ).then(PhoneJson.detailsAnswer)
        },
        resendPhoneCode: (given, options) => {
          const { verification = "SendCode", ...request } = given ?? nothing
          return call(
            ResendPhoneCode.use(({ resendPhoneCode }) =>
              resendPhoneCode({ ...request, verification: { _tag: verification } })
            ),
            options
          ).then(codeResult)
        },
        removePhone: (request, options) =>
          call(RemovePhone.use(({ removePhone }) => removePhone(request ?? nothing)), options)
            .then(PhoneJson.detailsAnswer),
        getPhone: (request, options) =>
          call(GetPhone.use(({ getPhone }) => getPhone(request ?? nothing)), options).then(PhoneJson.phoneAnswer),
        unlockPhoneVerification: (request, options) =>
          call(
            UnlockPhoneVerification.use(({ unlockPhoneVerification }) => unlockPhoneVerification(request ?? nothing)),
            options
          ).then(PhoneJson.detailsAnswer)
      }
    },

    users: {
      register: (given) => {
        const { kind = "human", language, resourceOwner, state = "active", userId: id } = given ?? nothing
        return withId(id, (users, userId) =>
          Effect.flatMap(
            Effect.all({
              resourceOwner: identifier("resourceOwner", resourceOwner, OrganizationId),
              kind: oneOf("kind", kind, ["human", "machine"]),
              state: oneOf("state", state, ["active", "initial"]),
              language: languageText(language)
            }),
            (user) => users.register({ userId, ...user })
          ))
      },
      update: (id, changes) => {
        const { resourceOwner, state, ...others } = changes ?? {}
        return withId(id, (users, userId) =>
          Effect.flatMap(
            Effect.all({
              ...(resourceOwner === undefined
                ? {}
                : { resourceOwner: identifier("resourceOwner", resourceOwner, OrganizationId) }),
              ...(state === undefined ? {} : { state: oneOf("state", state, ["active", "initial"]) }),
              ...("language" in others ? { language: languageText(others.language) } : {})
            }),
            (changes) => users.update(userId, changes)
          ))
      },
      remove: (id) => withId(id, (users, userId) => users.remove(userId))
    },

    close: () => closed ??= Promise.allSettled(running).then(() => runtime.dispose())
  }
}

/**
 * An error as the HTTP layer would answer it, and `UserAlreadyExists` as 409. Undefined for any other error: that is a
 * bug, which the host has to handle.
 *
 * @category conversions
 * @since 0.1.0
 */
export const errorAnswer = (error: unknown): JsonAnswer | undefined => {
  if (error instanceof UserAlreadyExists) return { status: 409, headers: {}, body: { code: 6, message: error.message } }
  return isCallerError(error) ? statusJson(Status.of(error, DateTime.nowUnsafe())) : undefined
}

const classes = Object.values(Errors)

const isCallerError = (error: unknown): error is Status.CallerError => classes.some((one) => error instanceof one)

const codeResult = (answer: CodeAnswer): CodeResult => ({ ...PhoneJson.codeAnswer(answer), replayed: answer.replayed })

/**
 * Rejects when the signal says so, unless the answer comes first. The caller need not wait for work that must not be
 * cut off.
 */
const aborted = (signal: AbortSignal, answer: Promise<unknown>): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason as Error)
  const forget = () => signal.removeEventListener("abort", abort)
  signal.addEventListener("abort", abort, { once: true })
  answer.then(forget, forget)
  return promise
}

/** The reason why the service is unavailable is for the log, not for callers. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapError(
    effect,
    (error) => error instanceof Errors.Unavailable ? Effect.logWarning("unavailable", error.cause) : Effect.void
  )
