/**
 * What the design asks for, read a second time: what every call answers and leaves behind, for one caller after another.
 * It knows neither the sources nor a store, keeps lists of all that has happened, and counts by going through them.
 */
import type { InvalidCode } from "../../src/core/Errors.ts"
import { codeFor, timeOf } from "./Aim.ts"
import {
  chargesOf,
  type Code,
  type Fact,
  type History,
  missesOn,
  noticesOf,
  pendingOf,
  phoneOf,
  provesOf,
  sendsTo,
  sentOf,
  standingOf,
  wrongTimesOf
} from "./Histories.ts"
import { Limiter } from "./Limiter.ts"
import { People, refuse, Refused } from "./People.ts"
import { answersKept, graceOf, lifetimes, stepAfter, waitOf } from "./Rules.ts"
import { type Answer, type Call, callerId, type CodeCall, type Command, type Settings } from "./Script.ts"

type Named<Name extends Command["do"]> = Extract<Command, { readonly do: Name }>

/** An answer, the code that was made for it, and what it was like. */
export interface Outcome {
  readonly answer: Answer
  readonly made?: Code
  readonly like?: ReadonlyArray<string>
}

/** A request that was made with a key. */
interface Answered {
  readonly scope: string
  readonly request: string
  readonly details: object
  readonly at: number
}

const done: Outcome = { answer: { is: "Done" } }

const refuseCode = (reason: InvalidCode["reason"], guessesLeft: number, ...like: ReadonlyArray<string>): never =>
  refuse("InvalidCode", { reason, guessesLeft: guessesLeft === Infinity ? undefined : guessesLeft }, ...like)

export class Model {
  now = 0
  readonly people = new People()
  readonly answers: Array<Answered> = []
  readonly limiter: Limiter
  /** When the limit ends that was met last. */
  limitEnds: number | undefined = undefined
  readonly settings: Settings

  constructor(settings: Settings) {
    this.settings = settings
    this.limiter = new Limiter(settings)
  }

  run(command: Command): Outcome {
    try {
      return this.perform(command)
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused
      if (refused.answer.is === "TooManyRequests") this.limitEnds = Number(refused.answer["until"])
      return refused
    }
  }

  private perform(command: Command): Outcome {
    switch (command.do) {
      case "SetPhone":
        return this.setPhone(command)
      case "ResendPhoneCode":
        return this.resend(command)
      case "VerifyPhone":
        return this.verify(command)
      case "GetPhone":
        return this.getPhone(command)
      case "RemovePhone": {
        const { history } = this.people.meet(command, "RemovePhoneRequest", "self or writer")
        if (phoneOf(history) === undefined) refuse("NoPhone")
        const { like, notice } = this.noticeTo(history)
        return { answer: this.people.add(command.user, { fact: "removed", at: this.now, notice }), like }
      }
      case "UnlockPhoneVerification":
        this.people.meet(command, "UnlockPhoneVerificationRequest", "other writer")
        return { answer: this.people.add(command.user, { fact: "unlocked", at: this.now }) }
      case "Register":
        this.people.register(command.user, command.as)
        return done
      case "UpdateUser":
        this.people.update(command.user, command.to)
        return done
      case "RemoveUser":
        this.people.remove(command.user, this.now)
        return done
      case "Pass":
        this.now += command.millis
        return done
      case "PassUntil": {
        const { moment, off, user } = command
        const time = timeOf(this, user, moment)
        if (time === undefined || time + off < this.now) return done
        this.now = time + off
        return { ...done, like: [`${off < 0 ? "before" : off > 0 ? "after" : "at"} ${moment}`] }
      }
    }
  }

