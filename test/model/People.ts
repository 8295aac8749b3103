/**
 * The users as the model knows them, and who may do what to whom, in the order of the design's way of a request.
 */
import { type Fact, type History, phoneOf } from "./Histories.ts"
import { type Answer, type Call, people, type Person } from "./Script.ts"

/** A user as the model knows it. */
export interface Known extends Person {
  readonly removed: boolean
  readonly history: History
}

/** What a call is refused with. */
export class Refused {
  readonly answer: Answer
  /** What tells it from another refusal with the same answer. */
  readonly like: ReadonlyArray<string>
  constructor(answer: Answer, like: ReadonlyArray<string>) {
    this.answer = answer
    this.like = like
  }
}

export const refuse = (is: string, fields: object = {}, ...like: ReadonlyArray<string>): never => {
  throw new Refused({ is, ...fields }, like)
}

export type Need = "self or writer" | "writer" | "other writer" | "self or reader"

const flaws = {
  userId: ["userId", "value length must be between 1 and 200 runes, inclusive"],
  phone: ["phone", "value length must be between 1 and 200 runes, inclusive"],
  verificationCode: ["verificationCode", "value length must be between 1 and 20 runes, inclusive"],
  blank: ["verificationCode", "value must not be blank"],
  idempotencyKey: ["idempotencyKey", "value must be 1 to 255 visible ASCII characters"]
} as const

export class People {
  private readonly known = new Map<number, Known>()

  constructor() {
    for (const [user, person] of people.entries()) {
      if (person !== undefined) this.register(user, person)
    }
  }

  register(user: number, person: Person): void {
    if (this.known.has(user)) refuse("UserAlreadyExists")
    this.known.set(user, { ...person, removed: false, history: [] })
  }

  update(user: number, changes: Partial<Person>): void {
    this.known.set(user, { ...this.find(user), ...changes })
  }

  /** What became of a user that was removed stays on the record, and so does what it was charged. */
  remove(user: number, now: number): void {
    if (phoneOf(this.find(user).history) !== undefined) this.add(user, { fact: "removed", at: now, notice: undefined })
    this.known.set(user, { ...this.find(user), removed: true })
  }

  /** Also a user that was removed. */
  get(user: number): Known | undefined {
    return this.known.get(user)
  }

  historyOf(user: number): History {
    return this.get(user)?.history ?? []
  }

  get histories(): ReadonlyArray<History> {
    return Array.from(this.known.values(), ({ history }) => history)
  }

  /** Records what has happened, and answers with the latest of it. */
  add(user: number, ...facts: ReadonlyArray<Fact>): Answer {
    const { history, organization, ...rest } = this.find(user)
    const next = [...history, ...facts]
    this.known.set(user, { ...rest, organization, history: next })
    return { is: "Done", sequence: next.length, changeDate: next.at(-1)!.at, organization }
  }

  /** The user of a call, if its shape is right and this caller may make it. */
  meet({ by, flaw, user }: Call, request: string, need: Need): Known {
    if (flaw !== undefined) refuse("InvalidArgument", { request, field: flaws[flaw][0], rule: flaws[flaw][1] })
    const rights = need === "self or reader" ? [...by.writes, ...by.reads] : by.writes
    if (by.self ? need === "other writer" : rights.length === 0) refuse("PermissionDenied")
    const known = this.find(user)
    if (known.kind === "machine") refuse("NotFound")
    const enough = rights.includes(known.organization) || (by.self && need !== "writer")
    if (!enough) refuse(by.self ? "PermissionDenied" : "NotFound")
    if (known.state === "initial" && need !== "self or reader") refuse("UserNotInitialized")
    return known
  }

  private find(user: number): Known {
    const known = this.known.get(user)
    return known === undefined || known.removed ? refuse("NotFound") : known
  }
}
