/**
 * The innocent programs of the live mesh, one role each, read from standard input so that any user can run
 * it. They call, serve and look up names, and know nothing of a mesh.
 */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { get, createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";

const [role, ...args] = process.argv.slice(2);
const everyMs = 500;

const roles = {
  /** Serves HTTP on a port. */
  serve(port) {
    createHttpServer((_request, response) => response.end("hello\n")).listen(
      Number(port),
      "0.0.0.0",
    );
  },

  /** Answers whatever comes, on one port of both transports and both families; to silence it speaks itself. */
  echo(port) {
    const server = createServer((socket) => {
      const speaks = setInterval(() => socket.write("still here\n"), 1_000);
      socket.on("error", () => {});
      socket.on("close", () => clearInterval(speaks));
      socket.on("data", (data) => {
        const isHttp = data.toString("latin1").startsWith("GET ");
        socket.end(
          isHttp ? "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n" : data,
        );
      });
    });
    server.listen(Number(port), "::");
    const datagrams = createSocket("udp6", (data, from) => {
      datagrams.send(data, from.port, from.address);
    });
    datagrams.bind(Number(port));
  },

  /** Answers every question about a name with one address. */
  names() {
    const socket = createSocket("udp4", (question, from) => {
      const answer = Buffer.from("c00c000100010000003c00040a600014", "hex");
      const head = Buffer.from(question.subarray(0, 12));
      head.writeUInt16BE(0x8180, 2);
      head.writeUInt16BE(1, 6);
      head.writeUInt16BE(0, 10);
      const name = question.subarray(12, question.indexOf(0, 12) + 5);
      socket.send(Buffer.concat([head, name, answer]), from.port, from.address);
    });
    socket.bind(53);
  },

  /**
   * Twice a second a call of a service and one of the outside, over HTTP and plain TCP, a lookup, and a
   * connection to where nobody listens; beside them one connection that lasts as long as the program.
   */
  call(service, outside, nameServer, closed) {
    const resolver = new Resolver();
    resolver.setServers([nameServer]);
    const lasting = connect(5_433, outside);
    lasting.resume().on("error", failed);
    setInterval(() => {
      connect(9_999, closed).on("error", () => {});
      fetchOnce(`http://${service}/`);
      fetchOnce(`http://${outside}:8080/`);
      const socket = connect(5_432, outside, () => socket.write("query"));
      socket.resume().on("error", failed);
      resolver.resolve4("cart.shop.svc.cluster.local").catch(failed);
    }, everyMs);
  },
};

function failed(error) {
  console.log(`failed: ${error.message}`);
}

/** A connection of its own for each call. */
function fetchOnce(url) {
  get(url, { agent: false }, (response) => {
    if (response.statusCode !== 200) console.log(`failed: ${url} ${response.statusCode}`);
    response.resume();
  }).on("error", failed);
}

roles[role](...args);
