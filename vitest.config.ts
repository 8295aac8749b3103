import { defineConfig } from "vitest/config"

// One PostgreSQL for the whole run, one database per test file; the slowest tests are listed at the end.
export default defineConfig({
  test: {
    globalSetup: "test/fixtures/globalSetup.ts",
    reporters: ["default", "./test/fixtures/SlowestReporter.ts"],
    testTimeout: 30_000,
    maxWorkers: 2
  }
})
