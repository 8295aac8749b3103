/**
 * Bearer authentication as the contract knows it: a token is needed, and it becomes an `Actor`.
 */
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import type { Actor } from "../core/Actor.ts"

/**
 * The security of the contract: a bearer token, from which the operations get their `Actor`.
 *
 * @category services
 * @since 0.1.0
 */
export class Authentication extends HttpApiMiddleware.Service<Authentication, { provides: Actor }>()(
  "effect-user-phone/http/Authentication",
  { security: { bearer: HttpApiSecurity.bearer } }
) {}
