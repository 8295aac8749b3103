/**
 * Language tags of BCP 47: whether a text is one, and which languages will do for a reader of another.
 */

/**
 * The tag as it should be written (`zh-hant-tw` as `zh-Hant-TW`), or undefined when it is none. The syntax also has
 * languages of four to eight letters, such as `german`, but there are none; and a tag may have no end.
 */
export const canonical = (tag: string): string | undefined => {
  if (tag.length > longest || !/^[a-z]{2,3}(-|$)/i.test(tag)) return undefined
  try {
    return Intl.getCanonicalLocales(tag)[0]
  } catch {
    return undefined
  }
}

/** RFC 5646 §4.4.1 has room for any that is in use in 35 characters. */
const longest = 100

/**
 * A tag and its parents, the nearest first; none for what is no tag. Just before the bare language comes the one with its
 * usual script, so that `zh-TW` finds `zh-Hant` before `zh`. `de_CH` is taken for `de-CH`.
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

/** Whose readers read another as well. */
const relatives: Readonly<Record<string, ReadonlyArray<string>>> = { no: ["nb"], nn: ["nb"] }