  private setPhone(call: Named<"SetPhone">): Outcome {
    const { by, number, user, way = "SendCode" } = call
    const { history } = this.people.meet(call, "SetPhoneRequest", way === "SendCode" ? "self or writer" : "writer")
    if (typeof number === "string") return refuse("InvalidPhoneNumber", { reason: number })
    return this.once(call, [way, number], () => {
      if (by.self) this.limiter.refuseOff(history)
      if (phoneOf(history)?.number === number) refuse("PhoneNotChanged")
      const { like, notice } = this.noticeTo(history)
      const changed: Fact = { fact: "changed", at: this.now, number, notice }
      if (way !== "AlreadyVerified") {
        const outcome = this.makeCode(call, { number, sent: way === "SendCode", first: [changed] })
        return { ...outcome, like: [...outcome.like ?? [], ...like] }
      }
      const verified: Fact = { fact: "verified", at: this.now, number, vouched: true, bySms: false }
      return {
        answer: { ...this.people.add(user, changed, verified), replayed: false, code: false },
        like: ["vouched", ...like]
      }
    })
  }

  private resend(call: Named<"ResendPhoneCode">): Outcome {
    const { by, way = "SendCode" } = call
    const need = way === "SendCode" ? "self or writer" : "writer"
    const { history } = this.people.meet(call, "ResendPhoneCodeRequest", need)
    return this.once(call, [way], () => {
      if (by.self) this.limiter.refuseOff(history)
      const pending = pendingOf(history)
      if (pending === undefined) return refuse("NoPendingCode")
      const until = Math.min(pending.expires, this.now + graceOf(this.settings))
      const older = this.limiter.isSpent(history) || until <= this.now ? undefined : { code: pending, until }
      return this.makeCode(call, { number: pending.number, sent: way === "SendCode", first: [], older })
    })
  }

  private verify(call: Named<"VerifyPhone">): Outcome {
    const { history } = this.people.meet(call, "VerifyPhoneRequest", "self or writer")
    this.limiter.refuseOff(history)
    this.limiter.refuseFull({ WRONG_GUESSES_PER_USER: wrongTimesOf(history) }, this.now)
    const pending = pendingOf(history)
    if (pending === undefined) return refuseCode("NO_CODE", 0)
    if (this.limiter.isSpent(history)) refuseCode("CODE_SPENT", 0, ...this.limiter.byDefault("guessesPerCode"))
    if (this.now >= pending.expires) refuseCode("CODE_EXPIRED", 0)

    const { number, older } = pending
    const compared = older !== undefined && this.now < older.until ? [pending, older.code] : [pending]
    const guess = codeFor(this, call.user, call.guess)
    const right = guess !== undefined && compared.includes(guess)
    const charged = this.chargedTo(history, number)
    if (compared.some(({ sent }) => sent)) {
      // A right guess at a full counter is refused like a wrong one.
      const charges = charged.times(missesOn(number))
      const like = [...charged.like, right ? "though right" : "and wrong"]
      this.limiter.refuseFull({ WRONG_GUESSES_PER_NUMBER: charges }, this.now, ...like)
    }
    if (right) {
      const bySms = compared.every(({ sent }) => sent)
      const answer = this.people.add(call.user, { fact: "verified", at: this.now, number, vouched: false, bySms })
      return { answer, like: [guess === pending ? "by the code" : "by the one before"] }
    }
    const like = this.limiter.room("WRONG_GUESSES_PER_NUMBER", charged.times(missesOn(number)), this.now) === 1 &&
        charged.times(provesOf(number)).length > 0
      ? ["in the last room of a number, after a right one"]
      : []
    this.people.add(call.user, { fact: "failed", at: this.now, compared })
    const left = this.limiter.guessesLeft(this.people.historyOf(call.user), this.now)
    return refuseCode("CODE_WRONG", left, ...like)
  }

  private getPhone(call: Call): Outcome {
    const { history, organization } = this.people.meet(call, "GetPhoneRequest", "self or reader")
    const phone = phoneOf(history)
    const pending = pendingOf(history)
    const verificationOff = this.limiter.isOff(history)
    const left = verificationOff || this.now >= (pending?.expires ?? 0)
      ? 0
      : this.limiter.guessesLeft(history, this.now)
    const answer = {
      is: "Done",
      sequence: history.length,
      changeDate: history.at(-1)?.at,
      organization,
      phone,
      verificationOff,
      pendingCode: pending && {
        expiresAt: pending.expires,
        guessesLeft: left === Infinity ? undefined : left,
        canResendAt: Math.max(pending.made, sentOf(history).at(-1)?.wait?.until ?? 0),
        delivery: pending.sent ? { state: "queued", attempts: 0 } : undefined
      }
    }
    return {
      answer,
      like: [
        ...(verificationOff ? ["off"] : []),
        ...(pending !== undefined && this.now >= pending.expires ? ["expired"] : []),
        pending === undefined ? phone?.verified === true ? "verified" : "none" : pending.sent ? "sent" : "returned"
      ]
    }
  }

