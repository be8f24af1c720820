/**
 * Sends raw OTLP request bodies over gRPC, as `replay` and `demo` need it: bytes in, the server's word
 * out. Retries what the protocol calls retryable, within a bound.
 */
import {
  credentials,
  makeGenericClientConstructor,
  Metadata,
  status,
  type Client,
} from "@grpc/grpc-js";
import { Signal } from "../model/stages.ts";

const exportPath: Readonly<Record<Signal, string>> = {
  [Signal.traces]: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  [Signal.metrics]: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  [Signal.logs]: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};

export type SendResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string };

const retryable = new Set<number>([status.UNAVAILABLE, status.ABORTED, status.DEADLINE_EXCEEDED]);

export class OtlpClient implements Disposable {
  readonly #client: Client;
  readonly #attempts: number;

  /** `address`: host:port, without TLS. Each request is tried up to `attempts` times, 1 s apart. */
  constructor(address: string, attempts = 5) {
    const RawClient = makeGenericClientConstructor({}, "Otlp");
    this.#client = new RawClient(address, credentials.createInsecure(), {
      "grpc.max_send_message_length": -1,
    });
    this.#attempts = attempts;
  }

  async send(signal: Signal, body: Uint8Array): Promise<SendResult> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.#sendOnce(signal, body);
      if (result.ok || !result.isRetryable || attempt >= this.#attempts) return result;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #sendOnce(
    signal: Signal,
    body: Uint8Array,
  ): Promise<SendResult & { readonly isRetryable: boolean }> {
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        exportPath[signal],
        (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (bytes: Buffer) => bytes,
        body,
        new Metadata(),
        { deadline: Date.now() + 10_000 },
        (error) => {
          if (!error) return resolve({ ok: true, isRetryable: false });
          const code = status[error.code];
          const isRetryable = retryable.has(error.code);
          resolve({ ok: false, code, message: error.details, isRetryable });
        },
      );
    });
  }
}
