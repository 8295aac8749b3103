/**
 * The HTTP layer. `NodeServer` is not among these names, so that a browser can import them.
 */
export * as Authentication from "./Authentication.ts"
export * as ErrorResponse from "./ErrorResponse.ts"
export * as Fallback from "./Fallback.ts"
export * as Health from "./Health.ts"
export * as JsonBody from "./JsonBody.ts"
export * as PhoneApi from "./PhoneApi.ts"
export * as PhoneHandlers from "./PhoneHandlers.ts"
export * as Routes from "./Routes.ts"
export * as Status from "./Status.ts"
