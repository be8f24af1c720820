/** TLS of a listener, and who its peer has proved to be by it. */
import { X509Certificate } from "node:crypto";
import { createSecureContext, TLSSocket, type TlsOptions } from "node:tls";

/** Contents of PEM files. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of which every sender must show a certificate; left out, nobody is asked for one. */
  readonly clientCa?: string;
  /** 1.3 if not said. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
}

export function serverTlsOptions({ cert, key, clientCa, minVersion }: ServerTls): TlsOptions {
  const options: TlsOptions = { cert, key, minVersion: minVersion ?? "TLSv1.3" };
  if (clientCa === undefined) return options;
  return { ...options, ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

/** Throws, saying why, when a listener cannot serve with it. */
export function checkServerTls(tls: ServerTls): void {
  createSecureContext(serverTlsOptions(tls));
  // Without a certificate in it, the system's authorities would be asked instead of ours.
  if (tls.clientCa !== undefined) void new X509Certificate(tls.clientCa);
}

/** What all servers with TLS have. */
export interface SecureServer {
  setSecureContext(options: TlsOptions): void;
}

/** New connections are served with it, open ones go on; throws and changes nothing when it is no good. */
export function replaceServerTls(server: SecureServer, tls: ServerTls): void {
  checkServerTls(tls);
  server.setSecureContext(serverTlsOptions(tls));
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
