/**
 * The measuring point of the live test, between collector and engine: notes when which destination was first
 * told, by which vantage point.
 */
import { GrpcTap } from "../support/grpc-tap.ts";
import { readRecords, type SinkRecord } from "../support/otlp-sink.ts";

type Vantage = "socket" | "wire";

export class Tap implements AsyncDisposable {
  readonly #tap: GrpcTap;
  /** Milliseconds since 1970, by vantage point, address and port. */
  readonly #arrivals = new Map<string, number>();

  /** `engine`: its OTLP/gRPC, `host:port`. */
  constructor(engine: string) {
    this.#tap = new GrpcTap(engine, (signal, message) => {
      if (signal === "logs") this.#note(message, Date.now());
    });
  }

  /** Where the collector sends to, `host:port`. */
  async start(): Promise<string> {
    return this.#tap.start();
  }

  /** When a connection to `address` and `port` was first told by a vantage point; NaN = never. */
  arrivedMs(vantage: Vantage, address: string, port: number): number {
    return this.#arrivals.get(`${vantage} ${address} ${port}`) ?? Number.NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tap[Symbol.asyncDispose]();
  }

  #note(message: Buffer, nowMs: number): void {
    for (const record of readRecords(message)) {
      const told = socketOf(record) ?? flowOf(record);
      if (told !== null && !this.#arrivals.has(told)) this.#arrivals.set(told, nowMs);
    }
  }
}

interface TetragonLine {
  readonly process_kprobe?: {
    readonly args: readonly { readonly sock_arg: { daddr: string; dport: number } }[];
  };
}

function socketOf({ body }: SinkRecord): string | null {
  if (!body.startsWith("{")) return null;
  const socket = (JSON.parse(body) as TetragonLine).process_kprobe?.args[0]?.sock_arg;
  return socket ? `socket ${socket.daddr} ${socket.dport}` : null;
}

function flowOf({ attributes }: SinkRecord): string | null {
  const address = attributes["destination.address"];
  if (typeof address !== "string") return null;
  return `wire ${address} ${String(attributes["destination.port"])}`;
}
