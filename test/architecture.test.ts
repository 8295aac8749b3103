/** The rules that the tree keeps: which folder may import which, no cycles, small files, and a light package root. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve } from "node:path"
import * as Errors from "../src/core/Errors.ts"
import * as Status from "../src/http/Status.ts"

const root = resolve(import.meta.dirname, "..")

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => join(folder, name))

/** What a source file imports: files of this project by their path, anything else by its name. */
const importsOf = (file: string, source = readFileSync(join(root, file), "utf8")): ReadonlyArray<string> =>
  Array.from(
    source.matchAll(/^(?:import|export)\s+(?:[\w$*{},\s]+?\sfrom\s+)?["']([^"'\n]+)["']|import\(["']([^"']+)["']\)/gm),
    (match) => {
      const name = match[1] ?? match[2]!
      return name.startsWith(".") ? relative(root, resolve(root, dirname(file), name)) : name
    }
  )

/** What the files of a folder may import. */
const arrows: Readonly<Record<string, (name: string) => boolean>> = {
  "src/core": (name) =>
    name.startsWith("src/core/") || name === "libphonenumber-js/max" ||
    (name.startsWith("effect/") && !/^effect\/(http|http-api|sql|rpc|net|socket)(\/|$)/.test(name)),
  "src/adapters": (name) =>
    /^src\/(core|adapters)\//.test(name) ||
    /^(effect\/|@effect\/sql-pg\/|jose$|intl-messageformat$|@aws-sdk\/client-sns$|node:crypto$)/.test(name),
  "src/testing": (name) => /^src\/(core|testing)\//.test(name) || /^(effect\/|@effect\/vitest$)/.test(name),
  "src/http": (name) =>
    /^src\/(core|http)\//.test(name) || name.startsWith("effect/") || name.startsWith("@effect/platform-node/") ||
    /^(node:|@bufbuild\/protobuf(\/|$)|@connectrpc\/connect(\/|$))/.test(name)
}

const violations = (folder: string, files: ReadonlyArray<readonly [file: string, imports: ReadonlyArray<string>]>) =>
  files.flatMap(([file, imports]) =>
    imports.filter((name) => !arrows[folder]!(name)).map((name) => `${file} -> ${name}`)
  )

