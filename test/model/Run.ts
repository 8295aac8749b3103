/**
 * Runs a sequence on the system and on the model side by side: every answer, and at the end every log, state and queue,
 * must be the same. Where they are not, a shorter sequence is looked for that shows it.
 */
import { Cause, Clock, Data, Effect } from "effect"
import { isDeepStrictEqual } from "node:util"
import { OrganizationId, UserId } from "../../src/core/UserId.ts"
import { Users } from "../../src/core/Users.ts"
import * as FrozenClock from "../fixtures/FrozenClock.ts"
import { codeFor } from "./Aim.ts"
import type { Code } from "./Histories.ts"
import { kindsOf } from "./Kinds.ts"
import { Model } from "./Model.ts"
import { type Names, perform } from "./Perform.ts"
import { type Command, numbers, people, type Script } from "./Script.ts"
import { Issued, layerOperations } from "./System.ts"
import { ofModel, ofSystem } from "./Views.ts"

/** Where the two part. */
export class Disagreement extends Data.TaggedError("Disagreement")<{
  /** The place of the command, or what is left behind in the end. */
  readonly at: number | "end"
  readonly command: Command | { readonly user: number }
  readonly model: unknown
  readonly system: unknown
}> {}

let runs = 0

/** A user id and numbers that no other run has. */
const newNames = (start: number, { settings }: Script): Names => {
  const first = numbers * runs++
  const id = crypto.randomUUID()
  return {
    start,
    userIds: people.map((_, user) => `${user} of ${id}`),
    numbers: Array.from(
      { length: numbers },
      (_, index) => `+4179${String((first + index) % 10 ** 7).padStart(7, "0")}`
    ),
    preset: settings.preset
  }
}

/** Runs it once, on users of its own, and adds the kinds of answers that were given to `kinds`. */
export const runOnce = (script: Script, kinds: Set<string>) =>
  Effect.gen(function*() {
    const { pass } = yield* FrozenClock.FrozenClock
    const issued = yield* Issued
    const names = newNames(yield* Clock.currentTimeMillis, script)
    const model = new Model(script.settings)
    const placeOf = new Map<Code, number>()
    yield* registerPeople(names)

    for (const [at, command] of script.commands.entries()) {
      for (let round = 0; round < ("times" in command ? command.times : 1); round++) {
        const guess = command.do === "VerifyPhone" ? codeFor(model, command.user, command.guess) : undefined
        const before = model.now
        const outcome = model.run(command)
        yield* pass(model.now - before)
        const answer = yield* perform(command, names, guess && issued[placeOf.get(guess)!])
        yield* compare({ at, command, model: outcome.answer, system: answer })
        if (outcome.made !== undefined) placeOf.set(outcome.made, issued.length - 1)
        for (const kind of kindsOf(command, outcome)) kinds.add(kind)
      }
    }
    for (const user of people.keys()) {
      const system = yield* ofSystem(user, names)
      yield* compare({ at: "end", command: { user }, model: ofModel(model.people, user, placeOf), system })
    }
  }).pipe(
    Effect.provide(layerOperations(script.settings), { local: true }),
    Effect.provide(FrozenClock.layer, { local: true }),
    // What fails in any other way, be it the model itself, is told with a seed too.
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      return error instanceof Disagreement
        ? Effect.fail(error)
        : new Disagreement({ at: "end", command: { user: -1 }, model: undefined, system: Cause.pretty(cause) })
    })
  )

const registerPeople = Effect.fnUntraced(function*({ userIds }: Names) {
  const users = yield* Users
  for (const [user, person] of people.entries()) {
    if (person === undefined) continue
    const { kind, organization, state } = person
    const userId = UserId.make(userIds[user]!)
    yield* Effect.orDie(users.register({ userId, resourceOwner: OrganizationId.make(organization), kind, state }))
  }
})

/** Without what is undefined, which is as good as absent. */
const defined = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const compare = (found: ConstructorParameters<typeof Disagreement>[0]) =>
  isDeepStrictEqual(defined(found.model), defined(found.system)) ? Effect.void : new Disagreement(found)

type Once<R> = (script: Script) => Effect.Effect<void, Disagreement, R>

/** Runs it, and fails with a report where the two disagree. `once` is `runOnce` on stores that it may use. */
export const agree = <R>(script: Script, once: Once<R>) =>
  once(script).pipe(
    Effect.catchTag("Disagreement", (found) =>
      Effect.flatMap(shorten(script, once), (short) => Effect.fail(new Error(report(script, found, short)))))
  )

/** Leaves out one command after the other, as long as the two disagree without it. */
const shorten = Effect.fnUntraced(function*<R>(script: Script, once: Once<R>) {
  let commands = script.commands
  for (let index = commands.length - 1; index >= 0; index--) {
    const fewer = commands.toSpliced(index, 1)
    const agreed = yield* once({ ...script, commands: fewer }).pipe(
      Effect.as(true),
      Effect.catchTag("Disagreement", () => Effect.succeed(false))
    )
    if (!agreed) commands = fewer
  }
  return commands
})

const report = (
  { commands, seed, settings }: Script,
  { at, command, model, system }: Disagreement,
  short: ReadonlyArray<Command>
): string =>
  [
    `MODEL_SEED=${seed} npx vitest run test/model replays this.`,
    `settings  ${JSON.stringify(settings)}`,
    `command   ${at === "end" ? "none, but after all" : at + 1} of ${commands.length}: ${JSON.stringify(command)}`,
    `model     ${JSON.stringify(model)}`,
    `system    ${JSON.stringify(system)}`,
    `The same with ${short.length} commands:`,
    ...short.map((one) => `  ${JSON.stringify(one)}`)
  ].join("\n")
