/**
 * Connections without a socket, from what shows them: records of a flow, of which a long connection has
 * many, and the lines of the server's proxy. All that one source end has towards one destination is put
 * in order of time and cut where a new connection begins, since source ports are reused.
 */
import type { Flow, Trust } from "../model/observations.ts";
import { usPerSecond, type Us } from "../model/time.ts";
import { hasLooseStart } from "./flows.ts";
import type { Leg } from "./legs.ts";
import type { FlowRecord, SourceEnd } from "./source-ends.ts";

export interface Chain {
  readonly flows: FlowRecord[];
  /** What the server's proxy logged of the caller. */
  readonly callerLegs: Leg[];
  fromUs: Us;
  /** End of the last flow record, 0 = no flow. */
  flowToUs: Us;
  /** When the server's proxy has written its last line, 0 = none. */
  legToUs: Us;
  /** End of its first lines there: a busy connection goes on for hours. */
  firstLegToUs: Us;
  /** A record says that the conversation ended. */
  isClosed: boolean;
  /** Its beginning was seen: a handshake, or an agent that gives no flags and so no other sign. */
  hasStart: boolean;
  /** Its opener sent more than the first segment of a handshake, or an agent gives no flags. */
  isAnswered: boolean;
  /** Its times bound little. */
  isLoose: boolean;
}

const syn = 0x02;
/** FIN, PSH and ACK: what goes on with a connection that is there. */
const established = 0x19;
/** A handshake is tried again after a second at the earliest, and its packet is told at several points. */
const sameHandshakeUs = usPerSecond;

/** Claimed records count only where there are no others: a forged end must not close a connection. */
export function chainsOf(end: SourceEnd, ip: string, port: number, boundUs: Us): readonly Chain[] {
  const flows = [...end.flows.values()].filter(
    ({ flow }) => flow.dstIp === ip && flow.dstPort === port,
  );
  const legs = [...end.legs.values()].filter(
    (leg) => leg.role === "inbound" && leg.toIp === ip && leg.toPort === port,
  );
  const isAttested =
    flows.some(({ flow }) => isBelieved(flow.trust)) ||
    legs.some((leg) => isBelieved(leg.first.trust));
  const counts = (trust: Trust): boolean => !isAttested || isBelieved(trust);
  const items = [
    ...flows.filter(({ flow }) => counts(flow.trust)).map(ofFlow),
    ...legs.filter((leg) => counts(leg.first.trust)).flatMap(ofLeg),
  ].sort((a, b) => a.fromUs - b.fromUs || (a.id < b.id ? -1 : 1));
  const chains: Chain[] = [];
  for (const item of items) {
    const last = chains.at(-1);
    if (!last || beginsAnother(item, last, boundUs)) chains.push(makeChain(item));
    else extend(last, item);
  }
  return chains;
}

interface Item {
  readonly id: string;
  readonly fromUs: Us;
  readonly record: FlowRecord | null;
  readonly leg: Leg | null;
}

function ofFlow(record: FlowRecord): Item {
  return { id: record.id, fromUs: record.flow.startUs, record, leg: null };
}

/** Each time within a leg by itself: in between the port may have been another connection's. */
function ofLeg(leg: Leg): readonly Item[] {
  return leg.spans.map((span) => {
    const { fromUs, toUs, first } = span;
    return { id: leg.id, fromUs, record: null, leg: { ...leg, fromUs, toUs, first } };
  });
}

function isBelieved(trust: Trust): boolean {
  return trust !== "claimed";
}

function beginsAnother({ record, fromUs }: Item, chain: Chain, boundUs: Us): boolean {
  const isApart = fromUs > Math.max(chain.flowToUs, chain.legToUs) + boundUs;
  if (!record || chain.flows.length === 0) return isApart;
  const { flow } = record;
  if (hasLooseStart(flow)) return false;
  if (flow.tcpFlags < 0 || flow.transport === "udp") return isApart;
  // Without a handshake it goes on, however long the pause was.
  if ((flow.tcpFlags & syn) === 0 || fromUs <= chain.flowToUs) return false;
  return chain.isClosed || fromUs >= chain.fromUs + sameHandshakeUs;
}

function makeChain(item: Item): Chain {
  const chain: Chain = {
    flows: [],
    callerLegs: [],
    fromUs: item.fromUs,
    flowToUs: 0,
    legToUs: 0,
    firstLegToUs: Infinity,
    isClosed: false,
    hasStart: false,
    isAnswered: false,
    isLoose: false,
  };
  extend(chain, item);
  return chain;
}

function extend(chain: Chain, { record, leg }: Item): void {
  if (leg) {
    chain.callerLegs.push(leg);
    chain.legToUs = Math.max(chain.legToUs, leg.toUs);
    chain.firstLegToUs = Math.min(chain.firstLegToUs, leg.toUs);
  }
  if (!record) return;
  const { flow } = record;
  if (hasHandshake(flow)) chain.hasStart = true;
  chain.flows.push(record);
  chain.flowToUs = Math.max(chain.flowToUs, flow.endUs);
  chain.isClosed ||= flow.closed;
  chain.isAnswered ||= flow.tcpFlags < 0 || (flow.tcpFlags & established) !== 0;
  chain.isLoose ||= hasLooseStart(flow);
}

/** The beginning was seen, or an agent gives no flags and so no other sign. */
export function hasHandshake(flow: Flow): boolean {
  return flow.tcpFlags < 0 || (flow.tcpFlags & syn) !== 0;
}
