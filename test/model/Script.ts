/**
 * What a sequence is made of: the settings that it runs under, who calls what on whom, and what is answered. All of it is
 * symbolic: users and numbers by their place in a list, codes by what they are to the user, spans in milliseconds.
 */

export type Organization = "north" | "south"

export interface Window {
  readonly max: number
  readonly within: number
}

export interface Wait {
  readonly first: number
  readonly longest: number
  readonly jitter: number
}

export interface Limits {
  readonly guessesPerCode: number | "off"
  readonly wrongGuessesPerUser: Window | "off"
  readonly wrongGuessesPerNumber: Window | "off"
  readonly wrongGuessesInARow: number | "off"
  readonly waitBetweenCodes: Wait | "off"
  readonly codesPerNumber: readonly [Window, ...Array<Window>] | "off"
  readonly codesPerUser: readonly [Window, ...Array<Window>] | "off"
  readonly noticesPerNumber: readonly [Window, ...Array<Window>] | "off"
}

/** What is `default` is not set at all: the system takes its own default, the model what the design says. */
export interface Settings {
  readonly preset: "digits6" | "zitadel"
  readonly grace: number | "default"
  readonly limits: { readonly [Limit in keyof Limits]: Limits[Limit] | "default" }
}

export interface Person {
  readonly organization: Organization
  readonly kind: "human" | "machine"
  readonly state: "initial" | "active"
}

/** Who there is at first; the last is an id that is not registered. */
export const people: ReadonlyArray<Person | undefined> = [
  { organization: "north", kind: "human", state: "active" },
  { organization: "north", kind: "human", state: "active" },
  { organization: "south", kind: "human", state: "active" },
  { organization: "south", kind: "human", state: "active" },
  { organization: "north", kind: "human", state: "initial" },
  { organization: "north", kind: "machine", state: "active" },
  undefined
]

/** How many numbers there are that anyone may have. */
export const numbers = 3

/** What is no number that is taken here, where only those of Switzerland are, by the reason. */
export const unfit = {
  NotANumber: "+41 79 123 45 67y",
  NoCountryCode: "079 123 45 67",
  NotValid: "+41 79 123 45 6",
  TypeRefused: "+41 900 123 456",
  RegionRefused: "+33 6 12 34 56 78"
} as const

/** The user itself or someone else, with permissions in organisations. */
export interface Caller {
  readonly self: boolean
  readonly writes: ReadonlyArray<Organization>
  readonly reads: ReadonlyArray<Organization>
}

/** A caller's id, given that of the user called on: others are told apart by their permissions. */
export const callerId = ({ reads, self, writes }: Caller, userId: string): string =>
  self ? userId : `writes ${writes.join()} reads ${reads.join()}`

/** The user that a call is on, and what is wrong with its shape, if anything is. */
export interface Call {
  readonly user: number
  readonly by: Caller
  readonly flaw?: "userId" | "phone" | "verificationCode" | "blank" | "idempotencyKey" | undefined
}

/** A call that may make a code. `chance` is what the system draws, from 0 up to 1. */
export interface CodeCall extends Call {
  readonly key?: string | undefined
  readonly chance: number
}

/** What is typed: a code as it is to the user, or one that never was. */
export type Guess = "current" | "previous" | "first" | "of another" | "wrong"

/** How a code is typed. */
export const styles = ["plain", "spaced", "hyphenated", "wide", "altered"] as const

/** A moment that a rule depends on, such as when the pending code of a user expires. */
export type Moment = "expiry" | "grace" | "wait" | "quiet hour" | "limit" | "wrong guess" | "key"

export type Command =
  | CodeCall & {
    readonly do: "SetPhone"
    readonly number: number | keyof typeof unfit
    /** Whether it is written with spaces. */
    readonly spaced: boolean
    readonly way?: "SendCode" | "ReturnCode" | "AlreadyVerified" | undefined
  }
  | CodeCall & {
    readonly do: "ResendPhoneCode"
    readonly way?: "SendCode" | "ReturnCode" | undefined
    readonly times: number
  }
  | Call & {
    readonly do: "VerifyPhone"
    readonly guess: Guess
    readonly style: typeof styles[number]
    readonly times: number
  }
  | Call & { readonly do: "RemovePhone" | "GetPhone" | "UnlockPhoneVerification" }
  | { readonly do: "Register"; readonly user: number; readonly as: Person }
  | { readonly do: "UpdateUser"; readonly user: number; readonly to: Partial<Omit<Person, "kind">> }
  | { readonly do: "RemoveUser"; readonly user: number }
  | { readonly do: "Pass"; readonly millis: number }
  /** To a moment, if it is still to come, or a little before or after it. */
  | { readonly do: "PassUntil"; readonly user: number; readonly moment: Moment; readonly off: number }

export interface Script {
  readonly seed: number
  readonly settings: Settings
  readonly commands: ReadonlyArray<Command>
}

/** What is answered: an error's name and fields, or the same of a success. Times are since the sequence began. */
export interface Answer {
  readonly is: string
  readonly [field: string]: unknown
}
