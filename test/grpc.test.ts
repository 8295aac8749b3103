/** What `docs/grpc.md` prints is run as it is printed, against the server in development mode. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import * as Servers from "./examples/Servers.ts"

const root = resolve(import.meta.dirname, "..")
const page = readFileSync(join(root, "docs/grpc.md"), "utf8")

const blocks = (language: string): ReadonlyArray<string> =>
  Array.from(page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm")), ([, block]) => block!)

const run = (command: string, args: ReadonlyArray<string>, environment: Record<string, string>, cwd: string) =>
  Effect.promise(async () =>
    (await promisify(execFile)(command, args, { cwd, env: { ...process.env, ...environment } })).stdout
  )

/** Runs a program of the page, from where a program of a host would be. */
const runProgram = Effect.fnUntraced(function*(source: string, name: string, environment: Record<string, string>) {
  const file = join(root, "examples", `grpc-${name}-${process.pid}.ts`)
  writeFileSync(file, source)
  return yield* run(process.execPath, [file], environment, root).pipe(Effect.ensuring(Effect.sync(() => rmSync(file))))
})

it.live("docs/grpc.md prints commands and programs that work as they are printed", () =>
  Effect.gen(function*() {
    const directory = yield* Servers.temporaryDirectory
    // For npx; as it would be in a clone.
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
    const { tokens, url } = yield* Servers.start(join(directory, ".data"))
    // For machines that have npm and nothing else.
    const standIns = yield* Servers.curl
    writeFileSync(join(standIns, "npx"), "#!/bin/sh\nexec npm exec -- \"$@\"\n", { mode: 0o755 })
    const tools = `${process.env["PATH"]}:${standIns}`

    const [commands, ...moreCommands] = blocks("sh")
    assert.deepStrictEqual(moreCommands, [])
    const printed = yield* run("sh", ["-e", "-c", commands!], { PATH: tools }, directory)
    const [methods, set, got, health] = printed.replaceAll(/\}\s*\{/g, "}\n\n{").replace(/\n\{/, "\n\n{").split("\n\n")
    assert.includeMembers(methods!.split("\n"), [
      "effectuserphone.v1.PhoneService/GetPhone",
      "zitadel.user.v2.UserService/SetPhone",
      "zitadel.user.v2beta.UserService/RemovePhone"
    ])
    assert.match(JSON.parse(set!).verificationCode, /^\d{6}$/)
    assert.strictEqual(JSON.parse(set!).details.resourceOwner, "demo")
    assert.deepStrictEqual(JSON.parse(got!).phone, { phone: "+41791234560" })
    assert.deepStrictEqual(JSON.parse(health!), { status: "SERVING" })

    const programs = blocks("ts")
    const outputs = yield* Effect.forEach(
      programs,
      (source, index) => runProgram(source, String(index), { URL: url, TOKEN: tokens.admin })
    )
    assert.deepStrictEqual(outputs, [
      "verified, after 4 changes removed\n",
      "INVALID_ARGUMENT: Phone is invalid (PHONE-so0wa)\n",
      "[invalid_argument] Code is invalid (COMMAND-eis9R)\n",
      ""
    ])
  }), { timeout: 60_000 })
