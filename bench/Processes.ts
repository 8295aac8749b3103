/**
 * Servers of a benchmark as processes of their own.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
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
