/**
 * Reads the stories of `test/scenarios/stories`: checked against the schema and against their mesh, so
 * that a mistake names its file and line.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LineCounter, parseDocument, type Document } from "yaml";
import type { z } from "zod";
import { makeMesh } from "./story-mesh.ts";
import { meshSchema, storySchema, type MeshFields, type StoryFields } from "./story-schema.ts";
import { announcements, stepsOf, type StoryStep } from "./story-sources.ts";

const folder = fileURLToPath(new URL("../scenarios/", import.meta.url));

/** A story as requests and what they must lead to. */
export interface Story extends Pick<
  StoryFields,
  "about" | "family" | "pending" | "settings" | "expect"
> {
  readonly name: string;
  /** In the order of the file, after what the mesh announces. */
  readonly steps: readonly StoryStep[];
  readonly untilS: number;
  readonly needsObjects: boolean;
  /** False: it has a reason to be told without restarts when it is told in disorder. */
  readonly isSafeToRestart: boolean;
}

type Path = readonly PropertyKey[];

/** A text with its positions, for messages that begin `file:line:`. */
class Text {
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(path: string, text: string) {
    this.#path = path;
    this.#document = parseDocument(text, { lineCounter: this.#lines });
    const [error] = this.#document.errors;
    if (error)
      throw new Error(`${path}:${this.#lines.linePos(error.pos[0]).line}: ${error.message}`);
  }

  read<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    const result = schema.safeParse(this.#document.toJS());
    if (result.success) return result.data;
    const faults = result.error.issues.map((issue) => {
      const path =
        issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0] ?? ""] : issue.path;
      return this.fault(path, `${issue.path.join(".")}: ${issue.message}`);
    });
    throw new Error(faults.join("\n"));
  }

  fault(path: Path, message: string): string {
    return `${this.#path}:${this.#lineOf(path)}: ${message}`;
  }

  /** Of what stands there, or of the nearest that does. */
  #lineOf(path: Path): number {
    for (let length = path.length; length >= 0; length--) {
      const node: unknown = this.#document.getIn(path.slice(0, length), true);
      if (hasRange(node)) return this.#lines.linePos(node.range[0]).line;
    }
    return 1;
  }
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range);
}

let standardMesh: MeshFields | undefined;

/** The pods that every story has, beside its own. */
function standard(): MeshFields {
  const path = join(folder, "mesh.yaml");
  standardMesh ??= new Text("mesh.yaml", readFileSync(path, "utf8")).read(meshSchema);
  return standardMesh;
}

/** Throws an error with one line `file:line: what` for each mistake. */
export function parseStory(path: string, text: string): Story {
  const source = new Text(path, text);
  const fields = source.read(storySchema);
  const mesh = makeMesh(standard(), fields.mesh);
  const told = fields.telemetry.flatMap((entry, index) => {
    try {
      return stepsOf(mesh, entry);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(source.fault(["telemetry", index], why), { cause });
    }
  });
  const steps = [...announcements(mesh), ...told];
  const { about, family, settings, expect, pending } = fields;
  const untilS = Math.max(fields.until, ...steps.map(({ atS }) => atS));
  return {
    about,
    family,
    settings,
    expect,
    steps,
    untilS,
    ...(pending === undefined ? {} : { pending }),
    name: basename(path, ".yaml"),
    isSafeToRestart: fields.restart_changes === undefined,
    needsObjects: fields.needs_objects,
  };
}

/** Every story, by name. */
export function readStories(): Story[] {
  const stories = join(folder, "stories");
  return readdirSync(stories)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => parseStory(name, readFileSync(join(stories, name), "utf8")));
}
