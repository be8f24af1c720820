/**
 * Drives the pipeline for a thread: takes requests, decides when to commit and who is answered what.
 * Synchronous and without a clock, so that the tests can play every order of requests, commits and
 * failures; the thread's entry file only connects it to ports and timers.
 */
import type { CommandFault, EngineCommand } from "../model/commands.ts";
import type { Entity } from "../model/entities.ts";
import type { RuleFault } from "../model/insights.ts";
import type { ApiNamespaceLayers } from "../model/layers.ts";
import type { Answer, ReceivedRequest } from "../model/requests.ts";
import type { RedoRow, WriteSet } from "../model/rows.ts";
import type { CounterSample, Signal } from "../model/stages.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { Commits, wholePauseUs } from "./commits.ts";
import { isEmptyWriteSet, PrepareError, type Handled, type Pipeline } from "./pipeline.ts";

/** Where the host's decisions go; none of them may throw. */
export interface HostOutputs {
  answer(id: number, answer: Answer): void;
  /** Send to the store; `committed` or `commitFailed` must follow. */
  commit(writeSet: WriteSet): void;
  /** A fault of ours that cost at most one request. */
  trouble(what: string, error: unknown): void;
  /**
   * Memory can no longer be trusted and must be rebuilt from the last commit; everybody has been told
   * to come again. `poison` is the request that must never be applied, null when none is to blame.
   */
  broken(poison: string | null, error: unknown): void;
  /** The store will never take anything again; everybody has been told to come again. */
  storeLost(why: string): void;
}

/** Why the store did not take a write-set, as the store says it. */
export interface CommitFailure {
  readonly code: string;
  readonly message: string;
  /** The same write-set may succeed later: a full disk, a lock. */
  readonly retryable: boolean;
}

interface Waiting {
  readonly id: number;
  readonly items: number;
}

/** How often a request that our decoder or a vocabulary stumbled over may come back. */
const prepareAttemptsMax = 3;
const prepareAttemptsTracked = 1_000;
const poisonMax = 1_000;
/** An idle engine commits this often, so that a later start knows how long nobody was watching. */
const aliveEveryUs = 5 * usPerSecond;
const storageRetryMs = 5_000;
const prepareRetryMs = 5_000;
const faultTexts: Readonly<Record<CommandFault, string>> = {
  no_such_insight: "no insight that is active or was lately has this id",
  not_active: "the insight is over: there is nothing to acknowledge",
};
const restarting: Answer = { kind: "unavailable", reason: "restarting", retryAfterMs: 1_000 };
/** Refusals are told at most once in so long, so the first may be as old. */
const refusedWithinUs = 2 * usPerSecond;
/**
 * A commit is whole (it holds every changed row) when few edges have changed, and otherwise after
 * `wholePauseUs` or when this much would have to be applied again. In between it holds receipts and the requests
 * themselves: under load they change the same rows over and over, and rows are what a commit costs.
 */
const wholeAtOnceEdges = 200;
const growthLookUs = usPerSecond / 10;
const redoBytesMax = 64 * 1024 * 1024;

export class EngineHost {
  readonly #pipeline: Pipeline;
  readonly #outputs: HostOutputs;
  readonly #commits = new Commits<Waiting>();
  readonly #poison: Set<string>;
  readonly #attempts = new Map<string, number>();
  #isBroken = false;
  #lastCommitUs = 0;
  #lastWholeUs = 0;
  #dirty = { atUs: 0, edges: 0, grewBy: 0 };
  /** Requests applied since the last commit, and what all since the last whole one weigh. */
  #redo: RedoRow[] = [];
  #redoBytes = 0;
  #commitsFailed = 0;
  /** Somebody waits for rows, which only a whole commit holds. */
  #isWholeWanted = false;

  constructor(pipeline: Pipeline, outputs: HostOutputs, poison: readonly string[]) {
    this.#pipeline = pipeline;
    this.#outputs = outputs;
    this.#poison = new Set(poison);
  }

  /** True when no request waits and nothing is on its way to the store. */
  get isIdle(): boolean {
    return this.#commits.isIdle;
  }

  /** True when the last commits left requests that a start would have to apply again. */
  get hasRedo(): boolean {
    return !this.#isBroken && this.#redoBytes > 0;
  }

