/**
 * What every command on a phone has in common: the checks on who may touch which user, in the order that tells a stranger
 * least, and committing what was decided against everyone else who does the same.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Access } from "../Access.ts"
import { Actor } from "../Actor.ts"
import {
  InvalidArgument,
  NotFound,
  PermissionDenied,
  TooManyRequests,
  Unavailable,
  UserNotInitialized
} from "../Errors.ts"
import { isStorable, lengthRule, textRule, UserId } from "../UserId.ts"
import type { UserPhone } from "../UserPhone.ts"
import { type Commit, type Details, type RecordedAnswer, UserStore } from "../UserStore.ts"
import * as UserQueue from "./UserQueue.ts"

/** The commit met a change by someone else: load again and decide anew. */
export class LostRace extends Schema.TaggedError<LostRace>()("LostRace", {}) {}

/** How often a lost race is run again. */
const maxRetries = 10

export class PhoneCommand extends Context.Service<PhoneCommand, {
  /**
   * Runs `work` with the user as it is now, in turn with other calls on that user, again when it loses a race.
   *
   * `privileged` work needs `user.write` over the user even where the actor is that user.
   */
  readonly onUser: <A, E, R>(
    userId: UserId,
    privileged: boolean,
    work: (user: UserPhone) => Effect.Effect<A, E | LostRace, R>
  ) => Effect.Effect<A, E | PermissionDenied | NotFound | UserNotInitialized | Unavailable, R | Actor>
  /** Commits, or fails with what a caller may meet. */
  readonly commit: (
    commit: Commit
  ) => Effect.Effect<
    { readonly details: Details; readonly replayed?: RecordedAnswer },
    LostRace | TooManyRequests | Unavailable
  >
}>()("effect-user-phone/core/internal/PhoneCommand") {}

export const layer: Layer.Layer<PhoneCommand, never, Access | UserStore> = Layer.effect(
  PhoneCommand,
  Effect.gen(function*() {
    const access = yield* Access
    const store = yield* UserStore
    const { inTurn } = yield* UserQueue.make

    const authorized = Effect.fnUntraced(function*(actor: Actor["Service"], userId: UserId, privileged: boolean) {
      const self = actor.userId === userId
      const user = yield* store.load(userId)
      if (user === undefined || user.kind === "machine") return yield* new NotFound()
      const mayWrite = (!self || privileged) && (yield* access.holdsOver(actor, "user.write", user))
      if (!self && !mayWrite) return yield* new NotFound()
      if (privileged && !mayWrite) return yield* new PermissionDenied()
      if (user.state === "initial") return yield* new UserNotInitialized()
      return user
    })

    return PhoneCommand.of({
      onUser: Effect.fnUntraced(function*(userId, privileged, work) {
        const actor = yield* Actor
        if (actor.userId !== userId && !(yield* access.holdsAnywhere(actor, "user.write"))) {
          return yield* new PermissionDenied()
        }
        return yield* authorized(actor, userId, privileged).pipe(
          Effect.flatMap(work),
          Effect.retry({ while: isLostRace, schedule: tryAgain }),
          Effect.catchIf(isLostRace, () => Effect.fail(new Unavailable({ cause: "lost too many races" }))),
          inTurn(userId)
        )
      }),
      commit: Effect.fnUntraced(function*(commit) {
        const result = yield* store.commit(commit)
        switch (result._tag) {
          case "Committed":
            return { details: result.details }
          case "Replayed":
            return { details: result.answer.details, replayed: result.answer }
          case "LimitReached":
            return yield* new TooManyRequests({ reason: result.reason, until: result.until })
          case "LostRace":
            return yield* new LostRace()
        }
      })
    })
  })
)

const isLostRace = Schema.is(LostRace)

const tryAgain = Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("50 millis")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ times: maxRetries })
)

/**
 * The user id of a request, if its shape is right. `request` is the message type on the wire.
 */
export const checkUserId = (request: string, userId: string): Effect.Effect<UserId, InvalidArgument> => {
  if (isUserId(userId)) return Effect.succeed(userId)
  return Effect.fail(
    new InvalidArgument({ request, field: "userId", rule: isStorable(userId) ? lengthRule : textRule })
  )
}

const isUserId = Schema.is(UserId)
