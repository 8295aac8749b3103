/**
 * The model's only memory of a user: the list of all that has happened. What the user is now, and what counts against it,
 * is read off that list each time.
 */

/** A code, told from others by being itself. */
export interface Code {
  readonly number: number
  readonly sent: boolean
  readonly made: number
  readonly expires: number
  /** The code before it, as long as that is accepted too. */
  readonly older: { readonly code: Code; readonly until: number } | undefined
  /** Of a code that is sent while there is a wait: how often it has doubled, and when the next code may be sent. */
  readonly wait: { readonly step: number; readonly until: number } | undefined
}

export type Fact =
  | { readonly fact: "changed"; readonly at: number; readonly number: number; readonly notice: number | undefined }
  | { readonly fact: "removed"; readonly at: number; readonly notice: number | undefined }
  | {
    readonly fact: "verified"
    readonly at: number
    readonly number: number
    readonly vouched: boolean
    /** Whether the right code, and any other that would have been, was sent to the number. */
    readonly bySms: boolean
  }
  | { readonly fact: "failed"; readonly at: number; readonly compared: ReadonlyArray<Code> }
  | { readonly fact: "unlocked"; readonly at: number }
  | { readonly fact: "coded"; readonly at: number; readonly code: Code }

type Name = Fact["fact"]
type Named<N extends Name> = Extract<Fact, { readonly fact: N }>
export type History = ReadonlyArray<Fact>

const isOneOf = <N extends Name>(...names: ReadonlyArray<N>) => (fact: Fact): fact is Named<N> =>
  names.some((name) => name === fact.fact)

const lastOf = <N extends Name>(history: History, ...names: ReadonlyArray<N>): Named<N> | undefined =>
  history.findLast(isOneOf(...names))

const since = (history: History, isStart: (fact: Fact) => boolean): History =>
  history.slice(history.findLastIndex(isStart) + 1)

const failures = (history: History) => history.filter(isOneOf("failed"))

export const phoneOf = (history: History): { readonly number: number; readonly verified: boolean } | undefined => {
  const latest = lastOf(history, "changed", "removed")
  if (latest?.fact !== "changed") return undefined
  return { number: latest.number, verified: since(history, (fact) => fact === latest).some(isOneOf("verified")) }
}

/** A code is pending until it is used, or its number goes. */
export const pendingOf = (history: History): Code | undefined => {
  const latest = lastOf(history, "coded", "changed", "removed", "verified")
  return latest?.fact === "coded" ? latest.code : undefined
}

/** All codes that were made for the user, oldest first. */
export const codesOf = (history: History): ReadonlyArray<Code> =>
  history.filter(isOneOf("coded")).map(({ code }) => code)

export const sentOf = (history: History): ReadonlyArray<Code> => codesOf(history).filter(({ sent }) => sent)

/** Wrong guesses since the latest code was made. */
export const missesOf = (history: History): number => failures(since(history, isOneOf("coded"))).length

/** Wrong guesses since the user proved a number or was unlocked; being vouched for does not end the row. */
export const rowOf = (history: History): number =>
  failures(since(history, (fact) => fact.fact === "unlocked" || (fact.fact === "verified" && !fact.vouched))).length

export const wrongTimesOf = (history: History): ReadonlyArray<number> => failures(history).map(({ at }) => at)

/** The number that the user verified last, whether or not it is still the user's. */
export const provenOf = (history: History): number | undefined => lastOf(history, "verified")?.number

export type Standing = "holders" | "vouched for" | "strangers"

/** What a user is to a number. */
export const standingOf = (history: History, number: number): Standing => {
  const latest = lastOf(history, "verified")
  return latest?.number !== number ? "strangers" : latest.bySms ? "holders" : "vouched for"
}

/** When, over all users, a number was charged by those of this standing. */
export const chargesOf = (
  histories: Iterable<History>,
  number: number,
  standing: Standing,
  isCharge: (fact: Fact) => boolean
): ReadonlyArray<number> =>
  Array.from(
    histories,
    (history) =>
      history.filter((fact, index) => isCharge(fact) && standingOf(history.slice(0, index), number) === standing)
  ).flat().map(({ at }) => at)

/** How often a code had been asked for again when this one was made. */
export const resendsOf = (history: History, code: Code): number => {
  const until = history.slice(0, history.findIndex((fact) => fact.fact === "coded" && fact.code === code))
  return codesOf(since(until, isOneOf("changed"))).length
}

/** The notices that this user's changes have sent, oldest first, and what the user was to the number then. */
export const noticesOf = (history: History) =>
  history.flatMap((fact, index) =>
    !isOneOf("changed", "removed")(fact) || fact.notice === undefined ? [] : [{
      at: fact.at,
      number: fact.notice,
      change: fact.fact === "changed" ? "replaced" : "removed",
      standing: standingOf(history.slice(0, index), fact.notice)
    }]
  )

export const sendsTo = (number: number) => (fact: Fact): boolean =>
  fact.fact === "coded" && fact.code.sent && fact.code.number === number

/** A right guess with a code that was sent to this number. */
export const provesOf = (number: number) => (fact: Fact): boolean =>
  fact.fact === "verified" && !fact.vouched && fact.number === number

export const missesOn = (number: number) => (fact: Fact): boolean =>
  fact.fact === "failed" && fact.compared.some((code) => code.sent && code.number === number)
