/**
 * Servers of a benchmark as processes of their own.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"

/** Starts a script that prints where it listens, and ends it with the scope. */
export const start = Effect.fnUntraced(function*(script: string, environment: Readonly<Record<string, string>>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [...process.execArgv, resolve(import.meta.dirname, script)], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { PATH: process.env["PATH"] ?? "", NODE_ENV: "production", ...environment }
      })
    ),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null) return
        child.kill("SIGTERM")
        await once(child, "exit")
      })
  )
  const url = yield* Effect.promise(async () => {
    let printed = ""
    // What it prints later is read too, or it could not print.
    for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
      printed += chunk
      const [, url] = /listening on (http:\S+)/.exec(printed) ?? []
      if (url !== undefined) return url
    }
    throw new Error(`${script} ended: ${printed}`)
  })
  child.stdout!.resume()
  return { url, pid: child.pid! }
})

/** How long processors have worked for a process so far, in milliseconds. On Linux. */
export const processorTime = (pid: number): number => {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ").slice(11, 13)
  // The kernel tells hundredths of a second.
  return (Number(user) + Number(system)) * 10
}

/** The resident memory of a process, in megabytes. On Linux. */
export const residentMemory = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024
