/**
 * Once before the end-to-end tests, which run the program as a user would: builds dist/, and under
 * CI=true gets the real peers, whose lack is then a failure.
 */
import { execFileSync } from "node:child_process";

export function setup(): void {
  execFileSync("npm", ["run", "-s", "build"], { stdio: "inherit" });
  if (process.env["CI"] === "true") {
    execFileSync("npm", ["run", "-s", "test:setup"], { stdio: "inherit" });
  }
}
