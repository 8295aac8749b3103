/**
 * All routes as one layer, for any server or runtime that `HttpRouter` serves on: the operations, their description at
 * `/openapi.json` and `/docs`, and the probes.
 */
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as BearerAuthentication from "./BearerAuthentication.ts"
import * as Fallback from "./Fallback.ts"
import * as Health from "./Health.ts"
import * as Docs from "./internal/Docs.ts"
import { PhoneApi } from "./PhoneApi.ts"
import * as PhoneHandlers from "./PhoneHandlers.ts"

/**
 * How the router has to be set up for these routes: a user id of 200 code points is up to 2,400 characters in a path,
 * and case and every slash matter, so that a rule of a proxy in front means what it says.
 *
 * @category options
 * @since 0.1.0
 */
export const routerConfig = {
  maxParamLength: 16_384,
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false
} as const

const operations = (options?: { readonly openapiPath: `/${string}` }) =>
  HttpApiBuilder.layer(PhoneApi, options).pipe(
    Layer.provide(PhoneHandlers.layer),
    Layer.provide(BearerAuthentication.layer)
  )

/**
 * The operations alone, for a host that has probes, a description and answers to unknown paths of its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOperations = operations()

/**
 * All routes of the module: the operations, `/openapi.json`, `/docs`, the probes, and answers in the error shape for
 * wrong paths and methods of the module.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  operations({ openapiPath: "/openapi.json" }),
  Docs.layer,
  Health.layer,
  Fallback.layer(PhoneApi, { ...Health.paths, "/openapi.json": "GET", "/docs": "GET" })
)
