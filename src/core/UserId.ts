/**
 * The identifiers that the host gives: of a user, and of the organisation that owns it.
 */
import * as Schema from "effect/Schema"

/** The rule for the length of an identifier, and of a number as it is written, in the words of the wire. */
export const lengthRule = "value length must be between 1 and 200 runes, inclusive"

/** What can be stored and compared everywhere: well-formed Unicode without the character U+0000. */
export const textRule = "value must be well-formed text without the character U+0000"

/** Whether a text satisfies `textRule`. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes("\0")

const Identifier = Schema.String.check(
  Schema.isBetweenCodePoints(1, 200, { expected: lengthRule }),
  Schema.makeFilter((text) => isStorable(text) || textRule)
)

/**
 * A user's id: 1 to 200 code points, chosen by the host.
 *
 * @category models
 * @since 0.1.0
 */
export const UserId = Identifier.pipe(Schema.brand("UserId"))

/**
 * @category models
 * @since 0.1.0
 */
export type UserId = typeof UserId.Type

/**
 * The id of the organisation that owns a user, the `resourceOwner` of the wire: 1 to 200 code points.
 *
 * @category models
 * @since 0.1.0
 */
export const OrganizationId = Identifier.pipe(Schema.brand("OrganizationId"))

/**
 * @category models
 * @since 0.1.0
 */
export type OrganizationId = typeof OrganizationId.Type
