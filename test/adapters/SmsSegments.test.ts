/** How many SMS a text takes, by hand: a septet for a character, two for one of the extension table, or UTF-16 units. */
import { assert, describe, it } from "@effect/vitest"
import * as SmsSegments from "../../src/adapters/SmsSegments.ts"

const sizes = (texts: ReadonlyArray<string>) =>
  texts.map((text) => {
    const { encoding, parts, units } = SmsSegments.count(text)
    return [encoding, units, parts]
  })

const a = (count: number) => "a".repeat(count)
const zhe = (count: number) => "ж".repeat(count)

describe("The size of a text as SMS", () => {
  it("is one part up to 160 septets, and 153 in each of several", () => {
    assert.deepStrictEqual(sizes([a(1), a(160), a(161), a(306), a(307), a(459), a(460)]), [
      ["GSM-7", 1, 1],
      ["GSM-7", 160, 1],
      ["GSM-7", 161, 2],
      ["GSM-7", 306, 2],
      ["GSM-7", 307, 3],
      ["GSM-7", 459, 3],
      ["GSM-7", 460, 4]
    ])
  })

  it("is one part up to 70 UTF-16 units, and 67 in each of several", () => {
    assert.deepStrictEqual(sizes([zhe(1), zhe(70), zhe(71), zhe(134), zhe(135), zhe(201), zhe(202)]), [
      ["UCS-2", 1, 1],
      ["UCS-2", 70, 1],
      ["UCS-2", 71, 2],
      ["UCS-2", 134, 2],
      ["UCS-2", 135, 3],
      ["UCS-2", 201, 3],
      ["UCS-2", 202, 4]
    ])
  })

  it("counts the extension table twice, and knows all of it", () => {
    assert.deepStrictEqual(sizes(["€", "^{}\\[~]|€\f", a(158) + "€", a(159) + "€", "€".repeat(80)]), [
      ["GSM-7", 2, 1],
      ["GSM-7", 20, 1],
      ["GSM-7", 160, 1],
      ["GSM-7", 161, 2],
      ["GSM-7", 160, 1]
    ])
  })

  it("knows the default alphabet: 127 characters beside the escape", () => {
    const table = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
      "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
    assert.deepStrictEqual(sizes([table]), [["GSM-7", 127, 1]])
  })

  it("is in UCS-2 for a single character that is in neither table", () => {
    const others = ["ç", "á", "í", "ó", "ú", "ê", "ı", "ş", "ő", "ё", "’", "–", "`", "\t", "\u00a0", "α", "\u0301"]
    for (const other of others) {
      assert.strictEqual(SmsSegments.count(a(10) + other).encoding, "UCS-2", `U+${other.codePointAt(0)!.toString(16)}`)
    }
    assert.deepStrictEqual(sizes([a(69) + "ç", a(70) + "ç", "{}[]ç"]), [
      ["UCS-2", 70, 1],
      ["UCS-2", 71, 2],
      ["UCS-2", 5, 1]
    ])
  })

  it("counts a character beyond the first plane as two units, and never tears it apart", () => {
    // 66 and half a pair do not go into a part of 67: the pair moves, and the second part is full one unit earlier.
    assert.deepStrictEqual(
      sizes([
        "👍",
        "👍".repeat(35),
        "👍".repeat(36),
        zhe(66) + "👍" + zhe(65),
        zhe(66) + "👍" + zhe(66),
        zhe(134),
        "👍".repeat(67)
      ]),
      [
        ["UCS-2", 2, 1],
        ["UCS-2", 70, 1],
        ["UCS-2", 72, 2],
        ["UCS-2", 133, 2],
        ["UCS-2", 134, 3],
        ["UCS-2", 134, 2],
        ["UCS-2", 134, 3]
      ]
    )
  })

  it("never tears an escaped character apart either", () => {
    assert.deepStrictEqual(sizes([a(152) + "€" + a(151), a(152) + "€" + a(152), a(153) + "€" + a(151)]), [
      ["GSM-7", 305, 2],
      ["GSM-7", 306, 3],
      ["GSM-7", 306, 2]
    ])
  })

  it("is one part for no text, and for half a pair one unit", () => {
    assert.deepStrictEqual(sizes(["", "\ud83d"]), [["GSM-7", 0, 1], ["UCS-2", 1, 1]])
  })
})
