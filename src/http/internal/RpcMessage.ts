/**
 * A request's message from its bytes: well-formed, of the right types, at most one member of each choice. Whatever is
 * wrong is the caller's fault, and no error quotes the message.
 */
import {
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type MessageShape,
  ScalarType
} from "@bufbuild/protobuf"
import { BinaryReader } from "@bufbuild/protobuf/wire"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../../core/Errors.ts"
import { textRule } from "../../core/UserId.ts"
import { atMostOneOf, EmptyMessage } from "../PhoneApi.ts"
import * as JsonBody from "./JsonBody.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type Decoder<I extends DescMessage> = (
  bytes: Uint8Array<ArrayBuffer>
) => Effect.Effect<MessageShape<I>, InvalidArgument>

/**
 * Decodes a message in protobuf's JSON mapping, by the same rules as the JSON endpoints.
 *
 * @category constructors
 * @since 0.1.0
 */
export const jsonDecoder = <I extends DescMessage>(message: I): Decoder<I> => {
  const fields = Schema.Struct(
    Object.fromEntries(message.fields.map((field) => [field.localName, Schema.optionalKey(jsonType(field))]))
  )
  const choices = choicesOf(message).map(atMostOneOf)
  const decode = JsonBody.bytesDecoder(
    message.name,
    fields.check(Schema.makeFilter((members) => choices.map((choice) => choice(members)).find((issue) => issue)))
  )
  return (bytes) =>
    Effect.map(decode(bytes), (members) => fromJson(message, wellFormed(members), { ignoreUnknownFields: true }))
}

/** A field as the JSON mapping has it. Requests consist of texts, flags and empty messages. */
const jsonType = ({ fieldKind, localName, scalar }: DescField): Schema.Codec<unknown> => {
  if (fieldKind === "message") return EmptyMessage
  if (scalar === ScalarType.BOOL) return Schema.Boolean.annotate({ message: "must be true or false" })
  const text = Schema.String.annotate({ message: "must be a string" })
  // An id that was made well-formed could be another user's.
  return localName === "userId" ? text.check(Schema.makeFilter((id) => id.isWellFormed() || textRule)) : text
}

/** Protobuf has no ill-formed text. The replacement characters make neither a number nor a code. */
const wellFormed = (members: object): JsonObject =>
  Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name, typeof value === "string" ? value.toWellFormed() : value])
  )

/**
 * Decodes a message in protobuf's binary encoding.
 *
 * @category constructors
 * @since 0.1.0
 */
export const binaryDecoder = <I extends DescMessage>(message: I): Decoder<I> => {
  const names = new Map(message.fields.map(({ localName, number }) => [number, localName]))
  const choices = choicesOf(message).map(atMostOneOf)
  const invalid = (rule: string, field?: string) =>
    Effect.fail(new InvalidArgument({ request: message.name, rule, ...(field === undefined ? {} : { field }) }))

  return (bytes) => {
    let decoded: MessageShape<I>
    let members: object
    try {
      decoded = fromBinary(message, bytes)
      members = membersOf(bytes, names)
    } catch {
      return invalid("the message must be protobuf of this type")
    }
    for (const choice of choices) {
      const broken = choice(members)
      if (broken !== undefined) return invalid(broken.issue, broken.path[0])
    }
    return Effect.succeed(decoded)
  }
}

/**
 * The fields that are set in the bytes. For a choice, protobuf itself would take the last member and forget the others.
 */
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
