/**
 * Mutation testing of all of the core, for `npm run mutate`; the report is `reports/mutation/mutation.html`.
 *
 * @type {import("@stryker-mutator/api/core").PartialStrykerOptions}
 */
export default {
  mutate: ["src/core/**/*.ts"],
  plugins: ["@stryker-mutator/vitest-runner"],
  testRunner: "vitest",
  vitest: { configFile: "vitest.mutate.config.ts" },
  coverageAnalysis: "perTest",
  concurrency: 2,
  // Stryker would rewrite tsconfig.json with an API that TypeScript 7 does not have; nothing in the run reads it.
  tsconfigFile: "none",
  ignorePatterns: [".data", "dist", "reports"],
  tempDirName: ".stryker-tmp",
  cleanTempDir: "always",
  reporters: ["progress", "clear-text", "json", "html"],
  thresholds: { high: 100, low: 95, break: 90 }
}
