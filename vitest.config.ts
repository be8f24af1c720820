import { defineConfig } from "vitest/config";

/**
 * `unit`: beside the code and in test/ except test/e2e; no network beyond loopback, seconds.
 * `e2e`: starts the built program and real peers; built once by its global set-up.
 * `kubernetes`: a real API server, whose objects a real collector brings; by `npm run test:kubernetes` only.
 * `live`: a mesh of real sidecars in network namespaces, as root; by `npm run test:live` only.
 */
export default defineConfig({
  test: {
    pool: "threads",
    // The default leaves one core idle.
    maxWorkers: "100%",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/kubernetes/**", "test/live/**"],
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/build.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: "kubernetes",
          include: ["test/kubernetes/**/*.test.ts"],
          globalSetup: ["test/support/build.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts"],
          globalSetup: ["test/support/build.ts"],
          testTimeout: 300_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
