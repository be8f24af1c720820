/**
 * A bare OTLP/gRPC sender on node:http2: gzip frames made beforehand, a fixed number in flight on one
 * connection, as one collector has it. Prints nothing; rejects when any answer is not OK.
 */
import { connect } from "node:http2";
import { gzipSync } from "node:zlib";

const paths = {
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
};

/** One message as a gRPC frame with the compressed flag set. */
export function gzipFrame(message) {
  const body = gzipSync(message, { level: 6 });
  const head = Buffer.alloc(5);
  head[0] = 1;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export async function sendAll(address, signal, frames, inFlight = 10) {
  const session = connect(`http://${address}`);
  const broken = new Promise((_, reject) => session.once("error", reject));
  let next = 0;
  const lane = async () => {
    while (next < frames.length) await sendOne(session, paths[signal], frames[next++]);
  };
  try {
    await Promise.race([broken, Promise.all(Array.from({ length: inFlight }, lane))]);
  } finally {
    session.close();
  }
}

function sendOne(session, path, frame) {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-encoding": "gzip",
    });
    let status = "";
    let message = "";
    const note = (headers) => {
      status = headers["grpc-status"] ?? status;
      message = headers["grpc-message"] ?? message;
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("error", reject);
    stream.on("data", () => {});
    stream.on("close", () =>
      status === "0" ? resolve() : reject(new Error(`answer ${status}: ${message}`)),
    );
    stream.end(frame);
  });
}
