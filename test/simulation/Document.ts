/** The tables of docs/security.md and its neighbours, so that what they say is what the tests measure. */
import { readFileSync } from "node:fs"
import { join } from "node:path"

const read = (page: string) => readFileSync(join(import.meta.dirname, `../../docs/${page}.md`), "utf8")

const cells = (line: string): ReadonlyArray<string> => line.split("|").slice(1, -1).map((cell) => cell.trim())

/** The rows of the first table under a heading, each by the names of its columns. */
export const table = (heading: string, page = "security"): ReadonlyArray<Readonly<Record<string, string>>> => {
  const [, section = ""] = read(page).split(`\n## ${heading}\n`)
  const [header, , ...rows] = section.split("\n## ")[0]!.split("\n").filter((line) => line.startsWith("|"))
  if (header === undefined) throw new Error(`docs/${page}.md has no table under "${heading}"`)
  const names = cells(header)
  return rows.map((row) => Object.fromEntries(cells(row).map((cell, index) => [names[index]!, cell])))
}

/** Whether docs/security.md says this, however its lines are broken. */
export const says = (sentence: string): boolean => read("security").replace(/\s+/g, " ").includes(sentence)

/** The text between backticks. */
export const plain = (cell: string): string => cell.replace(/^`(.*)`$/, "$1")
