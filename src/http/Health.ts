/**
 * Probes: `/healthz` says that the process answers, `/readyz` that it can do its work.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Unavailable } from "../core/Errors.ts"
import { errorResponse } from "./ErrorResponse.ts"

/**
 * Fails while the service cannot do its work, such as when the database does not answer. By default it never fails.
 *
 * @category references
 * @since 0.1.0
 */
export const Readiness = Context.Reference<Effect.Effect<void, Unavailable>>(
  "effect-user-phone/http/Health/Readiness",
  {
    defaultValue: () => Effect.void
  }
)

/**
 * Makes an effect that tells, each time it is run, whether the service can do its work; it uses the `Readiness` in
 * force where it is made. However many clients ask and go away again, only one check runs at a time, since nobody needs
 * a token to ask.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReady: Effect.Effect<Effect.Effect<void, Unavailable>> = Effect.map(
  Readiness,
  (readiness) => {
    let looking: Fiber.Fiber<void, Unavailable> | undefined
    const look = Effect.timeoutOrElse(readiness, {
      duration: "2 seconds",
      orElse: () => Effect.fail(new Unavailable({ cause: "not ready in time" }))
    }).pipe(Effect.ensuring(Effect.sync(() => looking = undefined)))
    const begin = Effect.tap(
      Effect.forkDetach(look),
      (fiber) => Effect.sync(() => looking = fiber.pollUnsafe() === undefined ? fiber : undefined)
    )
    return Effect.suspend(() => looking === undefined ? Effect.uninterruptible(begin) : Effect.succeed(looking)).pipe(
      Effect.flatMap(Fiber.join)
    )
  }
)

/** The paths of the probes and their methods. */
export const paths = { "/healthz": "GET", "/readyz": "GET" } as const

/**
 * The routes `/healthz` and `/readyz`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/healthz", HttpServerResponse.jsonUnsafe({ status: "ok" })),
  HttpRouter.use((router) =>
    Effect.flatMap(makeReady, (ready) =>
      router.add(
        "GET",
        "/readyz",
        ready.pipe(
          Effect.as(HttpServerResponse.jsonUnsafe({ status: "ready" })),
          Effect.catch(errorResponse)
        )
      ))
  )
)
