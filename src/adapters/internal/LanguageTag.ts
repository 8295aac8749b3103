/**
 * Language tags of BCP 47: whether a text is one, and which languages will do for a reader of another.
 */

/**
 * The tag as it should be written (`zh-hant-tw` as `zh-Hant-TW`), or undefined when it is none. The syntax also has
 * languages of four to eight letters, such as `german`, but there are none.
 */
export const canonical = (tag: string): string | undefined => {
  if (!/^[a-z]{2,3}(-|$)/i.test(tag)) return undefined
  try {
    return Intl.getCanonicalLocales(tag)[0]
  } catch {
    return undefined
  }
}

/**
 * A tag and its parents, the nearest first; none for what is no tag. Just before the bare language comes the one with its
 * usual script, so that `zh-TW` finds `zh-Hant` before `zh`. `de_CH` is taken for `de-CH`.
 */
export const lookup = (tag: string): ReadonlyArray<string> => {
  const exact = canonical(tag.replaceAll("_", "-"))
  if (exact === undefined) return []
  const subtags = exact.split("-")
  const language = subtags[0]!
  const parents = subtags.map((_, index) => subtags.slice(0, subtags.length - index))
    // What ends in a single letter announces an extension that has been cut off.
    .filter((left) => left.length > 1 && left.at(-1)!.length > 1)
    .map((left) => left.join("-"))
  const { script } = new Intl.Locale(exact).maximize()
  return [...new Set([...parents, `${language}-${script}`, language, ...(relatives[language] ?? [])])]
}

/** Whose readers read another as well. */
const relatives: Readonly<Record<string, ReadonlyArray<string>>> = { no: ["nb"], nn: ["nb"] }
