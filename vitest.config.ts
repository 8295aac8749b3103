import { defineConfig } from "vitest/config"

// One PostgreSQL for the whole run, one database per test file; the slowest tests are listed at the end. A secret
// that was printed or logged fails the run.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/fixtures/globalSetup.ts",
    reporters: [
      "default",
      "./test/fixtures/SlowestReporter.ts",
      "./test/fixtures/SecretReporter.ts",
      ...(process.env["TEST_REPORT"] === undefined
        ? []
        : [["json", { outputFile: process.env["TEST_REPORT"] }] as const])
    ],
    testTimeout: 60_000,
    maxWorkers: 2
  }
})
