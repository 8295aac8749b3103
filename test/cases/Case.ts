/**
 * Cases as data: who calls, what for, and what must come of it. No transport's vocabulary, so that every transport runs
 * them all.
 */
import type { Detail } from "../../src/http/Status.ts"

/** Whose token the call carries. */
export type Caller = { readonly token: "none" | "malformed" | "bad" | "expired" } | ValidCaller

export interface ValidCaller {
  readonly token: "valid"
  /** The case's own target, or someone else. */
  readonly is: "target" | "other"
  /** Where the caller holds `user.write`. */
  readonly writes?: "target's organisation" | "another organisation"
  /** Where the caller holds `user.read`. */
  readonly reads?: "target's organisation" | "another organisation"
}

/** The organisation of every target. */
export const organization = "acme"

const placeOf = (held: "target's organisation" | "another organisation") =>
  held === "another organisation" ? "elsewhere" : organization

/** Who a caller is, by the id of the target. */
export const subjectOf = ({ is, reads, writes }: ValidCaller, targetId: string) => ({
  userId: is === "target" ? targetId : "someone",
  organization,
  grants: {
    ...(writes === undefined ? {} : { [placeOf(writes)]: ["user.write"] as const }),
    ...(reads === undefined ? {} : { [placeOf(reads)]: ["user.read"] as const })
  }
})

/** The user that the call is about, as it is before. */
export type Target = "active" | "initial" | "machine" | "unknown" | "removed"

/** An error as the wire shows it. */
export interface Failure {
  /** The gRPC status code. */
  readonly code: number
  readonly message: string
  /** ZITADEL's id, for which there is an ErrorDetail. */
  readonly id?: string
  /** The fields that a BadRequest names, with the rule of each. */
  readonly violations?: ReadonlyArray<{ readonly field: string; readonly description: string }>
  /** What an ErrorInfo says. */
  readonly info?: { readonly reason: string; readonly metadata?: Readonly<Record<string, string>> }
  /** The seconds after which to come back: in a RetryInfo, and for HTTP in a header. */
  readonly retryAfter?: number
}

/** What a call came to. */
export type Outcome =
  | { readonly failure: Failure }
  | {
    /** The number that the user then has, in E.164 form. */
    readonly number: string
    readonly verified: boolean
    /** Where the code went; `nowhere` when there is none. */
    readonly code: "sent" | "returned" | "nowhere"
  }

/** A SetPhone request by its fields, as they may be given. */
export interface SetPhoneFields {
  readonly phone?: unknown
  readonly sendCode?: unknown
  readonly returnCode?: unknown
  readonly isVerified?: unknown
}

export interface SetPhoneCase {
  readonly name: string
  readonly caller: Caller
  readonly target: Target
  /** The target's id, where it matters; else a new one. */
  readonly userId?: string
  /** The number that the target has before, in E.164 form. */
  readonly before?: string
  readonly request: SetPhoneFields
  readonly outcome: Outcome
}

/** The details of a failure, by their protobuf types, as every transport has them. */
export const detailsOf = ({ id, info, message, retryAfter, violations }: Failure): ReadonlyArray<Detail> => [
  ...(id === undefined
    ? []
    : [{ type: "zitadel.v1.ErrorDetail", id, message: message.slice(0, -` (${id})`.length) } as const]),
  ...(violations === undefined ? [] : [{ type: "google.rpc.BadRequest", fieldViolations: violations } as const]),
  ...(retryAfter === undefined ? [] : [{ type: "google.rpc.RetryInfo", retryDelaySeconds: retryAfter } as const]),
  ...(info === undefined ? [] : [{ type: "google.rpc.ErrorInfo", domain: "effect-user-phone", ...info } as const])
]

const withId = (code: number, message: string, id: string): Failure => ({ code, message: `${message} (${id})`, id })

/** A user on its own. */
export const self = { token: "valid", is: "target" } as const
/** Someone else, without any rights. */
export const other = { token: "valid", is: "other" } as const
/** Someone else who may change the target. */
export const writer: ValidCaller = { ...other, writes: "target's organisation" }

export const tokenMissing: Failure = { code: 16, message: "auth header missing" }
export const headerMalformed = withId(16, "invalid auth header", "AUTH-toLo1")
export const tokenInvalid = withId(16, "Token is invalid", "AUTH-7fs1e")
export const permissionDenied = withId(7, "No matching permissions found", "AUTH-AWfge")
export const notFound = withId(5, "Phone not found", "COMMAND-ieJ2e")
export const notInitialized = withId(9, "User is not yet initialized", "COMMAND-uz0Uu")
export const notChanged = withId(9, "Phone not changed", "COMMAND-Uch5e")

export const noPhone = withId(9, "Phone not found", "COMMAND-ieJ2e")
export const noPendingCode = withId(9, "Code is empty", "PHONE-5xrra88eq8")

/** A code that proves nothing. */
export const invalidCode = (reason: string, guessesLeft?: number): Failure => ({
  ...withId(3, "Code is invalid", "COMMAND-eis9R"),
  info: { reason, ...(guessesLeft === undefined ? {} : { metadata: { guessesLeft: String(guessesLeft) } }) }
})

export const verificationOff: Failure = {
  code: 9,
  message: "phone verification is off after too many wrong codes, until it is unlocked by someone with user.write",
  info: { reason: "VERIFICATION_OFF" }
}

export const tooMany = (reason: string, retryAfter: number): Failure => ({
  code: 8,
  message: "Too many requests",
  info: { reason },
  retryAfter
})

/** A field that breaks a rule of the message's shape. */
export const invalid = (field: string, description: string, request = "SetPhoneRequest"): Failure => ({
  code: 3,
  message: `invalid ${request}.${field.charAt(0).toUpperCase()}${field.slice(1)}: ${description}`,
  violations: [{ field, description }]
})

/** A text that is not a number which is taken. */
export const invalidPhone = (description: string): Failure => ({
  ...withId(3, "Phone is invalid", "PHONE-so0wa"),
  violations: [{ field: "phone", description }]
})

export const lengthRule = "value length must be between 1 and 200 runes, inclusive"
