/** What the io thread and the engine thread say to each other. Bodies are transferred, not copied. */
import type { Config } from "../config/config.ts";
import type { EngineCommand } from "../model/commands.ts";
import type { Entity } from "../model/entities.ts";
import type { RuleFault } from "../model/insights.ts";
import type { Answer, ReceivedRequest } from "../model/requests.ts";
import type { CounterSample, Signal } from "../model/stages.ts";
import type { MessagePort } from "node:worker_threads";

/** A rule file as text; the engine thread compiles what io has checked already. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
}

export interface EngineWorkerData {
  readonly config: Config;
  readonly ruleFiles: readonly RuleFile[];
  /** The line to the store thread. */
  readonly storePort: MessagePort;
  /** Requests (signal and hash) that broke an earlier engine thread and are never applied. */
  readonly poison: readonly string[];
}

export type ToEngine =
  | { readonly kind: "request"; readonly id: number; readonly request: ReceivedRequest }
  /** What a person asks for; answered as a request is. */
  | { readonly kind: "command"; readonly id: number; readonly command: EngineCommand }
  /** Requests of that signal were refused, now or in the second before. */
  | { readonly kind: "turned_away"; readonly signal: Signal }
  /** How the whole program does, for its own rules; every few seconds. */
  | { readonly kind: "health"; readonly health: Entity<"engine"> }
  /** Commit what is there and say `stopped`. No request follows. */
  | { readonly kind: "stop" };

export type FromEngine =
  | { readonly kind: "ready" }
  | { readonly kind: "answers"; readonly answers: readonly { id: number; answer: Answer }[] }
  | { readonly kind: "counters"; readonly samples: readonly CounterSample[] }
  /** Defence in depth as JSON of `ApiNamespaceLayers[]`, when it is another than before. */
  | { readonly kind: "layers"; readonly json: string }
  /** Once per rule and thread. */
  | { readonly kind: "rule_fault"; readonly fault: RuleFault }
  /** A fault of ours that is not fatal, for the log. */
  | { readonly kind: "trouble"; readonly what: string; readonly error: string }
  /** Memory can no longer be trusted; the thread answers nothing more and wants to be replaced. */
  | { readonly kind: "broken"; readonly poison: string | null; readonly error: string }
  | {
      readonly kind: "committed";
      readonly seconds: number;
      /** Of each record that the outbox has gained: from its transition to this commit. */
      readonly delaysUs: readonly number[];
    }
  /** The store will take nothing any more: the end of the process. */
  | { readonly kind: "store_lost"; readonly why: string }
  | { readonly kind: "stopped" };
