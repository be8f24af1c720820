/** TLS of a receiver, and who a sender has proved to be by it. */
import { TLSSocket, type TlsOptions } from "node:tls";

/** Contents of PEM files. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of which every sender must show a certificate; left out, nobody is asked for one. */
  readonly clientCa?: string;
}

export function serverTlsOptions({ cert, key, clientCa }: ServerTls): TlsOptions {
  if (clientCa === undefined) return { cert, key };
  return { cert, key, ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

/**
 * The sender's name in the certificate that it showed: its first URI name (a SPIFFE id), else its first
 * DNS name, else its common name; "" where no certificate was asked for, or it holds no plain name.
 */
export function clientNameOf(socket: unknown): string {
  // An HTTP/2 session shows its socket through a proxy, which passes for what it stands for.
  if (!(socket instanceof TLSSocket) || !socket.authorized) return "";
  const { subjectaltname = "", subject } = socket.getPeerCertificate();
  // Node writes a name that could be taken for two as quoted JSON: no such name is ours.
  const names = subjectaltname.includes('"') ? [] : subjectaltname.split(", ");
  const named = (prefix: string): string | undefined =>
    names.find((name) => name.startsWith(prefix))?.slice(prefix.length);
  return named("URI:") ?? named("DNS:") ?? firstOf(subject?.CN);
}

/** A subject may hold several common names. */
function firstOf(names: string | string[] | undefined): string {
  return (Array.isArray(names) ? names[0] : names) ?? "";
}