  request(id: number, request: ReceivedRequest, nowUs: Us): void {
    const refusal = this.#refusal(request);
    if (refusal) return this.#outputs.answer(id, refusal);
    const handled = this.#handle(id, request);
    if (handled === null) return;
    if (handled.kind === "invalid") return this.#outputs.answer(id, handled);
    const items = handled.kind === "applied" ? handled.items : 0;
    if (handled.kind === "applied") this.#remember(request);
    this.#commits.wait({ id, items }, request.body.byteLength, nowUs);
    if (this.#commits.isDue(nowUs)) this.commit(nowUs);
  }

  /** What a person asks for; answered when it is durable. */
  command(id: number, command: EngineCommand, nowUs: Us): void {
    const refusal = this.#unready();
    if (refusal) return this.#outputs.answer(id, refusal);
    let fault: CommandFault | "" = "";
    if (!this.#attempt(() => (fault = this.#pipeline.command(command, nowUs)))) {
      return this.#outputs.answer(id, restarting);
    }
    if (fault !== "") {
      return this.#outputs.answer(id, { kind: "invalid", code: fault, message: faultTexts[fault] });
    }
    this.#isWholeWanted = true;
    this.#commits.wait({ id, items: 0 }, 0, nowUs);
    this.commit(nowUs);
  }

  /** A request of that signal was refused within the last `refusedWithinUs`. */
  turnedAway(signal: Signal, nowUs: Us): void {
    this.#attempt(() => this.#pipeline.turnedAway(signal, nowUs - refusedWithinUs, nowUs));
  }

  /** How the whole program does, for its own rules. */
  health(health: Entity<"engine">, nowUs: Us): void {
    this.#attempt(() => this.#pipeline.health(health, nowUs));
  }

  /** Lets time pass; called about ten times a second. */
  tick(nowUs: Us): void {
    this.#attempt(() => this.#pipeline.advance(nowUs));
    if (this.#isBroken) return;
    const retry = this.#commits.takeRetry(nowUs);
    if (retry) this.#outputs.commit(retry);
    else this.commit(nowUs);
  }

  /**
   * Starts a commit if none is on its way and there is anything to commit; the last one before a stop is
   * whole, so that the next start has nothing to apply again.
   */
  commit(nowUs: Us, isLast = false): void {
    const seq = this.#isBroken ? 0 : this.#commits.nextSeq();
    const writeSet = seq === 0 ? null : this.#collect(seq, nowUs, isLast);
    if (writeSet === null) return;
    // Either way: a clock that was set back must not keep us from saying that we watch.
    const isAliveDue = Math.abs(nowUs - this.#lastCommitUs) >= aliveEveryUs;
    if (isEmptyWriteSet(writeSet) && !isAliveDue) {
      // Nothing is on its way and nothing is new: what they wait for is durable already.
      return this.#accept(this.#commits.takeWaiting());
    }
    this.#lastCommitUs = nowUs;
    this.#commits.sent(writeSet);
    this.#outputs.commit(writeSet);
  }

  /**
   * Returns how long each record of the outbox that is durable now has waited for it, by engine time;
   * empty when there are none to send.
   */
  committed(seq: number, nowUs: Us): readonly number[] {
    const sent = this.#commits.underWay;
    this.#accept(this.#commits.done(seq));
    if (this.#commits.isDue(nowUs)) this.commit(nowUs);
    if (sent?.seq !== seq) return [];
    // Never below 0: a clock may have been set back.
    return sent.outbox.map(({ atUs }) => Math.max(0, nowUs - atUs));
  }

  commitFailed(seq: number, failure: CommitFailure, nowUs: Us): void {
    if (this.#isBroken) return;
    this.#commitsFailed++;
    this.#outputs.trouble("a commit failed", failure.message);
    if (failure.retryable) {
      this.#refuse(this.#commits.failed(seq, nowUs), unavailable("storage", storageRetryMs));
    } else if (failure.code === "invalid_row") {
      // Our fault, and no request is known to be the cause; the same rows would be refused for ever.
      this.#break(null, new Error(failure.message));
    } else {
      this.#isBroken = true;
      this.#refuse(this.#commits.abandon(), unavailable("storage", storageRetryMs));
      this.#outputs.storeLost(failure.message);
    }
  }

  counters(): CounterSample[] {
    const samples = this.#pipeline.counters();
    samples.push({ name: "commits_failed_total", labels: {}, value: this.#commitsFailed });
    return samples;
  }

  /** Defence in depth as it is now. */
  layers(): readonly ApiNamespaceLayers[] {
    return this.#pipeline.layers();
  }

  /** Rules that have failed for the first time since the last call. */
  takeRuleFaults(): RuleFault[] {
    return this.#pipeline.takeRuleFaults();
  }

  #isWholeDue(nowUs: Us): boolean {
    const { dirtyEdges } = this.#pipeline;
    return (
      this.#isWholeWanted ||
      Math.abs(nowUs - this.#lastWholeUs) >=
        wholePauseUs(dirtyEdges, this.#growthOf(dirtyEdges, nowUs)) ||
      dirtyEdges <= wholeAtOnceEdges ||
      this.#redoBytes >= redoBytesMax
    );
  }

  /** By how many the changed edges grew between the last two looks. */
  #growthOf(dirtyEdges: number, nowUs: Us): number {
    if (Math.abs(nowUs - this.#dirty.atUs) >= growthLookUs) {
      const { edges } = this.#dirty;
      this.#dirty = { atUs: nowUs, edges: dirtyEdges, grewBy: dirtyEdges - edges };
    }
    return this.#dirty.grewBy;
  }

  #collectWhole(seq: number, nowUs: Us): WriteSet {
    this.#lastWholeUs = nowUs;
    this.#isWholeWanted = false;
    this.#redo = [];
    this.#redoBytes = 0;
    return this.#pipeline.collect(seq, nowUs);
  }

  #collectRequests(seq: number, nowUs: Us): WriteSet {
    const writeSet = this.#pipeline.collectReceipts(seq, nowUs);
    writeSet.redo.push(...this.#redo);
    this.#redo = [];
    return writeSet;
  }

  #remember({ signal, receivedUs, sender, wire, body }: ReceivedRequest): void {
    const stored = new Uint8Array(wire?.bytes ?? body);
    const encoding = wire?.encoding ?? "identity";
    this.#redo.push({ signal, receivedUs, ...sender, encoding, body: stored });
    this.#redoBytes += stored.length;
  }

  #refusal(request: ReceivedRequest): Answer | null {
    const unready = this.#unready();
    if (unready) return unready;
    if (this.#poison.has(poisonKey(request))) {
      const message = "cannot apply this request: it broke the engine before and is quarantined";
      return { kind: "invalid", code: "quarantined", message };
    }
    return null;
  }

  /** Why nothing can be taken in now. */
  #unready(): Answer | null {
    if (this.#isBroken) return restarting;
    return this.#commits.isFailing ? unavailable("storage", storageRetryMs) : null;
  }

  /** Null when the request has been answered already. */
  #handle(id: number, request: ReceivedRequest): Handled | null {
    const { signal, hash, receivedUs, sender } = request;
    const body = Buffer.from(request.body);
    try {
      return this.#pipeline.handle({ signal, hash, body, receivedUs, sender });
    } catch (error) {
      if (error instanceof PrepareError) {
        this.#outputs.answer(id, this.#prepareFailed(request, error));
      } else {
        this.#outputs.answer(id, restarting);
        this.#break(poisonKey(request), error);
      }
      return null;
    }
  }

  /** Null when it broke on the way. */
  #collect(seq: number, nowUs: Us, isLast: boolean): WriteSet | null {
    try {
      const isWhole = isLast || this.#isWholeDue(nowUs);
      return isWhole ? this.#collectWhole(seq, nowUs) : this.#collectRequests(seq, nowUs);
    } catch (error) {
      this.#break(null, error);
      return null;
    }
  }

  #prepareFailed(request: ReceivedRequest, error: PrepareError): Answer {
    const key = poisonKey(request);
    const attempts = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.delete(key); // set anew, the key is the youngest
    this.#attempts.set(key, attempts);
    dropOldest(this.#attempts, prepareAttemptsTracked);
    this.#outputs.trouble("a request could not be read", error);
    if (attempts < prepareAttemptsMax) return unavailable("internal", prepareRetryMs);
    this.#attempts.delete(key);
    this.#poison.add(key);
    dropOldest(this.#poison, poisonMax);
    const message = `cannot read this request in ${attempts} attempts: it is quarantined`;
    return { kind: "invalid", code: "quarantined", message };
  }

  #accept(waiting: readonly Waiting[]): void {
    for (const { id, items } of waiting) {
      this.#outputs.answer(id, { kind: "accepted", items, rejectedItems: 0, message: "" });
    }
  }

  #refuse(waiting: readonly Waiting[], answer: Answer): void {
    for (const { id } of waiting) this.#outputs.answer(id, answer);
  }

  /** What throws here leaves memory that can no longer be trusted; false then. */
  #attempt(change: () => void): boolean {
    if (this.#isBroken) return false;
    try {
      change();
      return true;
    } catch (error) {
      this.#break(null, error);
      return false;
    }
  }

  #break(poison: string | null, error: unknown): void {
    this.#isBroken = true;
    this.#refuse(this.#commits.abandon(), restarting);
    this.#outputs.broken(poison, error);
  }
}

/** A request's identity in the list of those that must never be applied. */
export function poisonKey(request: { readonly signal: number; readonly hash: string }): string {
  return `${request.signal}:${request.hash}`;
}

function unavailable(reason: string, retryAfterMs: number): Answer {
  return { kind: "unavailable", reason, retryAfterMs };
}

/** Maps and sets keep the order in which keys were put in. */
function dropOldest(keys: Map<string, unknown> | Set<string>, max: number): void {
  for (const key of keys.keys()) {
    if (keys.size <= max) return;
    keys.delete(key);
  }
}
