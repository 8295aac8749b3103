/**
 * Turns plain values into what the operations take, or says what is wrong with them: in JavaScript they may be
 * anything.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Actor from "../../core/Actor.ts"
import * as Errors from "../../core/Errors.ts"
import { OrganizationId, UserId } from "../../core/UserId.ts"
import type { Caller } from "../UserPhones.ts"

/** Stands for a request that was left out: it has no members, so each required one is refused by name. */
export const nothing = {} as never

const invalid = (request: string, field: string, rule: string) =>
  Effect.fail(new Errors.InvalidArgument({ request, field, rule }))

export const secretOf = (
  request: string,
  field: string,
  text: unknown
): Effect.Effect<Redacted.Redacted, Errors.InvalidArgument> =>
  typeof text === "string" ? Effect.succeed(Redacted.make(text)) : invalid(request, field, "must be a text")

export const identifier = <A extends string>(field: string, text: unknown, schema: Schema.Decoder<A>) =>
  Effect.catch(Schema.decodeUnknownEffect(schema)(text), () => invalid("User", field, idRule))

const idRule = "must be a text of 1 to 200 characters"

export const oneOf = <A extends string>(field: string, given: A, words: ReadonlyArray<A>) =>
  words.includes(given)
    ? Effect.succeed(given)
    : invalid("User", field, `must be one of ${words.join(", ")}`)

/** Many database clients give null for an empty column. */
export const languageText = (given: string | null | undefined) => {
  const language = given ?? undefined
  return language === undefined || typeof language === "string"
    ? Effect.succeed(language)
    : invalid("User", "language", "must be a text")
}

const decodeCaller = Schema.decodeUnknownOption(Schema.Struct({
  userId: UserId,
  organization: OrganizationId,
  grants: Schema.optional(
    Schema.Record(OrganizationId, Schema.Array(Schema.Literals(["user.read", "user.write"])))
  )
}))

export const actorOf = (caller: Caller): Actor.Actor["Service"] => {
  const decoded = decodeCaller(caller)
  if (decoded._tag === "Some") return Actor.make(decoded.value)
  throw new Errors.InvalidArgument({
    request: "Caller",
    rule: `must have userId and organization, each ${
      idRule.replace("must be ", "")
    }, and as grants lists of user.read and user.write`
  })
}
