/**
 * Drives the pipeline for a thread: takes requests, decides when to commit and who is answered what.
 * Synchronous and without a clock, so that the tests can play every order of requests, commits and
 * failures; the thread's entry file only connects it to ports and timers.
 */
import type { Answer, ReceivedRequest } from "../model/requests.ts";
import type { WriteSet } from "../model/rows.ts";
import type { CounterSample } from "../model/stages.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { Commits } from "./commits.ts";
import { isEmptyWriteSet, PrepareError, type Handled, type Pipeline } from "./pipeline.ts";

/** Where the host's decisions go; none of them may throw. */
export interface HostOutputs {
  answer(id: number, answer: Answer): void;
  /** Send to the store; `committed` or `commitFailed` must follow. */
  commit(writeSet: WriteSet): void;
  /** A fault of ours that cost at most one request. */
  trouble(what: string, error: unknown): void;
  /** Memory must be rebuilt from the last commit; `request` must never be applied again. */
  broken(request: ReceivedRequest, error: unknown): void;
}

interface Waiting {
  readonly id: number;
  readonly items: number;
}

/** How often a request that our decoder or a vocabulary stumbled over may come back. */
const prepareAttemptsMax = 3;
const prepareAttemptsTracked = 1_000;
/** An idle engine commits this often, so that a later start knows how long nobody was watching. */
const aliveEveryUs = 5 * usPerSecond;
const storageRetryMs = 5_000;

export class EngineHost {
  readonly #pipeline: Pipeline;
  readonly #outputs: HostOutputs;
  readonly #commits = new Commits<Waiting>();
  readonly #poison: Set<string>;
  readonly #attempts = new Map<string, number>();
  #isBroken = false;
  #lastCommitUs = 0;
  #commitsFailed = 0;

  constructor(pipeline: Pipeline, outputs: HostOutputs, poison: readonly string[]) {
    this.#pipeline = pipeline;
    this.#outputs = outputs;
    this.#poison = new Set(poison);
  }

  /** True when no request waits and nothing is on its way to the store. */
  get isIdle(): boolean {
    return this.#commits.isIdle;
  }

  request(id: number, request: ReceivedRequest, nowUs: Us): void {
    const refusal = this.#refusal(request);
    if (refusal) return this.#outputs.answer(id, refusal);
    const handled = this.#handle(id, request);
    if (handled === null) return;
    if (handled.kind === "invalid") return this.#outputs.answer(id, handled);
    const items = handled.kind === "applied" ? handled.items : 0;
    this.#commits.wait({ id, items }, request.body.byteLength, nowUs);
    if (this.#commits.isDue(nowUs)) this.commit(nowUs);
  }

  /** Lets time pass; called about ten times a second. */
  tick(nowUs: Us): void {
    if (this.#isBroken) return;
    this.#pipeline.advance(nowUs);
    const retry = this.#commits.takeRetry(nowUs);
    if (retry) this.#outputs.commit(retry);
    else this.commit(nowUs);
  }

  /** Starts a commit if none is on its way and there is anything to commit. */
  commit(nowUs: Us): void {
    const seq = this.#isBroken ? 0 : this.#commits.nextSeq();
    if (seq === 0) return;
    const writeSet = this.#pipeline.collect(seq, nowUs);
    const isAliveDue = nowUs - this.#lastCommitUs >= aliveEveryUs;
    if (isEmptyWriteSet(writeSet) && !isAliveDue && this.#commits.isIdle) return;
    this.#lastCommitUs = nowUs;
    this.#commits.sent(writeSet);
    this.#outputs.commit(writeSet);
  }

  committed(seq: number, nowUs: Us): void {
    for (const { id, items } of this.#commits.done(seq)) {
      this.#outputs.answer(id, { kind: "accepted", items, rejectedItems: 0, message: "" });
    }
    if (this.#commits.isDue(nowUs)) this.commit(nowUs);
  }

  commitFailed(seq: number, nowUs: Us): void {
    this.#commitsFailed++;
    for (const { id } of this.#commits.failed(seq, nowUs)) {
      this.#outputs.answer(id, unavailable("storage", storageRetryMs));
    }
  }

  counters(): CounterSample[] {
    const samples = this.#pipeline.counters();
    samples.push({ name: "commits_failed_total", labels: {}, value: this.#commitsFailed });
    return samples;
  }

  #refusal(request: ReceivedRequest): Answer | null {
    if (this.#isBroken) return unavailable("restarting", 1_000);
    if (this.#commits.isFailing) return unavailable("storage", storageRetryMs);
    if (this.#poison.has(poisonKey(request))) {
      const message = "cannot apply this request: it broke the engine before and is quarantined";
      return { kind: "invalid", code: "quarantined", message };
    }
    return null;
  }

  /** Null when the request has been answered already. */
  #handle(id: number, request: ReceivedRequest): Handled | null {
    const { signal, hash, receivedUs, trust } = request;
    const body = Buffer.from(request.body);
    try {
      return this.#pipeline.handle({ signal, hash, body, receivedUs, trust });
    } catch (error) {
      if (error instanceof PrepareError)
        this.#outputs.answer(id, this.#prepareFailed(request, error));
      else this.#break(id, request, error);
      return null;
    }
  }

  #prepareFailed(request: ReceivedRequest, error: PrepareError): Answer {
    const key = poisonKey(request);
    const attempts = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.delete(key);
    this.#attempts.set(key, attempts);
    if (this.#attempts.size > prepareAttemptsTracked) {
      const oldest = this.#attempts.keys().next();
      if (oldest.done !== true) this.#attempts.delete(oldest.value);
    }
    this.#outputs.trouble("a request could not be read", error);
    if (attempts < prepareAttemptsMax) return unavailable("internal", 5_000);
    this.#poison.add(key);
    const message = `cannot read this request in ${attempts} attempts: it is quarantined`;
    return { kind: "invalid", code: "quarantined", message };
  }

  #break(id: number, request: ReceivedRequest, error: unknown): void {
    this.#isBroken = true;
    this.#outputs.answer(id, unavailable("restarting", 1_000));
    this.#outputs.broken(request, error);
  }
}

/** A request's identity in the list of those that must never be applied. */
export function poisonKey(request: { readonly signal: number; readonly hash: string }): string {
  return `${request.signal}:${request.hash}`;
}

function unavailable(reason: string, retryAfterMs: number): Answer {
  return { kind: "unavailable", reason, retryAfterMs };
}
