/**
 * Runs the effects of one call for Connect, which knows promises: in the context of the HTTP request, until the client goes
 * away or its deadline passes, and with errors as Connect wants them.
 */
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf"
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextKey,
  createContextKey,
  type HandlerContext
} from "@connectrpc/connect"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Actor } from "../core/Actor.ts"
import type { TokenVerifier } from "../core/TokenVerifier.ts"
import { authenticate } from "./BearerAuthentication.ts"
import { type Refused, statusOf } from "./ErrorResponse.ts"
import { logBug } from "./Fallback.ts"
import { connectError } from "./RpcStatus.ts"
import * as Status from "./Status.ts"

/**
 * One call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly run: <A>(effect: Effect.Effect<A, Status.CallerError | Refused>) => Promise<A>
  /** What Connect knows of the call, once it does. */
  handler: HandlerContext | undefined
  /** Who calls, once that is known. */
  actor: Actor["Service"] | undefined
}

/**
 * Where Connect carries the call.
 *
 * @category models
 * @since 0.1.0
 */
export const key: ContextKey<Call> = createContextKey<Call>(undefined as never)

/**
 * A call in the context of a request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (context: Context.Context<never>): Call => {
  const run = Effect.runPromiseExitWith(context)
  const call: Call = {
    handler: undefined,
    actor: undefined,
    run: (effect) => {
      const signal = call.handler?.signal
      if (signal?.aborted === true) return Promise.reject(ended(signal))
      return run(Effect.catchCause(effect, answerable), signal && { signal }).then((exit) => {
        if (Exit.isSuccess(exit)) return exit.value
        const error = Cause.squash(exit.cause)
        throw error instanceof ConnectError ? error : ended(signal)
      })
    }
  }
  return call
}

const answerable = (cause: Cause.Cause<Status.CallerError | Refused>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  const failure = cause.reasons.find(Cause.isFailReason)
  return failure === undefined
    ? Effect.andThen(logBug(cause), Effect.fail(connectError(Status.internal)))
    : Effect.flatMap(statusOf(failure.error), (status) => Effect.fail(connectError(status)))
}

/** Why the work was ended: by the deadline, the client or the server's shutdown. */
const ended = (signal: AbortSignal | undefined): ConnectError =>
  signal?.reason instanceof ConnectError ? signal.reason : new ConnectError("the call was cancelled", Code.Canceled)

/**
 * Lets nobody pass who has no good token, before anything of the message is read.
 *
 * @category authentication
 * @since 0.1.0
 */
export const gate = (verifier: TokenVerifier["Service"]) => (handler: HandlerContext): Promise<void> => {
  const call = admit(handler)
  return call.run(authenticate(verifier, handler.requestHeader.get("authorization") ?? undefined)).then((actor) => {
    call.actor = actor
  })
}

/**
 * Lets everybody pass.
 *
 * @category authentication
 * @since 0.1.0
 */
export const admit = (handler: HandlerContext): Call => {
  const call = handler.values.get(key)
  call.handler = handler
  return call
}

/**
 * Registers an operation.
 *
 * @category constructors
 * @since 0.1.0
 */
export const register = <I extends DescMessage, O extends DescMessage>(
  router: ConnectRouter,
  method: DescMethodUnary<I, O>,
  operation: (
    request: MessageShape<I>,
    handler: HandlerContext
  ) => Effect.Effect<MessageInitShape<O>, Status.CallerError, Actor>
): void => {
  router.rpc(method, (request: MessageShape<I>, handler: HandlerContext) => {
    const call = handler.values.get(key)
    return call.run(Effect.provideService(operation(request, handler), Actor, call.actor!))
  })
}
