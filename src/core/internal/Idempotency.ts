/**
 * Requests with an idempotency key: their fingerprints, and the answer that was given before.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { Actor } from "../Actor.ts"
import { CodeVault } from "../CodeVault.ts"
import { IdempotencyKeyReused } from "../Errors.ts"
import type { UserId } from "../UserId.ts"
import { type IdempotentRequest, type RecordedAnswer, UserStore } from "../UserStore.ts"

const keptHours = 24

export const make = Effect.gen(function*() {
  const vault = yield* CodeVault
  const store = yield* UserStore

  /** The details answered before, provided that the request was the same one. */
  const same = (request: IdempotentRequest | undefined, answer: RecordedAnswer) =>
    answer.request === request?.request ? Effect.succeed(answer.details) : Effect.fail(new IdempotencyKeyReused())

  return {
    same,

    /** The request as the store remembers it, or undefined when it carries no key. */
    describe: Effect.fnUntracedEager(function*(options: {
      readonly operation: string
      readonly userId: UserId
      readonly key: string | undefined
      /** The normalised command: two requests are the same when these are. */
      readonly command: ReadonlyArray<string>
      readonly now: DateTime.Utc
    }) {
      if (options.key === undefined) return undefined
      const actor = yield* Actor
      const request: IdempotentRequest = {
        scope: yield* vault.fingerprint("idempotency-scope", [
          actor.userId,
          options.operation,
          options.userId,
          options.key
        ]),
        request: yield* vault.fingerprint("idempotent-request", options.command),
        keptUntil: DateTime.add(options.now, { hours: keptHours })
      }
      return request
    }),

    recall: Effect.fnUntracedEager(function*(request: IdempotentRequest | undefined, now: DateTime.Utc) {
      if (request === undefined) return undefined
      const answer = yield* store.recall(request.scope, now)
      return answer === undefined ? undefined : yield* same(request, answer)
    })
  }
})
