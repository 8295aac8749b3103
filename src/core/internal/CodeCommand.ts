/**
 * What the commands that may make a code have in common: once per idempotency key, make it, decide, seal the message,
 * commit, and answer with the code where it is to be returned.
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Result from "effect/Result"
import type { Decision, NewCode, Situation } from "../Decision.ts"
import { CodeNotReturnable } from "../Errors.ts"
import { Notices } from "../Notices.ts"
import type { Details } from "../UserStore.ts"
import type { CodeAnswer, Verification } from "../Verification.ts"
import { VerificationProvider } from "../VerificationProvider.ts"
import * as Idempotency from "./Idempotency.ts"
import * as Numbers from "./Numbers.ts"
import * as OneTimeCode from "./OneTimeCode.ts"
import { limitsInForce, PhoneCommand, type Target } from "./PhoneCommand.ts"

export interface Command<E> {
  readonly operation: string
  readonly idempotencyKey: string | undefined
  readonly verification: Verification
  /** What else the caller asked for, normalised: two requests with one key are the same when these are. */
  readonly parameters: ReadonlyArray<string>
  /** What a code would prove, undefined when there is no number. */
  readonly proves: OneTimeCode.Proves | undefined
  /** `code` is undefined where the host vouches for the number, or where there is none. */
  readonly decide: (code: NewCode | undefined, situation: Situation) => Result.Result<Decision, E>
}

export const make = Effect.gen(function*() {
  const commands = yield* PhoneCommand
  const numbers = yield* Numbers.make
  const codes = yield* OneTimeCode.make
  const idempotent = yield* Idempotency.make
  const limits = yield* limitsInForce
  const notices = yield* Notices
  const provider = yield* VerificationProvider

  /** A code that a provider makes is not known here; that of a test number is. */
  const isReturnable = (proves: OneTimeCode.Proves | undefined, now: DateTime.Utc) =>
    provider === undefined || (proves !== undefined && numbers.listed(proves.number, now) !== undefined)

  return {
    /** Runs a command on its target. */
    run: Effect.fnUntraced(function*<E>(target: Target, now: DateTime.Utc, command: Command<E>) {
      const { bySelf, user: { userId } } = target
      const { decide, idempotencyKey: key, operation, parameters, proves, verification } = command
      const returned = verification._tag === "ReturnCode"
      if (returned && !isReturnable(proves, now)) return yield* new CodeNotReturnable()
      const asked = [verification._tag, ...parameters]
      const request = yield* idempotent.describe({ operation, userId, key, command: asked, now })
      const earlier = yield* idempotent.recall(request, now)
      if (earlier !== undefined) return replayOf(earlier)

      const code = proves === undefined || verification._tag === "AlreadyVerified"
        ? undefined
        : yield* codes.issue({ userId, proves, sent: !returned, now })
      const situation = { now, limits, notices, bySelf, chance: yield* Random.next }
      const decision = yield* Effect.fromResult(decide(code?.record, situation))
      const messages = yield* codes.enclose(decision, code?.code, now)
      const { details, replayed } = yield* commands.commit({ ...decision, messages, idempotency: request })
      if (replayed !== undefined) return replayOf(yield* idempotent.same(request, replayed))
      const answer: CodeAnswer = { details, replayed: false, ...(returned && { verificationCode: code?.code }) }
      return answer
    })
  }
})

const replayOf = (details: Details): CodeAnswer => ({ details, replayed: true })
