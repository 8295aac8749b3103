import { globSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { defineConfig } from "vitest/config"

// The tests of the core that run in memory, for `npm run mutate`: no PostgreSQL, no reports of their own.
const test = join(import.meta.dirname, "test")

/** Whether a test, or a fixture that it imports, connects to PostgreSQL. */
const usesPostgres = (file: string): boolean =>
  file === join(test, "fixtures/Postgres.ts") ||
  Array.from(
    readFileSync(file, "utf8").matchAll(/\bfrom "(\..+?)"/g),
    ([, name]) => resolve(dirname(file), name!)
  ).some((imported) => imported.startsWith(test) && usesPostgres(imported))

export default defineConfig({
  test: {
    include: ["test/core/**/*.test.ts", "test/adapters/{CryptoCodeVault,Memory}.test.ts"],
    exclude: globSync("core/**/*.test.ts", { cwd: test }).filter((file) => usesPostgres(join(test, file)))
      .map((file) => `test/${file}`),
    // A change under which a test waits for ever costs this much; the slowest test takes a second or two.
    testTimeout: 10_000
  }
})
