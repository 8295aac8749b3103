/**
 * Contract suites for hosts that implement a port themselves. Each is one call in a Vitest file: `suite(name, layer)`.
 */
export * as CodeVaultContract from "./CodeVaultContract.ts"
export * as CountersContract from "./CountersContract.ts"
export * as OutboxContract from "./OutboxContract.ts"
export * as ReceiptsContract from "./ReceiptsContract.ts"
export * as SmsNotifierContract from "./SmsNotifierContract.ts"
export * as UsersContract from "./UsersContract.ts"
export * as UserStoreContract from "./UserStoreContract.ts"
export * as VerificationProviderContract from "./VerificationProviderContract.ts"
