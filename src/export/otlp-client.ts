/**
 * One OTLP logs request to a sink over gRPC, and what its answer means for the records in it.
 *
 * | answer                                         | meaning                                        |
 * |------------------------------------------------|------------------------------------------------|
 * | OK, also with a partial success                | taken: never sent again                        |
 * | INVALID_ARGUMENT; RESOURCE_EXHAUSTED without   | refused: something in it is bad or it is too   |
 * | RetryInfo; "too large" in other words          | large, so it goes again in smaller parts       |
 * | everything else                                | failed: kept and sent again                    |
 *
 * OTLP advises to drop on UNAUTHENTICATED, PERMISSION_DENIED and UNIMPLEMENTED. We keep: a token that has
 * expired or a sink that is being set up would cost the records of an attack.
 */
import {
  compressionAlgorithms,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  status,
  type ChannelCredentials,
  type Client,
  type ServiceError,
} from "@grpc/grpc-js";
import { ProtobufLogsSerializer } from "@opentelemetry/otlp-transformer";
import { usPerMs, type Us } from "../model/time.ts";
import type { ExportFailure } from "../self/export-events.ts";
import { parseHeaders } from "./headers-file.ts";
import { retryDelayUs } from "./retry-info.ts";

export type SinkAnswer =
  | {
      readonly kind: "taken";
      /** Records the sink will never take; as it says, so it can be any number. */
      readonly rejected: number;
      /** "" = nothing to say. */
      readonly message: string;
      /** False: the status was OK and the body was not. */
      readonly isReadable: boolean;
    }
  | { readonly kind: "refused"; readonly reason: ExportFailure; readonly message: string }
  | {
      readonly kind: "failed";
      readonly reason: ExportFailure;
      readonly message: string;
      /** What the sink asks for, 0 = nothing. */
      readonly retryAfterUs: Us;
    };

/** A way to a sink. `send` never rejects. */
export interface SinkClient extends Disposable {
  /** For people: host and port. */
  readonly target: string;
  /** `body`: an encoded export request. A request that is aborted has failed with `deadline_exceeded`. */
  send(body: Uint8Array, abort: AbortSignal): Promise<SinkAnswer>;
}

/** PEM texts. */
export interface SinkTls {
  /** "" = the system's authorities. */
  readonly ca: string;
  /** "" = no certificate of our own. */
  readonly cert: string;
  readonly key: string;
}

export interface OtlpClientOptions {
  readonly host: string;
  readonly port: number;
  /** Read for each request, so that certificates can be exchanged; null = plain text. May reject. */
  readonly readTls: (() => Promise<SinkTls>) | null;
  /** "" = the host. */
  readonly serverName: string;
  readonly gzip: boolean;
  /** Told to the sink; whoever sends keeps the time. */
  readonly timeoutUs: Us;
  /** The text of the headers file, read for each request; null = no file. May reject. */
  readonly readHeaders: (() => Promise<string>) | null;
}

const exportPath = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/** An answer is a few bytes and a sentence; more is never kept in memory. */
const replyMaxBytes = 64 * 1_024;

const reasons: ReadonlyMap<number, ExportFailure> = new Map([
  [status.UNAVAILABLE, "unavailable"],
  [status.DEADLINE_EXCEEDED, "deadline_exceeded"],
  [status.UNAUTHENTICATED, "unauthenticated"],
  [status.PERMISSION_DENIED, "permission_denied"],
  [status.UNIMPLEMENTED, "unimplemented"],
  [status.RESOURCE_EXHAUSTED, "resource_exhausted"],
  [status.INVALID_ARGUMENT, "invalid_argument"],
  [status.INTERNAL, "internal"],
]);

export class OtlpLogsClient implements SinkClient {
  readonly target: string;
  readonly #options: OtlpClientOptions;
  #client: Client | null = null;
  /** What the open channel was made with, to see that files have changed. */
  #tls: SinkTls | null = null;

  constructor(options: OtlpClientOptions) {
    this.#options = options;
    const { host, port } = options;
    this.target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  }

  async send(body: Uint8Array, abort: AbortSignal): Promise<SinkAnswer> {
    const metadata = await this.#metadata();
    if (!(metadata instanceof Metadata)) return metadata;
    let client: Client;
    try {
      client = await this.#connect();
    } catch (error) {
      return failed("other", `cannot use the files for TLS: ${messageOf(error)}`);
    }
    const answer = await this.#request(client, body, metadata, abort);
    // A channel has a back-off of its own, which would hide a sink that is back; and without pings a
    // connection can be dead for long. So the next attempt connects anew.
    if (answer.kind === "failed") this.#disconnect();
    return answer;
  }

  [Symbol.dispose](): void {
    this.#disconnect();
  }

