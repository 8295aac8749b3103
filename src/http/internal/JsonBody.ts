/**
 * Reads a request's body by protobuf's JSON mapping: members in lowerCamelCase or snake_case, `null` as not set,
 * unknown members ignored. Whatever is wrong becomes an error that names the rule, and the member if it is about one.
 */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { InvalidArgument } from "../../core/Errors.ts"
import { Refused } from "../ErrorResponse.ts"
import * as Status from "../Status.ts"
import { RequestBody } from "./RequestBody.ts"

/**
 * A decoder of bodies for a message type on the wire, whose fields are in lowerCamelCase. A missing body counts as an
 * empty message, whatever its content type.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decoder = <Fields extends Schema.Struct.Fields, A>(
  request: string,
  schema: Schema.Decoder<A> & { readonly fields: Fields }
) => {
  const decode = bytesDecoder(request, schema)
  return (httpRequest: HttpServerRequest.HttpServerRequest): Effect.Effect<A, InvalidArgument | Refused> => {
    const { "content-encoding": encoding = "identity", "content-type": type } = httpRequest.headers
    if (encoding.toLowerCase() !== "identity") return Effect.fail(new Refused({ status: Status.wrongContentEncoding }))
    const isJson = type === undefined || /^application\/json *(;|$)/i.test(type)
    return Effect.flatMap(
      read(request, httpRequest),
      (bytes): Effect.Effect<A, InvalidArgument | Refused> =>
        isJson || bytes.length === 0 ? decode(bytes) : Effect.fail(new Refused({ status: Status.wrongContentType }))
    )
  }
}

/**
 * Reads a body to its end; one that is longer than `RequestBody.longest` is refused.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (
  request: string,
  httpRequest: HttpServerRequest.HttpServerRequest
): Effect.Effect<Uint8Array<ArrayBuffer>, InvalidArgument | Refused> =>
  Effect.flatMap(RequestBody, (read) => read(httpRequest)).pipe(
    Effect.mapError(({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? new Refused({ status: Status.bodyTooLarge })
        : new InvalidArgument({ request, rule: "the body could not be read to its end" })
    )
  )

/**
 * Like `decoder`, for a body that was already read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytesDecoder = <Fields extends Schema.Struct.Fields, A>(
  request: string,
  schema: Schema.Decoder<A> & { readonly fields: Fields }
) => {
  const decode = Schema.decodeUnknownExit(schema)
  const names = Object.keys(schema.fields).map((name) => ({ name, keys: new Set([name, snakeCase(name)]) }))
  const invalid = (field: string | undefined, rule: string) =>
    Effect.fail(new InvalidArgument({ request, rule, ...(field === undefined ? {} : { field }) }))

  return (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<A, InvalidArgument> => {
    const text = decodeUtf8(bytes)
    if (text === undefined) return invalid(undefined, "the body must be UTF-8")
    const json = /^[ \t\r\n]*$/.test(text) ? {} : parseJson(text)
    if (json === undefined) return invalid(undefined, "the body must be JSON")
    if (!Predicate.isObject(json) || Array.isArray(json)) return invalid(undefined, "the body must be an object")

    const members: Record<string, unknown> = {}
    for (const { keys, name } of names) {
      for (const key of keys) {
        const value = Object.hasOwn(json, key) ? (json as Record<string, unknown>)[key] : undefined
        if (value === undefined || value === null) continue
        if (name in members) return invalid(name, `must not be given as ${name} and as ${snakeCase(name)} at once`)
        members[name] = value
      }
    }
    return Effect.catchEager(decode(members), ({ issue }) => {
      const [first] = describe(issue).issues
      return invalid(first?.path?.map(String).join(".") || undefined, first?.message ?? "must be of another form")
    })
  }
}

/** The text, or undefined if the bytes are not UTF-8. */
const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The value, or undefined if the text is not JSON: no JSON value is undefined. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const describe = SchemaIssue.makeFormatterStandardSchemaV1()
