/** What people tell the engine to do, through the API. Each is durable before it is answered. */
import type { Acknowledgement } from "./insights.ts";
import type { Answer } from "./requests.ts";

export interface AcknowledgeCommand {
  readonly kind: "acknowledge";
  readonly insightId: string;
  /** Null takes it back. */
  readonly acknowledgement: Acknowledgement | null;
}

export type EngineCommand = AcknowledgeCommand;

/** Why a command could not be followed, as the code of an `invalid` answer. */
export type CommandFault = "no_such_insight" | "not_active";

/** Where commands go. Never rejects: trouble is an `unavailable` answer. */
export type CommandHandler = (command: EngineCommand) => Promise<Answer>;
