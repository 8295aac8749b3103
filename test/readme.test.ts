/** The README's first screen does what it says. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import * as Errors from "../src/core/Errors.ts"
import * as Status from "../src/http/Status.ts"

const root = resolve(import.meta.dirname, "..")
const readme = readFileSync(join(root, "README.md"), "utf8")

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

  for (
    const page of [
      "README.md",
      "CONTRIBUTING.md",
      "docs/embedding.md",
      "docs/server.md",
      "docs/security.md",
      "docs/sms-texts.md",
      "docs/grpc.md"
    ]
  ) {
    it(`and its pages link to what exists: ${page}`, () => {
      const text = readFileSync(join(root, page), "utf8")
      for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        assert.isTrue(existsSync(resolve(root, dirname(page), link!)), link)
      }
    })
  }

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
