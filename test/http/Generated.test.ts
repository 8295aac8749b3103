/** The generated code is what the generator makes of `proto/` today. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

const filesIn = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .map((file) => [file.slice(folder.length + 1), readFileSync(file, "utf8")])
  )

describe("src/http/gen", () => {
  it("is up to date with proto; if not, run `npm run generate`", () => {
    const temporary = mkdtempSync(join(tmpdir(), "generated-"))
    try {
      const bin = join(root, "node_modules/.bin")
      execFileSync(
        join(bin, "buf"),
        ["generate", "proto", "--template", "proto/buf.gen.yaml", "--output", temporary],
        { cwd: root, env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` }, stdio: "pipe" }
      )
      assert.deepStrictEqual(filesIn(join(root, "src/http/gen")), filesIn(join(temporary, "src/http/gen")))
    } finally {
      rmSync(temporary, { recursive: true })
    }
  }, 60_000)
})