const cycles = (graph: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const done = new Set<string>()
  const visit = (file: string, path: ReadonlyArray<string>) => {
    if (path.includes(file)) return void found.push([...path.slice(path.indexOf(file)), file].join(" -> "))
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

const sources = filesIn("src")
/** What `npm run generate` makes of `proto/` has a form of its own. */
const handWritten = sources.filter((file) => !file.startsWith("src/http/gen/"))
const graph = new Map(sources.map((file) => [file, importsOf(file)]))

describe("the architecture", () => {
  for (const folder of Object.keys(arrows)) {
    it(`lets ${folder} import what it may, and nothing else`, () => {
      const files = sources.filter((file) => file.startsWith(`${folder}/`))
      assert.isNotEmpty(files)
      assert.deepStrictEqual(violations(folder, files.map((file) => [file, graph.get(file)!])), [])
    })
  }

  it("would notice an import against an arrow, however it is written", () => {
    const source =
      `import * as Fs from "node:fs"\nimport type { X } from "../adapters/Memory.ts"\nexport * from "effect/http"
const lazy = import("jose")\nimport "../http/Status.ts"\nimport {\n  a,\n  b\n} from "pg"\nimport * as Effect from "effect/Effect"`
    assert.deepStrictEqual(violations("src/core", [["src/core/X.ts", importsOf("src/core/X.ts", source)]]), [
      "src/core/X.ts -> node:fs",
      "src/core/X.ts -> src/adapters/Memory.ts",
      "src/core/X.ts -> effect/http",
      "src/core/X.ts -> jose",
      "src/core/X.ts -> src/http/Status.ts",
      "src/core/X.ts -> pg"
    ])
  })

  it("keeps node: and platform modules out of all of src/http but the compositions for Node", () => {
    const node = sources.filter((file) =>
      file.startsWith("src/http/") && graph.get(file)!.some((name) => /^node:|platform-node/.test(name))
    )
    assert.deepStrictEqual(node, [
      "src/http/NodeServer.ts",
      "src/http/internal/NodeAnswers.ts",
      "src/http/internal/NodeListener.ts"
    ])
  })

  it("keeps node: modules out of all adapters but the one that is for Node", () => {
    const node = sources.filter((file) =>
      file.startsWith("src/adapters/") && graph.get(file)!.some((name) => name.startsWith("node:"))
    )
    assert.deepStrictEqual(node, ["src/adapters/NodeVaultCrypto.ts"])
  })

  it("has no cycles", () => {
    assert.deepStrictEqual(cycles(graph), [])
    assert.deepStrictEqual(cycles(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])), ["b -> c -> b"])
  })

  it("has no hand-written file over 300 lines, and a median under 130", () => {
    const sizes = [...handWritten, ...filesIn("examples")].map((file) => ({
      file,
      lines: readFileSync(join(root, file), "utf8").split("\n").length - 1
    })).toSorted((a, b) => a.lines - b.lines)
    assert.deepStrictEqual(sizes.filter(({ lines }) => lines > 300), [])
    assert.isBelow(sizes[Math.floor(sizes.length / 2)]!.lines, 130)
  })

  it("starts every hand-written file with a comment on what it is", () => {
    const silent = handWritten.filter((file) => !readFileSync(join(root, file), "utf8").startsWith("/**\n * "))
    assert.deepStrictEqual(silent, [])
  })

  it("says of every export what it is, where an editor shows it", () => {
    const silent = /\/\*\*\n(?: \* @[^\n]*\n)+ \*\/\nexport (?:const|class|interface|type|declare|abstract)[^\n]*/g
    // A type is what the schema of its name says.
    const isOfSchema = (line: string, source: string) => {
      const [, name] = /export type (\w+)/.exec(line) ?? []
      return name !== undefined && new RegExp(`^export const ${name}\\b`, "m").test(source)
    }
    const found = handWritten.filter((file) => !file.includes("/internal/")).flatMap((file) => {
      const source = readFileSync(join(root, file), "utf8")
      return Array.from(source.matchAll(silent), ([match]) => match.split("\n").at(-1)!)
        .filter((line) => !isOfSchema(line, source)).map((line) => `${file}: ${line}`)
    })
    assert.deepStrictEqual(found, [])
    assert.match("/**\n * @since 0.1.0\n */\nexport const silence = 1", silent)
  })

  it("makes no generator function anew for each call, which V8 would keep with all that it sees", () => {
    const anew = (source: string) => /=>\s*(?:\{\s*return\s+)?Effect\.gen\(/.test(source)
    assert.isTrue(anew("const load = (userId: UserId) =>\n  Effect.gen(function*() {\n    yield* find(userId)\n  })"))
    assert.isFalse(anew("const load = Effect.fnUntraced(function*(userId: UserId) {\n  yield* find(userId)\n})"))
    const files = handWritten.filter((file) => !file.startsWith("src/testing/"))
    assert.deepStrictEqual(files.filter((file) => anew(readFileSync(join(root, file), "utf8"))), [])
  })

  it("imports modules of effect, never its barrels", () => {
    const barrels = sources.flatMap((file) =>
      graph.get(file)!.filter((name) => /^effect(\/[a-z-]+)?$/.test(name)).map((name) => `${file} -> ${name}`)
    )
    assert.deepStrictEqual(barrels, [])
  })
})

/** The modules that importing this one loads, in a process of its own. */
const loadedBy = (specifier: string): ReadonlyArray<string> => {
  const script = `
    import { registerHooks } from "node:module"
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    await import(${JSON.stringify(specifier)})
    console.log(JSON.stringify(loaded))`
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: root, encoding: "utf8" })
  )
}

const packagesOf = (loaded: ReadonlyArray<string>) =>
  new Set(
    loaded.map((url) =>
      url.startsWith("node:") ? url : /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? "effect-user-phone"
    )
  )

