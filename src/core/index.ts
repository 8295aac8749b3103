/**
 * The public names of the core, in reading order.
 */
export * as SetPhone from "./SetPhone.ts"

export * as Access from "./Access.ts"
export * as Actor from "./Actor.ts"
export * as CodeGenerator from "./CodeGenerator.ts"
export * as CodeVault from "./CodeVault.ts"
export * as Errors from "./Errors.ts"
export * as Limits from "./Limits.ts"
export * as Outbox from "./Outbox.ts"
export * as PhoneNumber from "./PhoneNumber.ts"
export * as SmsDelivery from "./SmsDelivery.ts"
export * as SmsNotifier from "./SmsNotifier.ts"
export * as SmsText from "./SmsText.ts"
export * as TokenVerifier from "./TokenVerifier.ts"
export * as UserId from "./UserId.ts"
export * as UserPhone from "./UserPhone.ts"
export * as Users from "./Users.ts"
export * as UserStore from "./UserStore.ts"
export type { Verification } from "./Verification.ts"
