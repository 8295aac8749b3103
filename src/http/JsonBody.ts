/**
 * Reads a request's body by protobuf's JSON mapping: members in lowerCamelCase or snake_case, `null` as not set, unknown
 * members ignored. Whatever is wrong becomes an error that names the member and the rule.
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { InvalidArgument } from "../core/Errors.ts"
import { Refused } from "./ErrorResponse.ts"
import * as Status from "./Status.ts"

/**
 * A decoder of bodies for a message type on the wire, whose fields are in lowerCamelCase. No body is an empty message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decoder = <Fields extends Schema.Struct.Fields, A>(
  request: string,
  schema: Schema.Decoder<A> & { readonly fields: Fields }
) => {
  const decode = bytesDecoder(request, schema)
  return Effect.fnUntraced(function*(httpRequest: HttpServerRequest.HttpServerRequest) {
    const type = httpRequest.headers["content-type"]
    if (type !== undefined && !/^application\/json *(;|$)/i.test(type)) {
      return yield* new Refused({ status: Status.wrongContentType })
    }
    return yield* decode(yield* read(request, httpRequest))
  })
}

/**
 * Reads a body to its end, as far as `MaxBodySize` goes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (
  request: string,
  httpRequest: HttpServerRequest.HttpServerRequest
): Effect.Effect<Uint8Array<ArrayBuffer>, InvalidArgument | Refused> =>
  httpRequest.arrayBuffer.pipe(
    Effect.map((buffer) => new Uint8Array(buffer)),
    Effect.mapError(({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? new Refused({ status: Status.bodyTooLarge })
        : new InvalidArgument({ request, rule: "the body could not be read to its end" })
    )
  )

/**
 * As `decoder`, for a body that was read already.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytesDecoder = <Fields extends Schema.Struct.Fields, A>(
  request: string,
  schema: Schema.Decoder<A> & { readonly fields: Fields }
) => {
  const decode = Schema.decodeUnknownEffect(schema)
  const names = Object.keys(schema.fields).map((name) => ({ name, keys: new Set([name, snakeCase(name)]) }))
  const invalid = (field: string | undefined, rule: string) =>
    new InvalidArgument({ request, rule, ...(field === undefined ? {} : { field }) })

  const canonical = Effect.fnUntraced(function*(json: object) {
    const members: Record<string, unknown> = {}
    for (const { keys, name } of names) {
      for (const key of keys) {
        const value = Object.hasOwn(json, key) ? (json as Record<string, unknown>)[key] : undefined
        if (value === undefined || value === null) continue
        if (name in members) {
          return yield* invalid(name, `must not be given as ${name} and as ${snakeCase(name)} at once`)
        }
        members[name] = value
      }
    }
    return members
  })

  return Effect.fnUntraced(function*(bytes: Uint8Array<ArrayBuffer>) {
    const text = yield* Effect.try({
      try: () => utf8.decode(bytes),
      catch: () => invalid(undefined, "the body must be UTF-8")
    })
    const json: unknown = text === "" ? {} : yield* Effect.try({
      try: () => JSON.parse(text),
      catch: () => invalid(undefined, "the body must be JSON")
    })
    if (!Predicate.isObject(json) || Array.isArray(json)) return yield* invalid(undefined, "the body must be an object")
    return yield* decode(yield* canonical(json)).pipe(Effect.mapError(({ issue }) => {
      const [first] = describe(issue).issues
      return invalid(first?.path?.map(String).join(".") || undefined, first?.message ?? "must be of another form")
    }))
  })
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const describe = SchemaIssue.makeFormatterStandardSchemaV1()
