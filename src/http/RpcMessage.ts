/**
 * What a request's message has to be before Connect parses it: well-formed, of the right types, at most one member of each
 * choice. Left alone Connect takes a malformed message for a failure of the server, and its errors quote the message.
 */
import { type DescField, type DescMessage, fromBinary, ScalarType } from "@bufbuild/protobuf"
import { BinaryReader } from "@bufbuild/protobuf/wire"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../core/Errors.ts"
import { textRule } from "../core/UserId.ts"
import * as JsonBody from "./JsonBody.ts"
import { atMostOneOf, EmptyMessage } from "./PhoneApi.ts"

/**
 * Checks the bytes of a message, and returns bytes that Connect takes.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = (bytes: Uint8Array<ArrayBuffer>) => Effect.Effect<Uint8Array<ArrayBuffer>, InvalidArgument>

/**
 * The check of a message in protobuf's JSON mapping: the same as of the JSON endpoints.
 *
 * @category constructors
 * @since 0.1.0
 */
export const jsonCheck = (message: DescMessage): Check => {
  const fields = Schema.Struct(
    Object.fromEntries(message.fields.map((field) => [field.localName, Schema.optionalKey(jsonType(field))]))
  )
  const choices = choicesOf(message).map(atMostOneOf)
  const decode = JsonBody.bytesDecoder(
    message.name,
    fields.check(Schema.makeFilter((members) => choices.map((choice) => choice(members)).find((issue) => issue)))
  )
  return (bytes) =>
    Effect.map(decode(bytes), (members) => new TextEncoder().encode(JSON.stringify(members, wellFormed)))
}

/** A field as the JSON mapping has it. Requests consist of texts, flags and empty messages. */
const jsonType = ({ fieldKind, localName, scalar }: DescField): Schema.Codec<unknown> => {
  if (fieldKind === "message") return EmptyMessage
  if (scalar === ScalarType.BOOL) return Schema.Boolean.annotate({ message: "must be true or false" })
  const text = Schema.String.annotate({ message: "must be a string" })
  // Made well-formed, it might be the id of someone else.
  return localName === "userId" ? text.check(Schema.makeFilter((id) => id.isWellFormed() || textRule)) : text
}

/** Protobuf has no ill-formed text; what it is replaced by is neither a number nor a code either. */
const wellFormed = (_key: string, value: unknown): unknown => typeof value === "string" ? value.toWellFormed() : value

/**
 * The check of a message in protobuf's binary encoding.
 *
 * @category constructors
 * @since 0.1.0
 */
export const binaryCheck = (message: DescMessage): Check => {
  const names = new Map(message.fields.map(({ localName, number }) => [number, localName]))
  const choices = choicesOf(message).map(atMostOneOf)
  const invalid = (rule: string, field?: string) =>
    new InvalidArgument({ request: message.name, rule, ...(field === undefined ? {} : { field }) })

  return Effect.fnUntraced(function*(bytes) {
    const members = yield* Effect.try({
      try: () => {
        fromBinary(message, bytes)
        return membersOf(bytes, names)
      },
      catch: () => invalid("the message must be protobuf of this type")
    })
    for (const choice of choices) {
      const broken = choice(members)
      if (broken !== undefined) return yield* invalid(broken.issue, broken.path[0])
    }
    return bytes
  })
}

/** The fields that are set in the bytes. Of a choice protobuf itself would take the last and forget the others. */
const membersOf = (bytes: Uint8Array, names: ReadonlyMap<number, string>): object => {
  const members: Record<string, true> = {}
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    reader.skip(wireType, number)
    const name = names.get(number)
    if (name !== undefined) members[name] = true
  }
  return members
}

const choicesOf = ({ oneofs }: DescMessage): ReadonlyArray<ReadonlyArray<string>> =>
  oneofs.map(({ fields }) => fields.map(({ localName }) => localName))