  async #metadata(): Promise<Metadata | SinkAnswer> {
    const metadata = new Metadata();
    if (this.#options.readHeaders === null) return metadata;
    try {
      const file = parseHeaders(await this.#options.readHeaders());
      if (!file.ok) return failed("headers", file.message);
      for (const [name, value] of file.headers) metadata.add(name, value);
      return metadata;
    } catch (error) {
      return failed("headers", `cannot read the headers file: ${messageOf(error)}`);
    }
  }

  async #connect(): Promise<Client> {
    const { readTls } = this.#options;
    if (readTls === null) return (this.#client ??= this.#open(credentials.createInsecure()));
    const tls = await readTls();
    const isSame =
      tls.ca === this.#tls?.ca && tls.cert === this.#tls.cert && tls.key === this.#tls.key;
    if (this.#client !== null && isSame) return this.#client;
    this.#disconnect();
    const [ca, key, cert] = [tls.ca, tls.key, tls.cert].map((pem) =>
      pem === "" ? null : Buffer.from(pem),
    );
    this.#client = this.#open(credentials.createSsl(ca, key, cert));
    this.#tls = tls;
    return this.#client;
  }

  #open(channel: ChannelCredentials): Client {
    const { serverName, gzip } = this.#options;
    const RawClient = makeGenericClientConstructor({}, "OtlpLogs");
    return new RawClient(`dns:${this.target}`, channel, {
      "grpc.max_receive_message_length": replyMaxBytes,
      // Whether and when to send again is decided here alone, not by grpc or a DNS record.
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.primary_user_agent": "mesh-insights",
      ...(gzip ? { "grpc.default_compression_algorithm": compressionAlgorithms.gzip } : {}),
      ...(serverName === ""
        ? {}
        : {
            "grpc.ssl_target_name_override": serverName,
            "grpc.default_authority": serverName,
          }),
    });
  }

  #disconnect(): void {
    this.#client?.close();
    this.#client = null;
    this.#tls = null;
  }

  async #request(
    client: Client,
    body: Uint8Array,
    metadata: Metadata,
    abort: AbortSignal,
  ): Promise<SinkAnswer> {
    if (abort.aborted) return failed("deadline_exceeded", abortMessage);
    return new Promise((resolve) => {
      const cancel = (): void => call.cancel();
      const call = client.makeUnaryRequest(
        exportPath,
        (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (bytes: Buffer) => bytes,
        body,
        metadata,
        { deadline: Date.now() + this.#options.timeoutUs / usPerMs },
        (error, reply) => {
          abort.removeEventListener("abort", cancel);
          if (!error) return resolve(readReply(reply ?? Buffer.alloc(0)));
          if (abort.aborted) return resolve(failed("deadline_exceeded", abortMessage));
          resolve(errorToAnswer(error));
        },
      );
      abort.addEventListener("abort", cancel, { once: true });
    });
  }
}

const abortMessage = "no answer in time";

/** The sink has said OK: whatever stands in the body, sending again would make it twice. */
function readReply(bytes: Buffer): SinkAnswer {
  try {
    const { partialSuccess } = ProtobufLogsSerializer.deserializeResponse(bytes);
    return {
      kind: "taken",
      rejected: partialSuccess?.rejectedLogRecords ?? 0,
      message: partialSuccess?.errorMessage ?? "",
      isReadable: true,
    };
  } catch (error) {
    return { kind: "taken", rejected: 0, message: messageOf(error), isReadable: false };
  }
}

function errorToAnswer(error: ServiceError): SinkAnswer {
  const reason = reasons.get(error.code) ?? "other";
  const message = `${status[error.code]}: ${error.details}`;
  if (isReplyTooLarge(error)) return failed("other", "its answer is larger than 64 KiB");
  const askedUs = askedPause(error.metadata);
  if (error.code === status.RESOURCE_EXHAUSTED && askedUs !== null) {
    return failed(reason, message, askedUs);
  }
  if (isAboutContent(error)) return { kind: "refused", reason, message };
  return failed(reason, message, askedUs ?? 0);
}

/**
 * grpc-js says so with a status of its own, which looks like the sink's: our limit tells them apart.
 */
function isReplyTooLarge({ code, details }: ServiceError): boolean {
  return (
    code === status.RESOURCE_EXHAUSTED &&
    details.startsWith("Received message ") &&
    new RegExp(`\\b${replyMaxBytes}\\)?$`).test(details)
  );
}

function isAboutContent({ code, details }: ServiceError): boolean {
  if (code === status.INVALID_ARGUMENT || code === status.RESOURCE_EXHAUSTED) return true;
  // Proxies answer 413, and some servers call it an internal error.
  if (code !== status.INTERNAL && code !== status.UNKNOWN) return false;
  return /larger than|too large|exceeds|status code:? 413/i.test(details);
}

function askedPause(metadata: Metadata): Us | null {
  const [details] = metadata.get("grpc-status-details-bin");
  return Buffer.isBuffer(details) ? retryDelayUs(details) : null;
}

function failed(reason: ExportFailure, message: string, retryAfterUs: Us = 0): SinkAnswer {
  return { kind: "failed", reason, message, retryAfterUs };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
