import { defineConfig } from "vitest/config"

// The tests of the core that run in memory, for `npm run mutate`: no PostgreSQL, no reports of their own.
export default defineConfig({
  test: {
    include: ["test/core/**/*.test.ts", "test/adapters/{CryptoCodeVault,Memory}.test.ts"]
  }
})
