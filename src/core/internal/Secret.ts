/**
 * Secrets as they come in from outside and go out again.
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * A value that is `Redacted` once it is decoded, as with `Schema.RedactedFromValue`. That schema makes two `Redacted`
 * for each value that it decodes and another for each that it encodes, and nothing else in a request costs the garbage
 * collector as much.
 */
export const secret = <S extends Schema.Top>(value: S, options?: { readonly label: string }) => {
  const isValue = Schema.is(Schema.toType(value))
  const isSecret = (u: unknown): u is Redacted.Redacted<S["Type"]> =>
    Redacted.isRedacted(u) && isValue(Redacted.value(u))
  return value.pipe(
    Schema.decodeTo(
      Schema.declare(isSecret, { expected: "Redacted" }),
      SchemaTransformation.transform<Redacted.Redacted<S["Type"]>, S["Type"]>({
        decode: (plain) => Redacted.make(plain, options),
        encode: Redacted.value
      })
    )
  )
}
