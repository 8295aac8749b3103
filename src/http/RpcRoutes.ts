/**
 * gRPC, gRPC-Web and Connect as routes: the same operations as the JSON endpoints, under the names of ZITADEL's user
 * service. Mount them beside `Routes.layer`, or alone.
 */
import * as HttpRouter from "effect/http/HttpRouter"
import * as PhoneRpc from "./internal/PhoneRpc.ts"

/**
 * The routes of the operations.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use(PhoneRpc.register)
