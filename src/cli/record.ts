/** `record`: takes what senders send and writes it to a file, until stopped. No engine runs. */
import { rm } from "node:fs/promises";
import { PrometheusRegistry } from "../export/prometheus.ts";
import { Credentials } from "../credentials.ts";
import { Disposer } from "../lib/disposer.ts";
import type { Answer, ReceivedRequest } from "../model/requests.ts";
import { makeGrpcReceiver, makeHttpReceiver } from "../receivers.ts";
import { makeLog } from "../self/log.ts";
import { fileTrouble, UserError, type CliIo } from "./io.ts";
import { readConfig, type ConfigOptions } from "./load.ts";
import { makeRecordingWriter } from "./recording.ts";
import { aborted } from "./serve.ts";

export interface RecordOptions extends ConfigOptions {
  readonly out: string;
}

export async function runRecord(options: RecordOptions, io: CliIo): Promise<number> {
  const config = readConfig(options, io);
  const log = makeLog({ level: "warn", format: "text", write: io.error });
  await using recording = await makeRecordingWriter(options.out);
  const handler = {
    turnedAway(): void {},
    /** Accepted once it is written; a full disk makes the sender come again. */
    async submit(request: ReceivedRequest): Promise<Answer> {
      const { receivedUs, signal } = request;
      try {
        await recording.write({ receivedUs, signal, body: new Uint8Array(request.body) });
        return { kind: "accepted", items: 0, rejectedItems: 0, message: "" };
      } catch (error) {
        log.error("cannot record", { error: String(error) });
        return { kind: "unavailable", reason: "recording", retryAfterMs: 5_000 };
      }
    },
  };
  const metrics = new PrometheusRegistry();
  using credentials = new Credentials(metrics, log);
  const parts = { handler, metrics, log, credentials };
  await using receivers = new Disposer();
  const grpc = receivers.use(makeGrpcReceiver(config, parts));
  const http = receivers.use(makeHttpReceiver(config, parts));
  const where: string[] = [];
  try {
    for (const receiver of [grpc, http]) {
      const { host, port } = await receiver.listen();
      where.push(`${host}:${port}`);
    }
  } catch (error) {
    await rm(options.out); // made by us, and empty
    throw new UserError(fileTrouble(error), 1);
  }
  const [grpcAddress, httpAddress] = where;
  io.error(
    `recording OTLP/gRPC on ${grpcAddress} and OTLP/HTTP on ${httpAddress} to ${options.out}; stop with Ctrl-C\n`,
  );
  await aborted(io.signal);
  await receivers[Symbol.asyncDispose]();
  io.error(`${recording.count} requests recorded\n`);
  return 0;
}
