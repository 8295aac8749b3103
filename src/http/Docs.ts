/**
 * The page at `/docs` that describes the endpoints and calls them. Its script has 3 MB, and takes several times that of memory,
 * so it is loaded when somebody asks for it first.
 */
import * as Effect from "effect/Effect"
import * as HttpApiScalar from "effect/http-api/HttpApiScalar"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Scope from "effect/Scope"
import { PhoneApi } from "./PhoneApi.ts"

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const scope = yield* Effect.scope
  const page = yield* HttpRouter.toHttpEffect(HttpApiScalar.layer(PhoneApi, { path: "/*" })).pipe(
    Scope.provide(scope),
    // Who asks first and goes away leaves it to those who ask next.
    Effect.uninterruptible,
    Effect.cached
  )
  yield* router.add("GET", "/docs", Effect.flatten(page))
}))
