/**
 * The default alphabet of SMS (GSM 03.38 with its extension table). A text with any other character goes out as UCS-2.
 */

const basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"

const extension = "\f^{}\\[~]|€"

const alphabet: ReadonlySet<string> = new Set(basic + extension)

/** Whether every character of a text is in the alphabet. */
export const fits = (text: string): boolean => Array.from(text).every((character) => alphabet.has(character))
