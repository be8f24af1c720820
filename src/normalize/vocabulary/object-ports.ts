/** Ports and protocols as Kubernetes objects write them. */
import { intOf, textField, type Json } from "../json.ts";

/** 0 for what is no port. */
export function portOf(value: Json): number {
  const port = intOf(value);
  return port > 0 && port <= 65_535 ? port : 0;
}

/** TCP where the object says nothing: Kubernetes' default. */
export function transportOf(value: Json): "tcp" | "udp" | "other" {
  const protocol = textField(value, "protocol");
  if (protocol === "" || protocol === "TCP") return "tcp";
  return protocol === "UDP" ? "udp" : "other";
}
