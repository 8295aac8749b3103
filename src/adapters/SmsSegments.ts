/**
 * The number of parts in which a text travels as SMS; providers charge for each part.
 *
 * A part holds 140 octets: 160 characters of the GSM 7-bit default alphabet, or 70 UTF-16 units as soon as one
 * character is not in that alphabet. In a message of several parts, each gives some of its room to a header that joins
 * them.
 */

/**
 * The size of a text as SMS.
 *
 * @category models
 * @since 0.1.0
 */
export interface SmsSize {
  readonly encoding: "GSM-7" | "UCS-2"
  /** Septets in GSM-7, where a character of the extension table takes two; UTF-16 units in UCS-2. */
  readonly units: number
  /** At least 1: an empty text is a message too. */
  readonly parts: number
}

/**
 * Counts a text. A character of two units is never split: if a part has only one unit left, the character moves to the
 * next part.
 *
 * @category conversions
 * @since 0.1.0
 */
export const count = (text: string): SmsSize => {
  const characters = Array.from(text)
  const encoding = characters.every((character) => basic.has(character) || extension.has(character)) ? "GSM-7" : "UCS-2"
  const sizeOf = encoding === "GSM-7"
    ? (character: string) => extension.has(character) ? 2 : 1
    : (character: string) => character.length
  const { alone, joined } = room[encoding]
  let units = 0
  let parts = 1
  let inPart = 0
  for (const character of characters) {
    const size = sizeOf(character)
    units += size
    inPart += size
    if (inPart > joined) {
      parts++
      inPart = size
    }
  }
  return { encoding, units, parts: units <= alone ? 1 : parts }
}

/** Units in a part that is alone, and in one that is joined with others. */
const room = {
  "GSM-7": { alone: 160, joined: 153 },
  "UCS-2": { alone: 70, joined: 67 }
}

/** The default alphabet of 3GPP TS 23.038, which has a capital Ç and no small one. */
const basic: ReadonlySet<string> = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

/** The characters that need an escape before them. */
const extension: ReadonlySet<string> = new Set("\f^{}\\[~]|€")
