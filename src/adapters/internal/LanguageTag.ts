/**
 * Language tags of BCP 47: whether a text is one, and which languages will do for a reader of another language.
 */

/**
 * The tag in its proper spelling (`zh-hant-tw` as `zh-Hant-TW`), or undefined if it is not a tag. The syntax allows
 * languages of four to eight letters, such as `german`, but none exist; and it sets no limit to the length of a tag.
 */
export const canonical = (tag: string): string | undefined => {
  if (tag.length > longest || !/^[a-z]{2,3}(-|$)/i.test(tag)) return undefined
  try {
    return Intl.getCanonicalLocales(tag)[0]
  } catch {
    return undefined
  }
}

/** By RFC 5646 §4.4.1, any tag in use fits in 35 characters. */
const longest = 100

/**
 * A tag and its parents, the nearest first; empty for a text that is not a tag. Just before the bare language comes the
 * one with its usual script, so that `zh-TW` finds `zh-Hant` before `zh`. `de_CH` is read as `de-CH`.
 */
export const lookup = (tag: string): ReadonlyArray<string> => {
  const exact = canonical(tag.replaceAll("_", "-"))
  if (exact === undefined) return []
  const subtags = exact.split("-")
  const language = subtags[0]!
  const parents = subtags.slice(1).map((_, index) => subtags.slice(0, subtags.length - index).join("-"))
  const { script } = new Intl.Locale(exact).maximize()
  return [...parents, `${language}-${script}`, language, ...(relatives[language] ?? [])]
}

/** Languages whose readers also read another. */
const relatives: Readonly<Record<string, ReadonlyArray<string>>> = { no: ["nb"], nn: ["nb"] }
