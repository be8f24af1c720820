/** Builds dist/ once before the end-to-end tests, which run the program as a user would. */
import { execFileSync } from "node:child_process";

export function setup(): void {
  execFileSync("npm", ["run", "-s", "build"], { stdio: "inherit" });
}
