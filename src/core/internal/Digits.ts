/**
 * Digits of any script, as people type them.
 */

/** The text with the digits of every script as those of ASCII. */
export const asciiDigits = (text: string): string => text.replaceAll(/\p{Nd}/gu, digitOf)

/** Each script has its ten digits in a row, and rows follow each other with or without a gap. */
const digitOf = (character: string): string => {
  const point = character.codePointAt(0)!
  let before = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(point - before - 1))) before++
  return String(before % 10)
}