  /** Answers what was answered before to the same request with the same key. */
  private once(
    call: Named<"SetPhone" | "ResendPhoneCode">,
    asked: ReadonlyArray<unknown>,
    work: () => Outcome
  ): Outcome {
    if (call.key === undefined) return work()
    const scope = JSON.stringify([callerId(call.by, `user ${call.user}`), call.do, call.user, call.key])
    const request = JSON.stringify(asked)
    const earlier = this.answers.find((answer) => answer.scope === scope && this.now < answer.at + answersKept)
    if (earlier === undefined) {
      const outcome = work()
      this.answers.push({ scope, request, details: outcome.answer, at: this.now })
      return outcome
    }
    if (earlier.request !== request) refuse("IdempotencyKeyReused")
    return { answer: { is: "Done", ...earlier.details, code: false, replayed: true }, like: ["replayed"] }
  }

  private makeCode({ chance, user }: CodeCall, { first, number, older, sent }: {
    readonly number: number
    readonly sent: boolean
    /** What happens before it. */
    readonly first: ReadonlyArray<Fact>
    readonly older?: Code["older"]
  }): Outcome {
    const history = this.people.historyOf(user)
    const sends = sentOf(history)
    const times = sends.map(({ made }) => made)
    const { waitBetweenCodes: wait } = this.limiter.limits
    if (sent) {
      const opens = sends.at(-1)?.wait?.until ?? 0
      if (this.now < opens) refuse("TooManyRequests", { reason: "WAIT_BETWEEN_CODES", until: opens })
      const charged = this.chargedTo(history, number)
      const charges = { CODES_PER_NUMBER: charged.times(sendsTo(number)), CODES_PER_USER: times }
      this.limiter.refuseFull(charges, this.now, ...charged.like)
    }
    const step = wait === "off" ? 0 : stepAfter([...times, this.now], wait)
    const made: Code = {
      number,
      sent,
      made: this.now,
      expires: this.now + lifetimes[this.settings.preset],
      older,
      wait: sent && wait !== "off" ? { step, until: this.now + waitOf(wait, step, chance) } : undefined
    }
    const answer = this.people.add(user, ...first, { fact: "coded", at: this.now, code: made })
    const like = [
      sent ? "sent" : "returned",
      ...(made.wait?.step === 6 ? this.limiter.byDefault("waitBetweenCodes").map((text) => `longest wait ${text}`) : [])
    ]
    return { answer: { ...answer, code: !sent, replayed: false }, made, like }
  }

  /** The verified number that is told of a change of it, as long as it has not been told too often. */
  private noticeTo(history: History): { readonly notice: number | undefined; readonly like: ReadonlyArray<string> } {
    const phone = phoneOf(history)
    if (phone?.verified !== true) return { notice: undefined, like: [] }
    const { number } = phone
    const standing = standingOf(history, number)
    const times = this.people.histories.flatMap(noticesOf)
      .filter((notice) => notice.number === number && notice.standing === standing)
      .map(({ at }) => at)
    return this.limiter.room("NOTICES_PER_NUMBER", times, this.now) > 0
      ? { notice: number, like: ["with a notice"] }
      : { notice: undefined, like: ["with one notice too many", ...this.limiter.byDefault("noticesPerNumber")] }
  }

  /** What has been charged to a number by those who are to it what a user with this history is. */
  private chargedTo(history: History, number: number) {
    const standing = standingOf(history, number)
    return {
      like: standing === "strangers" ? [] : [`by those who are ${standing}`],
      times: (isCharge: (fact: Fact) => boolean) => chargesOf(this.people.histories, number, standing, isCharge)
    }
  }
}
