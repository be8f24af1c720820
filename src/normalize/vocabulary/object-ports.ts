/** Protocols of ports as Kubernetes objects write them. */
import { textField, type Json } from "../json.ts";

/** TCP where the object says nothing: Kubernetes' default. */
export function transportOf(value: Json): "tcp" | "udp" | "other" {
  const protocol = textField(value, "protocol");
  if (protocol === "" || protocol === "TCP") return "tcp";
  return protocol === "UDP" ? "udp" : "other";
}
