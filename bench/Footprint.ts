/**
 * What the product weighs, each beside its own yardstick in the same run: its memory under load beside an idle server with the
 * same imports, and beside itself after many more requests; its start beside that server's; the import of the package's
 * root beside the import of what that imports. On Linux. `npm run bench:footprint`; `REQUESTS` and `ROUNDS` make it shorter.
 */
import { Console, Effect, type Redacted } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import * as Database from "./Database.ts"
import { closedLoop, type Load, setPhone } from "./Load.ts"
import * as Processes from "./Processes.ts"
import * as Product from "./Product.ts"
import { compare, median } from "./Rounds.ts"

const requests = Number(process.env["REQUESTS"] ?? 1_000_000)
const rounds = Number(process.env["ROUNDS"] ?? 7)
const early = 50_000
const users = 10_000
const here = import.meta.dirname

const tell = (what: string, value: number, most: number) =>
  Effect.gen(function*() {
    if (value > most) process.exitCode = 1
    yield* Console.log(`${value <= most ? "kept" : "MISSED"}: ${what} ${value.toFixed(2)}, at most ${most}\n`)
  })

/** What these modules import, themselves and what they reach by relative imports, that is not relative. */
const importsOf = (entry: string): ReadonlyArray<string> => {
  const [seen, packages] = [new Set<string>(), new Set<string>()]
  const visit = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(importing)) {
      if (specifier!.startsWith(".")) visit(resolve(dirname(path), specifier!))
      else packages.add(specifier!)
    }
  }
  visit(entry)
  return Array.from(packages)
}

const importing = /^(?:import|export)\s(?:[\w\s{},*$]+\sfrom\s)?"([^"]+)";?$/gm

/** How long a process needs for the import of a module, in milliseconds. */
const importTime = (path: string) =>
  Effect.sync(() =>
    Number(execFileSync(process.execPath, [
      "--input-type=module",
      "--eval",
      "const start = performance.now(); await import(process.argv[1]); process.stdout.write(String(performance.now() - start))",
      path
    ]))
  )

const imports = Effect.gen(function*() {
  const root = resolve(here, "../dist/core/index.js")
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-user-phone-bench-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const packages = importsOf(root)
  const yardstick = join(directory, "imports.mjs")
  symlinkSync(resolve(here, "../node_modules"), join(directory, "node_modules"))
  writeFileSync(yardstick, packages.map((specifier) => `import "${specifier}"\n`).join(""))
  const ratio = yield* compare({
    first: { name: `the ${packages.length} modules that the root imports`, measure: importTime(yardstick) },
    second: { name: "the root", measure: importTime(root) },
    rounds: 3 * rounds,
    unit: "ms"
  })
  yield* tell("import", ratio, 1.3)
}).pipe(Effect.scoped)

/** The modules that a script imports itself. */
const ownImports = (script: string): ReadonlyArray<string> => {
  const path = resolve(here, script)
  return Array.from(
    readFileSync(path, "utf8").matchAll(/^(?:import|\}) (?:[^"]* from )?"([^"]+)"$/gm),
    ([, specifier]) => specifier!.startsWith(".") ? resolve(dirname(path), specifier!) : specifier!
  )
}

const product = "../examples/server/main.ts"
const bare = "BareHttpApi.ts"

/** From the start of a process to its first answer, in milliseconds. */
const startTime = (script: string, environment: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const start = performance.now()
    const { url } = yield* Processes.start(script, environment)
    const response = yield* Effect.promise(() => fetch(`${url}/readyz`))
    if (response.status !== 200) return yield* Effect.die(new Error(`${script} answers ${response.status}`))
    return performance.now() - start
  }).pipe(Effect.scoped)

const starts = (environment: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const missing = ownImports(product).filter((specifier) => !ownImports(bare).includes(specifier))
    if (missing.length > 0) yield* Effect.die(new Error(`${bare} has to import ${missing.join(", ")}`))
    const ratio = yield* compare({
      first: { name: "the bare server's start", measure: startTime(bare, {}) },
      second: { name: "the product's start", measure: startTime(product, environment) },
      rounds,
      unit: "ms"
    })
    yield* tell("start to first answer", ratio, 1.5)
  })

const megabytes = (values: ReadonlyArray<number>): string =>
  `${median(values).toFixed(1)} MB (${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)})`

/** The resident memory while a process is under full load, every tenth of a second. */
const underLoad = (load: Load, pid: number, calls: number) =>
  Effect.promise(async () => {
    const samples: Array<number> = []
    const timer = setInterval(() => samples.push(Processes.residentMemory(pid)), 100)
    await closedLoop(load, { calls, connections: 64 })
    clearInterval(timer)
    return samples
  })

const memory = (environment: Readonly<Record<string, string>>, token: string) =>
  Effect.gen(function*() {
    const idle: Array<number> = []
    const loaded: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      idle.push(
        yield* Effect.scoped(Effect.gen(function*() {
          const { pid, url } = yield* Processes.start(bare, {})
          yield* Effect.promise(() => fetch(`${url}/readyz`))
          yield* Effect.sleep("2 seconds")
          return Processes.residentMemory(pid)
        }))
      )
      loaded.push(
        yield* Effect.scoped(Effect.gen(function*() {
          const { pid, url } = yield* Processes.start(product, environment)
          return Math.max(...(yield* underLoad(setPhone({ url, token }, { users }), pid, early)))
        }))
      )
    }
    yield* Console.log(
      `the bare server idle ${megabytes(idle)}, the product's most under full load ${megabytes(loaded)}`
    )
    yield* tell("megabytes more", median(loaded) - median(idle), 100)
  })

/** The last tenth of the early requests, and as many of the last ones. */
const memoryOverTime = (environment: Readonly<Record<string, string>>, token: string) =>
  Effect.gen(function*() {
    const { pid, url } = yield* Processes.start(product, environment)
    const load = setPhone({ url, token }, { users })
    const watched = early / 10
    yield* underLoad(load, pid, early - watched)
    const before = yield* underLoad(load, pid, watched)
    const between = yield* underLoad(load, pid, requests - early - watched)
    const after = yield* underLoad(load, pid, watched)
    yield* Console.log(
      `after ${early.toLocaleString("en")} requests ${megabytes(before)}, until ` +
        `${requests.toLocaleString("en")} ${megabytes(between)}, and then ${megabytes(after)}`
    )
    yield* tell("memory after many more requests", median(after) / median(before), 1.15)
  }).pipe(Effect.scoped)

const program = Effect.gen(function*() {
  yield* imports
  const databaseUrl: Redacted.Redacted = yield* Database.create(yield* Database.start, "product")
  const { environment, token } = yield* Product.makeSettings(databaseUrl)
  // The first start makes the tables.
  yield* startTime(product, environment)
  yield* Product.registerUsers(databaseUrl, users)
  yield* starts(environment)
  yield* memory(environment, token)
  yield* memoryOverTime(environment, token)
})

await Effect.runPromise(Effect.scoped(program))
