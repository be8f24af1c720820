/**
 * The file, or another process's memory, that a Tetragon event says its process reached for. Which kernel
 * functions are watched is the policy's choice; these are those of Tetragon's own examples.
 */
import type { FileAccess } from "../../model/observations.ts";
import { field, intField, listField, textField, type Json } from "../json.ts";

const maxPathLength = 1_024;
const argumentsMax = 16;

/** `mask`: what is asked for stands in a number; without it, opening is reading. */
type Kind = FileAccess["access"] | "mask" | "protection";

const functions: ReadonlyMap<string, Kind> = new Map([
  ["file_permission", "mask"],
  ["mmap_file", "protection"],
  ["file_open", "read"],
  ["fd_install", "read"],
  ["path_truncate", "write"],
  ["ptrace_access_check", "memory"],
]);

/** Bits of the kernel's `MAY_WRITE`, `MAY_APPEND`, and of `PROT_WRITE`. */
const writeBits: Readonly<Partial<Record<Kind, number>>> = { mask: 2 | 8, protection: 2 };

type Access = Pick<FileAccess, "path" | "access">;

/** `body` is what stands under the event's name. Null for another function, and without a path. */
export function readTetragonAccess(body: Json): Access | null {
  const name = textField(body, "function_name").replace(/^security_/, "");
  const kind = functions.get(name);
  if (kind === undefined) return null;
  const args = listField(body, "args", argumentsMax);
  if (kind === "memory") return { path: "", access: "memory" };
  const path = args.map(pathOf).find((one) => one !== "") ?? "";
  if (path === "") return null;
  return { path, access: accessOf(kind, args) };
}

function pathOf(argument: Json): string {
  const file = field(argument, "file_arg") ?? field(argument, "path_arg");
  return textField(file, "path", maxPathLength);
}

function accessOf(kind: Exclude<Kind, "memory">, args: readonly Json[]): FileAccess["access"] {
  const bits = writeBits[kind];
  if (bits === undefined) return kind === "write" ? "write" : "read";
  const asked = args.map(numberOf).find((one) => one >= 0) ?? 0;
  return (asked & bits) === 0 ? "read" : "write";
}

function numberOf(argument: Json): number {
  for (const name of ["int_arg", "uint_arg", "size_arg", "long_arg"]) {
    const number = intField(argument, name);
    if (number >= 0) return number;
  }
  return -1;
}
