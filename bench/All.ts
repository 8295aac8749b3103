/**
 * Every benchmark, one after the other, and at the end which met its aim. `npm run bench`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"

const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
const names = Object.keys(scripts).filter((name) => name.startsWith("bench:"))

const ends: Array<string> = []
for (const name of names) {
  process.stdout.write(`\n== ${name}\n`)
  const [code] = await once(spawn("npm", ["run", "--silent", name], { stdio: "inherit" }), "exit")
  ends.push(`${code === 0 ? "met   " : "missed"}  ${name}`)
}
process.stdout.write(`\n${ends.join("\n")}\n`)
process.exitCode = ends.every((end) => end.startsWith("met")) ? 0 : 1
