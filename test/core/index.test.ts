/** The names by which the core is known at run time. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Core from "../../src/core/index.ts"

interface Named {
  readonly key?: unknown
  readonly identifier?: unknown
  readonly fields?: { readonly _tag?: { readonly schema: { readonly literal: unknown } } }
}

/** The functions, classes, services and schemas of every module, with the names that they carry. */
const named = Object.entries(Core).flatMap(([module, exports]) =>
  Object.entries<Named | undefined>(exports as {})
    .filter(([, value]) => typeof value === "function" || typeof value === "object")
    .map(([name, value]) => ({
      module,
      name,
      key: value?.key,
      identifier: value?.identifier,
      tag: value?.fields?._tag?.schema.literal
    }))
)

const folder = join(import.meta.dirname, "../../src/core")

/** The modules of which there are types only. */
const onlyTypes = ["Verification"]

describe("the core", () => {
  it("is all of its modules", () => {
    const modules = readdirSync(folder).filter((file) => file.endsWith(".ts") && file !== "index.ts")
    assert.sameMembers([...Object.keys(Core), ...onlyTypes], modules.map((file) => file.slice(0, -".ts".length)))
    const index = readFileSync(join(folder, "index.ts"), "utf8")
    for (const module of onlyTypes) assert.match(index, new RegExp(`^export type .* from "./${module}.ts"$`, "m"))
  })

  it("has a key of its own for every service: package, module and, if it is another, name", () => {
    const services = named.filter(({ key }) => typeof key === "string")
    assert.includeMembers(services.map(({ name }) => name), ["SetPhone", "Actor", "UserStore", "PhonePolicy"])
    for (const { key, module, name } of services) {
      assert.strictEqual(key, `effect-user-phone/core/${name === module ? name : `${module}/${name}`}`)
    }
  })

  it("tags every error with its name", () => {
    const errors = named.filter(({ tag }) => tag !== undefined)
    assert.includeMembers(errors.map(({ name }) => name), ["NotFound", "WeakCodeFormat", "UnknownKey", "SmsNotSent"])
    for (const { identifier, name, tag } of errors) assert.deepStrictEqual([tag, identifier], [name, name])
  })
})
