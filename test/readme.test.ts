/** The README's first screen does what it says. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, matchesGlob, resolve } from "node:path"
import * as Errors from "../src/core/Errors.ts"
import * as Status from "../src/http/Status.ts"

const root = resolve(import.meta.dirname, "..")
const readme = readFileSync(join(root, "README.md"), "utf8")
const docs = readdirSync(join(root, "docs")).map((page) => `docs/${page}`)

/** The files of this project that a page links to. */
const linksOf = (page: string): ReadonlyArray<string> =>
  Array.from(
    readFileSync(join(root, page), "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g),
    ([, link]) => join(dirname(page), link!)
  )

/** The headings of a page, as links name them. */
const anchorsOf = (page: string): ReadonlyArray<string> =>
  Array.from(
    readFileSync(join(root, page), "utf8").matchAll(/^#+ (.+)$/gm),
    ([, heading]) => heading!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
  )

describe("the README", () => {
  it("prints a code with its first example, exactly as it stands, which is examples/01-first-call.ts", () => {
    const [, example] = /```ts\n([\s\S]*?)```/.exec(readme)!
    assert.strictEqual(example, readFileSync(join(root, "examples/01-first-call.ts"), "utf8"))
    assert.isAtMost(example!.trimEnd().split("\n").length, 15)
    const file = join(root, "examples", `readme-${process.pid}.ts`)
    writeFileSync(file, example!)
    try {
      assert.match(execFileSync(process.execPath, [file], { cwd: root, encoding: "utf8" }), /^The code is \d{6}\n$/)
    } finally {
      rmSync(file)
    }
  })

  for (const page of ["README.md", "CONTRIBUTING.md", ...docs]) {
    it(`and its pages link to what exists: ${page}`, () => {
      for (const link of linksOf(page)) assert.isTrue(existsSync(join(root, link)), link)
    })

    it(`and its pages link to headings that exist: ${page}`, () => {
      const text = readFileSync(join(root, page), "utf8")
      for (const [, target, anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)) {
        assert.include(anchorsOf(target === "" ? page : join(dirname(page), target!)), anchor)
      }
    })
  }

  it("and its pages link to nothing that the npm package lacks", () => {
    const { files }: { readonly files: ReadonlyArray<string> } = JSON.parse(
      readFileSync(join(root, "package.json"), "utf8")
    )
    // A file, what is in a folder, or the folder of what is packed.
    const isPacked = (link: string) =>
      ["README.md", "package.json", ...files].some((path) =>
        matchesGlob(link, path) || link.startsWith(`${path}/`) || path.startsWith(`${link}/`)
      )
    for (const page of ["README.md", ...docs]) {
      assert.deepStrictEqual(linksOf(page).filter((link) => !isPacked(link)), [], page)
    }
  })

  it("and CONTRIBUTING.md name files of this repository that exist", () => {
    for (const page of ["README.md", "CONTRIBUTING.md"]) {
      const text = readFileSync(join(root, page), "utf8")
      for (const [, path] of text.matchAll(/`((?:src|test|examples|bench|proto|docs)\/[\w./-]*)`/g)) {
        assert.isTrue(existsSync(join(root, path!)), path)
      }
    }
  })

  it("has further examples that run", () => {
    const output = execFileSync(process.execPath, [join(root, "examples/02-prove-a-number.ts")], { encoding: "utf8" })
    assert.strictEqual(
      output,
      "CODE_WRONG, 4 guesses left\nThe number is proven\nThe number is gone, after 6 changes\n"
    )
  })

  it("names every error with the codes that it has on the wire", () => {
    const rows = Array.from(readme.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (\d+) +\|/gm), ([, name, http, grpc]) => [
      name,
      Number(http),
      Number(grpc)
    ])
    assert.deepStrictEqual(rows.map(([name]) => name).toSorted(), Object.keys(Errors).toSorted())
    assert.deepStrictEqual(rows, rows.map(([name]) => [name, ...Status.codesOf(name as Status.CallerError["_tag"])]))
  })
})
