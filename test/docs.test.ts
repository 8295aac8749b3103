/** Every TypeScript block of the pages is held to the types of the package, as a program of a host would be. */
import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((page) => join("docs", page))]

/** The blocks of a page. A comment `<!-- ts … -->` before a block holds what a fragment needs around it; readers do not see it. */
const blocksOf = (page: string): ReadonlyArray<{ readonly line: number; readonly source: string }> => {
  const text = readFileSync(join(root, page), "utf8")
  return Array.from(
    text.matchAll(/(?:^<!-- ts\n([\s\S]*?)^-->\n\n)?^```ts\n([\s\S]*?)^```/gm),
    ({ 0: whole, 1: around = "", 2: block = "", index }) => ({
      line: text.slice(0, index + whole.indexOf("```ts")).split("\n").length,
      // Where nothing is imported or exported it would be no module.
      source: `${around}${block}export {}\n`
    })
  )
}

/** Checks programs as the examples are checked, and answers what is wrong. */
const check = (programs: ReadonlyArray<readonly [name: string, source: string]>): Promise<string> => {
  const folder = join(root, `.pages-${process.pid}`)
  mkdirSync(folder)
  for (const [name, source] of programs) writeFileSync(join(folder, name), source)
  const config = {
    extends: "../examples/tsconfig.json",
    // What a fragment makes, the rest of a host's program uses.
    compilerOptions: { composite: false, noUnusedLocals: false, tsBuildInfoFile: null },
    files: programs.map(([name]) => name),
    include: [],
    references: []
  }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
  return new Promise<string>((done) => {
    execFile(
      join(root, "node_modules/.bin/tsc"),
      ["-p", folder, "--pretty", "false"],
      { cwd: root },
      (error, stdout) => done(error === null ? "" : stdout.replaceAll(/^.*\.pages-\d+[/\\]/gm, ""))
    )
  }).finally(() => rmSync(folder, { recursive: true }))
}

it("the TypeScript on every page is right by its types", async () => {
  const programs = pages.flatMap((page) =>
    blocksOf(page).map(({ line, source }) =>
      [`${basename(page, ".md")}-line-${line}.ts`, source.replaceAll("from \"./", "from \"../examples/")] as const
    )
  )
  assert.isAbove(programs.length, 15)
  const wrong = ["wrong.ts", "export const code: string = 314159\n"] as const
  assert.strictEqual(
    await check([...programs, wrong]),
    "wrong.ts(1,14): error TS2322: Type 'number' is not assignable to type 'string'.\n"
  )
})
