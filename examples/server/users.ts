/**
 * Which users the server knows, from the command line: `npm run users -- add|update|remove|list`. It works on the database
 * of the settings, beside a running server too.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, Layer, Option, Schema } from "effect"
import { UserId, Users } from "effect-user-phone"
import { Argument, Command, Flag } from "effect/cli"
import * as Database from "./Database.ts"
import { reported } from "./Failure.ts"
import * as Settings from "./Settings.ts"

/** What a command could not do, for a person. */
class NotDone extends Data.TaggedError("NotDone")<{ readonly message: string }> {}

const isLanguage = (tag: string): boolean => {
  try {
    // Letters and digits of up to eight would do by their shape, but no language has more than three letters.
    return /^[a-z]{2,3}(-|$)/i.test(tag) && Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}

const id = Argument.String("id").pipe(
  Argument.withDescription("the user's id"),
  Argument.withSchema(UserId.UserId)
)
const organization = Flag.String("organization").pipe(
  Flag.withDescription("the organisation that owns the user"),
  Flag.withSchema(UserId.OrganizationId)
)
const language = Flag.String("language").pipe(
  Flag.withDescription("the preferred language, such as de-CH"),
  Flag.withSchema(
    Schema.String.check(Schema.makeFilter((tag) => isLanguage(tag) || "must be a language tag, such as de-CH"))
  ),
  Flag.optional
)

const add = Command.make(
  "add",
  {
    id,
    organization,
    language,
    machine: Flag.Boolean("machine").pipe(
      Flag.withDescription("a service account, which has no phone"),
      Flag.withDefault(false)
    ),
    initial: Flag.Boolean("initial").pipe(Flag.withDescription("not signed up yet"), Flag.withDefault(false))
  },
  Effect.fn(function*(options) {
    const users = yield* Users.Users
    yield* users.register({
      userId: options.id,
      resourceOwner: options.organization,
      kind: options.machine ? "machine" : "human",
      state: options.initial ? "initial" : "active",
      language: Option.getOrUndefined(options.language)
    }).pipe(Effect.catchTag("UserAlreadyExists", ({ message }) => new NotDone({ message })))
    yield* Console.log(`added ${options.id}`)
  })
).pipe(Command.withDescription("Add a user"))

const update = Command.make(
  "update",
  {
    id,
    organization: Flag.optional(organization),
    language,
    state: Flag.Literals("state", ["initial", "active"]).pipe(
      Flag.withDescription("whether it has signed up"),
      Flag.optional
    )
  },
  Effect.fn(function*(options) {
    const users = yield* Users.Users
    yield* users.update(options.id, {
      ...Option.match(options.organization, { onNone: () => ({}), onSome: (resourceOwner) => ({ resourceOwner }) }),
      ...Option.match(options.state, { onNone: () => ({}), onSome: (state) => ({ state }) }),
      ...Option.match(options.language, { onNone: () => ({}), onSome: (tag) => ({ language: tag }) })
    }).pipe(Effect.catchTag("NotFound", () => new NotDone({ message: `there is no user ${options.id}` })))
    yield* Console.log(`updated ${options.id}`)
  })
).pipe(Command.withDescription("Change what is given and keep the rest"))

const remove = Command.make(
  "remove",
  { id },
  Effect.fn(function*(options) {
    const users = yield* Users.Users
    yield* users.remove(options.id).pipe(
      Effect.catchTag("NotFound", () => new NotDone({ message: `there is no user ${options.id}` }))
    )
    yield* Console.log(`removed ${options.id}, and its phone with it; the id is not used again`)
  })
).pipe(Command.withDescription("Remove a user and its phone"))

const pageSize = 500

const list = Command.make(
  "list",
  {},
  Effect.fn(function*() {
    const users = yield* Users.Users
    let page = yield* users.list({ limit: pageSize })
    while (page.length > 0) {
      for (const user of page) {
        const phone = user.phone === undefined
          ? "no phone"
          : user.phone.verified
          ? "phone verified"
          : "phone not verified"
        yield* Console.log(
          [user.userId, user.resourceOwner, user.kind, user.state, user.language ?? "-", phone].join("\t")
        )
      }
      page = yield* users.list({ after: page[page.length - 1]!.userId, limit: pageSize })
    }
  })
).pipe(Command.withDescription("List users: id, organisation, kind, state, language, phone"))

const users = Command.make("users").pipe(
  Command.withDescription("The users of effect-user-phone's server"),
  Command.withSubcommands([add, update, remove, list]),
  Command.provide(Database.layer.pipe(Layer.provide(Settings.layerDatabase)))
)

NodeRuntime.runMain(
  reported(Effect.provide(Command.run(users, { version: "0.1.0" }), NodeServices.layer)),
  { disableErrorReporting: true }
)
