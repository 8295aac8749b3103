/**
 * Cases of the calls that follow a SetPhone, as data: what the user went through, who calls, and what must come of it. No
 * transport's vocabulary, so that every transport runs them all.
 */
import type { Caller, Failure, Target } from "./Case.ts"

/** The numbers that stories are about. */
export const first = "+41791112233"
export const second = "+41791112244"

/** What is typed for a code. */
export type Guess =
  | {
    /** The code that was made last, or the one before it. */
    readonly is: "right" | "previous"
    /** How it is typed; as it is by default. */
    readonly typed?: (code: string) => string
  }
  | { readonly is: "wrong" }
  /** Any value for the field, or none. */
  | { readonly is: "value"; readonly value?: unknown }

export type Call =
  | { readonly operation: "VerifyPhone"; readonly guess: Guess }
  | { readonly operation: "ResendPhoneCode"; readonly fields: object }
  | { readonly operation: "RemovePhone" | "GetPhone" | "UnlockPhoneVerification" }

/** A user in a story. */
export interface Hero {
  readonly userId: string
  /** The codes that were returned, oldest first; one that was sent comes when it is delivered. */
  readonly codes: Array<string>
}

/** What happened before, all of it by someone who may. */
export type Step =
  | { readonly step: "set"; readonly number: string; readonly option: object }
  | { readonly step: "resend"; readonly option: object }
  | { readonly step: "guess"; readonly guess: Guess; readonly times?: number }
  | { readonly step: "remove" }
  /** Everything that is queued is sent. */
  | { readonly step: "deliver" }
  | { readonly step: "pass"; readonly millis: number }

export type Outcome =
  | { readonly failure: Failure; readonly events?: ReadonlyArray<string> }
  | {
    /** The events that the call appends, without what their types begin with. */
    readonly events: ReadonlyArray<string>
    /** The number that the user then has. */
    readonly number?: string
    readonly verified?: boolean
    /** Whether a code is then pending. */
    readonly pending?: boolean
    readonly code?: "sent" | "returned"
    /** What else the answer holds, for GetPhone. */
    readonly answer?: GetPhoneAnswer
  }

/** Times are in milliseconds from the call. */
export interface GetPhoneAnswer {
  readonly phone?: string
  readonly isVerified?: true
  readonly pendingCode?: {
    readonly expiresIn: number
    readonly guessesLeft?: number
    readonly canResendIn?: number
    readonly delivery?: { readonly state: string; readonly attempts: number }
  }
  readonly verificationOff?: true
}

export interface Story {
  readonly name: string
  readonly caller: Caller
  readonly target: Target
  readonly given: ReadonlyArray<Step>
  readonly call: Call
  readonly outcome: Outcome
  /** The only encoding that can say it, where there is but one. */
  readonly encoding?: "JSON"
}

export const setReturned: Step = { step: "set", number: first, option: { returnCode: {} } }
export const setSent: Step = { step: "set", number: first, option: { sendCode: {} } }
export const setVouched: Step = { step: "set", number: first, option: { isVerified: true } }
export const resendReturned: Step = { step: "resend", option: { returnCode: {} } }
export const resendSent: Step = { step: "resend", option: {} }
export const remove: Step = { step: "remove" }
export const deliver: Step = { step: "deliver" }
export const pass = (millis: number): Step => ({ step: "pass", millis })
export const wrong = (times = 1): Step => ({ step: "guess", guess: { is: "wrong" }, times })
export const right: Guess = { is: "right" }
export const proven: ReadonlyArray<Step> = [setReturned, { step: "guess", guess: right }]

export const seconds = 1000
export const minutes = 60 * seconds

export const verify = (guess: Guess): Call => ({ operation: "VerifyPhone", guess })
export const resend = (fields: object = {}): Call => ({ operation: "ResendPhoneCode", fields })

const wrongOf = (code: string | undefined): string =>
  Array.from(code ?? "000000", (character) => character === "1" ? "2" : "1").join("")

/** What is typed for a guess, where these codes were made, oldest first. */
export const typed = (codes: ReadonlyArray<string>, guess: Guess): unknown => {
  switch (guess.is) {
    case "value":
      return guess.value
    case "wrong":
      return wrongOf(codes.at(-1))
    case "right":
    case "previous": {
      const code = codes.at(guess.is === "right" ? -1 : -2) ?? "111111"
      return guess.typed === undefined ? code : guess.typed(code)
    }
  }
}
