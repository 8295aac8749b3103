/**
 * Answers what no endpoint does: unknown routes, wrong methods and bugs, all in the one error shape.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { statusResponse } from "./ErrorResponse.ts"
import * as Status from "./Status.ts"
import { Trailers } from "./Trailers.ts"

/**
 * Catches what falls through the routes of an API, and unknown paths. `paths` are further routes and their methods. The
 * failures of a host's own routes are left to the host.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  paths: Readonly<Record<string, string>>
) =>
  HttpRouter.use((router) => {
    const methodsAt = routeTable(api, paths)
    return router.addGlobalMiddleware((effect) =>
      Effect.catchCause(escapingSemicolons(effect, methodsAt), (cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
        const failure = Cause.squash(cause)
        if (HttpServerResponse.isHttpServerResponse(failure)) return Effect.succeed(failure)
        return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
          const methods = methodsAt(pathOf(request))
          if (isUnknownRoute(failure)) return answerUnknown(request, methods)
          return methods.includes(request.method) ? answerBug(cause) : Effect.failCause(cause)
        })
      })
    )
  })

type MethodsAt = (path: string) => ReadonlyArray<string>

/**
 * The router takes a semicolon for the start of the query. For these paths it is a character like any other, so that
 * nobody gets around a proxy's rule for a path by adding a semicolon to it.
 */
const escapingSemicolons = <A, E, R>(effect: Effect.Effect<A, E, R>, methodsAt: MethodsAt) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = pathOf(request)
    const semicolon = path.indexOf(";")
    return semicolon >= 0 && [path, path.slice(0, semicolon)].some((ours) => methodsAt(decoded(ours)).length > 0)
      ? Effect.provideService(
        effect,
        HttpServerRequest.HttpServerRequest,
        request.modify({ url: path.replaceAll(";", "%3B") + request.url.slice(path.length) })
      )
      : effect
  })

const pathOf = (request: HttpServerRequest.HttpServerRequest): string => /^[^?#]*/.exec(request.url)![0]

/** The path as the router reads it: to the router, an encoded letter is the same as a plain one. */
const decoded = (path: string): string => {
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

/**
 * For routes that no API describes: answers a path with a semicolon as unknown, since that is another path.
 *
 * @category combinators
 * @since 0.1.0
 */
export const onExactPath = <E, R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request) => pathOf(request).includes(";") ? answerUnknown(request, []) : effect
  )

const answerUnknown = (request: HttpServerRequest.HttpServerRequest, methods: ReadonlyArray<string>) => {
  if (methods.length === 0) {
    const rpc = /^(application\/grpc(?:-web)?)(?=[+;]|$)/i.exec(request.headers["content-type"] ?? "")?.[1]
    return rpc === undefined
      ? Effect.succeed(statusResponse(Status.unknownRoute))
      : unknownMethod(request, rpc.toLowerCase())
  }
  // The path has the right shape, so it was the router that could not decode it.
  if (methods.includes(request.method)) return Effect.succeed(statusResponse(Status.malformedPath))
  return Effect.succeed(statusResponse(Status.wrongMethod, { allow: methods.join(", ") }))
}

/**
 * In gRPC-Web the status may be among the headers. Clients of native gRPC look for it in the trailers, if there can be
 * any.
 */
const unknownMethod = (request: HttpServerRequest.HttpServerRequest, contentType: string) =>
  Effect.map(Trailers, (trailersOf) => {
    const status = { "grpc-status": "12", "grpc-message": "no such method" }
    const sendTrailers = contentType === "application/grpc" ? trailersOf(request) : undefined
    sendTrailers?.(status)
    return HttpServerResponse.empty({
      status: 200,
      headers: { "content-type": contentType, ...(sendTrailers === undefined && status) }
    })
  })

const answerBug = (cause: Cause.Cause<unknown>) => Effect.as(logBug(cause), statusResponse(Status.internal))

/**
 * Answers and logs the bugs of a route that no API describes.
 *
 * @category combinators
 * @since 0.1.0
 */
export const answeringBugs = <A, R>(effect: Effect.Effect<A, never, R>) =>
  Effect.catchCauseIf(effect, (cause) => !Cause.hasInterruptsOnly(cause), answerBug)

/**
 * Logs where a bug came from, and nothing that the request held.
 *
 * @category logging
 * @since 0.1.0
 */
export const logBug = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError(
    "a request met a bug",
    ...cause.reasons.map((reason) => traceOf(Cause.squash(Cause.fromReasons([reason]))))
  )

/** Where an error came from, without its message, which may quote what the request held. */
const traceOf = (error: unknown): string =>
  error instanceof Error
    ? [error.name, ...(error.stack?.split("\n").filter((line) => line.startsWith("    at ")) ?? [])].join("\n")
    : typeof error

const isUnknownRoute = (failure: unknown): boolean =>
  HttpServerError.isHttpServerError(failure) && failure.reason._tag === "RouteNotFound"

/** The methods that a path answers to, none for an unknown one. */
const routeTable = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  paths: Readonly<Record<string, string>>
) => {
  const routes: Array<{ readonly pattern: RegExp; readonly method: string }> = []
  const add = (path: string, method: string) =>
    routes.push({ pattern: new RegExp(`^${path.replaceAll(".", "\\.").replace(/:\w+/g, "[^/]+")}$`), method })
  for (const group of Object.values(api.groups) as ReadonlyArray<HttpApiGroup.Top>) {
    for (const endpoint of Object.values(group.endpoints)) add(endpoint.path, endpoint.method)
  }
  for (const [path, method] of Object.entries(paths)) add(path, method)
  const methodsAt: MethodsAt = (path) => routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
  return methodsAt
}
