/** The engine as its rules see it: an entity like any other. */
import type { EntityChange, Evidence } from "../model/changes.ts";
import type { Entity } from "../model/entities.ts";
import type { Us } from "../model/time.ts";

export function engineChange(entity: Entity<"engine">, atUs: Us): EntityChange<"engine"> {
  const evidence = entity.open_trust ? [openTrust(atUs)] : [];
  return {
    kind: "entity",
    type: "engine",
    id: "engine",
    entity,
    judged: true,
    atUs,
    evidence,
    observers: [],
  };
}

/** One, however often it is told. */
function openTrust(atUs: Us): Evidence {
  return {
    atUs,
    nanos: 0,
    vantage: "object",
    source: "configuration",
    text: "receivers.trust has no entry: every sender is believed as if a collector vouched for it",
    fields: { key: "receivers.trust", entries: 0 },
    hash: "engine trusts everybody",
  };
}
