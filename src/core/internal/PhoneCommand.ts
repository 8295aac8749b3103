/**
 * What every command on a phone has in common: it runs on a user on whom the caller may act, takes turns with other
 * commands on that user in this process, and competes with those of other processes when it commits.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Access } from "../Access.ts"
import { Actor } from "../Actor.ts"
import type { Decision } from "../Decision.ts"
import { type NotFound, type PermissionDenied, TooManyRequests, Unavailable, UserNotInitialized } from "../Errors.ts"
import * as Limits from "../Limits.ts"
import type { OutboxMessage } from "../Outbox.ts"
import type { UserId } from "../UserId.ts"
import type { UserPhone } from "../UserPhone.ts"
import { type Commit, type Details, type RecordedAnswer, UserStore } from "../UserStore.ts"
import * as Authorization from "./Authorization.ts"
import * as Charges from "./Charges.ts"
import * as UserQueue from "./UserQueue.ts"

/** Somebody else has changed the user before this commit: load again and decide anew. */
export class LostRace extends Schema.TaggedError<LostRace>()("LostRace", {}) {}

/** How often a lost race is run again. */
const maxRetries = 10

/** The limits in force, provided that they limit something and that the store can count what they need. */
export const limitsInForce = Effect.gen(function*() {
  const limits = yield* Limits.Limits
  const store = yield* UserStore
  const rule = Limits.faultOf(limits, store.counts)
  return rule === undefined ? limits : yield* new Limits.LimitsRefused({ rule })
})

/** The user that a command is on, as it is now, and whether the caller is that user. */
export interface Target {
  readonly user: UserPhone
  readonly bySelf: boolean
}

export class PhoneCommand extends Context.Service<PhoneCommand, {
  /** Runs `work` with the user as it is now, in turn with other calls on that user, and again if it loses a race. */
  readonly onUser: <A, E, R>(
    userId: UserId,
    who: Authorization.Who,
    work: (target: Target) => Effect.Effect<A, E | LostRace, R>
  ) => Effect.Effect<A, E | PermissionDenied | NotFound | UserNotInitialized | Unavailable, R | Actor>
  /** Commits, without the notice if there were too many of them, or fails with an error that a caller may get. */
  readonly commit: (
    commit: Commit
  ) => Effect.Effect<
    { readonly details: Details; readonly replayed?: RecordedAnswer },
    LostRace | TooManyRequests | Unavailable
  >
  /** Commits a decision that sends no code and costs nothing but a notice. */
  readonly append: (
    decision: Decision,
    messages?: ReadonlyArray<OutboxMessage>
  ) => Effect.Effect<Details, LostRace | Unavailable>
}>()("effect-user-phone/core/internal/PhoneCommand") {}

export const layer: Layer.Layer<PhoneCommand, never, Access | UserStore> = Layer.effect(
  PhoneCommand,
  Effect.gen(function*() {
    const store = yield* UserStore
    const { admit, load } = yield* Authorization.make
    const { inTurn, isBusy } = yield* UserQueue.make

    const loadInitialized = (actor: Actor["Service"], userId: UserId, who: Authorization.Who) =>
      Effect.filterOrFail(
        load(actor, userId, who),
        ({ state }) => state !== "initial",
        () => new UserNotInitialized()
      )

    const commit: PhoneCommand["Service"]["commit"] = Effect.fnUntraced(function*(change) {
      const result = yield* store.commit(change)
      switch (result._tag) {
        case "Committed":
          return { details: result.details }
        case "Replayed":
          return { details: result.answer.details, replayed: result.answer }
        case "LimitReached":
          if (result.reason === Charges.noticeLimit) return yield* commit(withoutNotice(change))
          return yield* new TooManyRequests({ reason: result.reason, until: result.until })
        case "LostRace":
          return yield* new LostRace()
      }
    })

    return PhoneCommand.of({
      onUser: Effect.fnUntraced(function*(userId, who, work) {
        const actor = yield* Actor
        yield* admit(actor, userId, who)
        const bySelf = actor.userId === userId
        // A caller who may not act on this user must not take a place in the queue from those who may.
        if (!bySelf && isBusy(userId)) yield* load(actor, userId, who)
        const attempt = Effect.flatMap(loadInitialized(actor, userId, who), (user) => work({ user, bySelf }))
        return yield* Effect.catchIf(attempt, isLostRace, () => tryAgain(attempt)).pipe(inTurn(userId))
      }),
      commit,
      append: (decision, messages = []) =>
        commit({ ...decision, messages }).pipe(
          Effect.map(({ details }) => details),
          // The only limit is on the notice, and that limit holds back nothing else.
          Effect.catchTag("TooManyRequests", Effect.die)
        )
    })
  })
)

/** The commit without its notice: it cannot reach the limit on notices again. */
const withoutNotice = (change: Commit): Commit => ({
  ...change,
  messages: change.messages.filter(({ kind }) => kind !== "notice"),
  charges: change.charges.filter(({ reason }) => reason !== Charges.noticeLimit)
})

const isLostRace = Schema.is(LostRace)

/** Most calls win at once, and need no schedule. */
const tryAgain = <A, E, R>(attempt: Effect.Effect<A, E | LostRace, R>) =>
  Effect.retry(attempt, { while: isLostRace, schedule: patience }).pipe(
    Effect.catchIf(isLostRace, () => Effect.fail(new Unavailable({ cause: "lost too many races" })))
  )

const patience = Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("50 millis")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: maxRetries - 1 })
)
