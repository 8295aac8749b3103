/**
 * The HTTP layer, for any runtime. A browser that only makes calls imports `http/PhoneApi`, which brings nothing of the
 * server.
 */
export * as Authentication from "./Authentication.ts"
export * as BearerAuthentication from "./BearerAuthentication.ts"
export * as Cors from "./Cors.ts"
export * as ErrorResponse from "./ErrorResponse.ts"
export * as Fallback from "./Fallback.ts"
export * as Health from "./Health.ts"
export * as PhoneApi from "./PhoneApi.ts"
export * as PhoneHandlers from "./PhoneHandlers.ts"
export * as Routes from "./Routes.ts"
export * as SmsReceiptRoutes from "./SmsReceiptRoutes.ts"
export * as Status from "./Status.ts"