describe("the package", () => {
  it("loads effect and libphonenumber-js at its root, and nothing of Node or of an optional peer", () => {
    assert.deepStrictEqual([...packagesOf(loadedBy("effect-user-phone"))].toSorted(), [
      "effect",
      "effect-user-phone",
      "libphonenumber-js"
    ])
  })

  it("would notice a module of Node or an optional peer", () => {
    const packages = packagesOf(loadedBy("effect-user-phone/adapters/JoseTokenVerifier"))
    assert.isTrue(packages.has("jose"))
    assert.isTrue(
      [...packagesOf(loadedBy("effect-user-phone/http/NodeServer"))].some((name) => name.startsWith("node:"))
    )
  })

  it("loads nothing of Connect for a server of the JSON endpoints alone", () => {
    const connect = (specifier: string) =>
      [...packagesOf(loadedBy(specifier))].filter((name) => /^@(connectrpc|bufbuild)\//.test(name)).toSorted()
    for (const specifier of ["effect-user-phone/http", "effect-user-phone/http/NodeServer"]) {
      assert.deepStrictEqual(connect(specifier), [])
    }
    const withRpc = ["@bufbuild/protobuf", "@connectrpc/connect"]
    assert.deepStrictEqual(connect("effect-user-phone/http/RpcRoutes"), withRpc)
    assert.deepStrictEqual(connect("effect-user-phone/http/RpcStandard"), withRpc)
  })

  it("loads no optional peer for the operations without Effect, but the client for those in PostgreSQL", () => {
    const plain = ["effect", "effect-user-phone", "libphonenumber-js"]
    const peersOf = (specifier: string) =>
      [...packagesOf(loadedBy(specifier))].filter((name) => !name.startsWith("node:")).toSorted()
    for (const specifier of ["promise", "promise/Memory", "promise/SmsSender"]) {
      assert.includeMembers(plain, peersOf(`effect-user-phone/${specifier}`))
    }
    assert.deepStrictEqual(peersOf("effect-user-phone/promise/Postgres"), ["@effect/sql-pg", ...plain])
  })

  it("gives a browser its contract without the server", () => {
    const loaded = loadedBy("effect-user-phone/http/PhoneApi")
    assert.deepStrictEqual([...packagesOf(loaded)].toSorted(), ["effect", "effect-user-phone"])
    assert.deepStrictEqual(
      loaded.filter((url) => !url.includes("node_modules")).map((url) => url.slice(url.indexOf("/dist/") + 6))
        .toSorted(),
      ["http/Authentication.js", "http/PhoneApi.js", "http/internal/ApiDescription.js"]
    )
  })

  it("is built from the sources that there are, and nothing else", () => {
    const built = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".js"))
      .map((name) => join("src", name.replace(/\.js$/, ".ts")))
    assert.sameMembers(built, [...sources], "remove dist and build again")
  })

  it("lets a host that writes declarations export what it has made of its layers", () => {
    const host = mkdtempSync(join(tmpdir(), "effect-user-phone-test-"))
    try {
      const modules = join(host, "node_modules")
      mkdirSync(modules)
      for (const name of readdirSync(join(root, "node_modules"))) {
        symlinkSync(join(root, "node_modules", name), join(modules, name))
      }
      const installed = join(modules, "effect-user-phone")
      mkdirSync(installed)
      for (const name of ["package.json", "dist"]) cpSync(join(root, name), join(installed, name), { recursive: true })
      const example = readFileSync(join(root, "examples/05-in-your-server.ts"), "utf8")
      writeFileSync(join(host, "server.ts"), example.replaceAll(/^const (layer\w+) =/gm, "export const $1 ="))
      writeFileSync(
        join(host, "parts.ts"),
        `import { Operations } from "effect-user-phone"
        import * as Memory from "effect-user-phone/adapters/Memory"
        import * as Postgres from "effect-user-phone/promise/Postgres"
        export const operations = Operations.layer
        export const memory = Memory.layer
        export const postgres = (options: Postgres.PostgresOptions) => Postgres.layer(options)`
      )
      const compilerOptions = {
        target: "ES2024",
        lib: ["ES2024", "DOM"],
        module: "NodeNext",
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        declaration: true,
        emitDeclarationOnly: true,
        outDir: "out",
        skipLibCheck: true
      }
      writeFileSync(join(host, "package.json"), JSON.stringify({ type: "module" }))
      writeFileSync(join(host, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["server.ts", "parts.ts"] }))
      const { stdout } = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", host], {
        encoding: "utf8"
      })
      assert.strictEqual(stdout, "")
      assert.match(readFileSync(join(host, "out/server.d.ts"), "utf8"), /export declare const layer/)
    } finally {
      rmSync(host, { recursive: true })
    }
  })

  it("lets nobody import its internal modules", () => {
    const internal = sources.filter((file) => file.includes("/internal/"))
    assert.isNotEmpty(internal)
    for (const file of internal) {
      const specifier = file.replace(/^src/, "effect-user-phone").replace(/\.ts$/, "")
      assert.throws(() => import.meta.resolve(specifier), /not defined by "exports"|ERR_PACKAGE_PATH_NOT_EXPORTED/)
    }
    assert.doesNotThrow(() => import.meta.resolve("effect-user-phone/adapters/Memory"))
  })

  it("says of every error of the core what it is on the wire", () => {
    const samples: Readonly<Record<keyof typeof Errors, object>> = {
      Unauthenticated: { reason: "TokenInvalid" },
      PermissionDenied: {},
      NotFound: {},
      InvalidArgument: { request: "SetPhoneRequest", field: "phone", rule: "rule" },
      InvalidPhoneNumber: { reason: "NotValid" },
      UserNotInitialized: {},
      PhoneNotChanged: {},
      NoPhone: {},
      NoPendingCode: {},
      InvalidCode: { reason: "CODE_WRONG", guessesLeft: 4 },
      CodeNotReturnable: {},
      VerificationOff: {},
      TooManyRequests: { reason: "CODES_PER_NUMBER", until: DateTime.makeUnsafe(10_001) },
      IdempotencyKeyReused: {},
      Unavailable: { cause: "PostgreSQL: ConnectionError" }
    }
    assert.deepStrictEqual(Object.keys(samples).toSorted(), Object.keys(Errors).toSorted())
    const wire = Object.entries(Errors).map(([name, Class]) => {
      const error = new (Class as new(fields: object) => Status.CallerError)(samples[name as keyof typeof Errors])
      const { code, httpStatus, message, retryAfter } = Status.of(error, DateTime.makeUnsafe(1000))
      return [httpStatus, code, message, retryAfter]
    })
    assert.sameDeepMembers(wire, [
      [401, 16, "Token is invalid (AUTH-7fs1e)", undefined],
      [403, 7, "No matching permissions found (AUTH-AWfge)", undefined],
      [404, 5, "Phone not found (COMMAND-ieJ2e)", undefined],
      [400, 3, "invalid SetPhoneRequest.Phone: rule", undefined],
      [400, 3, "Phone is invalid (PHONE-so0wa)", undefined],
      [400, 9, "User is not yet initialized (COMMAND-uz0Uu)", undefined],
      [400, 9, "Phone not changed (COMMAND-Uch5e)", undefined],
      [400, 9, "Phone not found (COMMAND-ieJ2e)", undefined],
      [400, 9, "Code is empty (PHONE-5xrra88eq8)", undefined],
      [400, 9, "the code is made by a provider and cannot be returned; ask for it to be sent", undefined],
      [400, 3, "Code is invalid (COMMAND-eis9R)", undefined],
      [
        400,
        9,
        "phone verification is off after too many wrong codes, until it is unlocked by someone with user.write",
        undefined
      ],
      [429, 8, "Too many requests", 10],
      [400, 3, "the idempotency key was used for another request", undefined],
      [503, 14, "the service is unavailable, try again later", 1]
    ])
  })
})
