/**
 * The plain status page: what runs, what fires, where to look. Rendered on the server without a script;
 * every value goes through the template's escaping, and what comes from telemetry loses its control
 * characters too.
 */
import { html } from "hono/html";
import type { ApiBlind, ApiInsight } from "../model/api.ts";
import type { ApiHeard, ApiProblem, ApiReceived, ApiStatus } from "../model/api-status.ts";
import { bypassText, isBypassWhole } from "./coverage.ts";
import { printable } from "../self/log.ts";

export const statusPageStyle = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8884; padding: .35rem .6rem; text-align: left; vertical-align: top }
.critical { color: #d22; font-weight: 600 } .high { color: #d60; font-weight: 600 }
.bad { color: #d22; font-weight: 600 } .ok { color: #292 }
code { font-size: .9em }
`;

const textMaxLength = 1_024;
const shown = (text: string): string => printable(text, textMaxLength);

type Html = ReturnType<typeof html>;

export interface PageLists {
  readonly firing: readonly ApiInsight[];
  readonly blind: readonly ApiBlind[];
  /** Then there is a way out. */
  readonly isLoggedIn: boolean | undefined;
}

/** For who may read some namespaces only: what is amiss, and what arrives, names others. */
export function withoutNames(status: ApiStatus): ApiStatus {
  return {
    ...status,
    components: [],
    received: [],
    heard: [],
    bypass: null,
    next_sources: [],
    problems: [],
  };
}

export function renderStatusPage(
  status: ApiStatus,
  { firing, blind, isLoggedIn }: PageLists,
): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>mesh-insights</title>
        <link rel="stylesheet" href="/status.css" />
      </head>
      <body>
        <h1>
          mesh-insights ${status.version}:
          <span class="${status.ready ? "ok" : "bad"}"
            >${status.ready ? "ready" : "not ready"}</span
          >
        </h1>
        <p>
          Running since ${status.started_at}. <a href="/metrics">/metrics</a> ·
          <a href="/api/v1/insights">/api/v1/insights</a> ·
          <a href="/api/v1/graph">/api/v1/graph</a> · <a href="/api/v1/status">/api/v1/status</a> ·
          <a href="/api/v1/sources">/api/v1/sources</a>
        </p>
        ${isLoggedIn === true ? html`<form method="post" action="/logout"><button>Log out</button></form>` : ""}
        ${renderProblems(status.problems)}
        <h2>Firing insights</h2>
        ${renderBypass(status)} ${renderInsights(firing)} ${renderBlind(blind)}
        <h2>What arrives</h2>
        ${renderArrivals(status.received, status.heard)}
        <h2>Components</h2>
        <table>
          <tbody>
            ${status.components.map(
              (part) =>
                html`<tr>
                  <td class="${part.ok ? "ok" : "bad"}">${part.ok ? "ok" : "failing"}</td>
                  <td>${part.name}</td>
                  <td>${part.text}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </body>
    </html>`;
}

/** A page without findings over a mesh that nobody watches must not look like health. */
function renderBypass({ bypass }: ApiStatus): Html | string {
  if (bypass === null) return "";
  return html`<p class="${isBypassWhole(bypass) ? "" : "high"}">
    ${bypassText(bypass)}: <a href="/api/v1/coverage">/api/v1/coverage</a>
  </p>`;
}

function renderProblems(problems: readonly ApiProblem[]): Html | string {
  if (problems.length === 0) return "";
  return html`<h2>What is amiss</h2>
    <table>
      <tbody>
        ${problems.map(
          ({ severity, code, text, remedy }) =>
            html`<tr>
              <td class="${severity === "error" ? "bad" : "high"}">${severity}</td>
              <td>
                <strong>${shown(text)}</strong><br />${shown(remedy)}
                <code>(${code})</code>
              </td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function renderArrivals(received: readonly ApiReceived[], heard: readonly ApiHeard[]): Html {
  const last = (at: string | null): string => (at === null ? "never" : `${at.slice(0, 19)}Z`);
  return html`<table>
    <tbody>
      ${received
        .filter(({ items }) => items > 0)
        .map(
          (row) =>
            html`<tr>
              <td>${row.signal} by ${row.transport}</td>
              <td>${row.items} items since the start</td>
              <td>${last(row.last)}</td>
            </tr>`,
        )}
      ${heard.map(
        (row) =>
          html`<tr>
            <td>${shown(row.source_kind)}: ${shown(row.capability)}</td>
            <td>${row.sources} sources</td>
            <td>${last(row.last)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function renderBlind(blind: readonly ApiBlind[]): Html | string {
  if (blind.length === 0) return "";
  return html`<h2>Nobody watched</h2>
    <ul>
      ${blind.map(
        ({ from, to, reason }) =>
          html`<li>from ${from.slice(0, 19)}Z to ${to.slice(0, 19)}Z (${reason})</li>`,
      )}
    </ul>`;
}

function renderInsights(firing: readonly ApiInsight[]): Html {
  if (firing.length === 0) {
    return html`<p>None. That says nothing about what no source reports on.</p>`;
  }
  return html`<table>
    <thead>
      <tr>
        <th>Severity</th>
        <th>Insight</th>
        <th>Workload</th>
        <th>Since</th>
        <th>Evidence</th>
      </tr>
    </thead>
    <tbody>
      ${firing.map(
        (insight) =>
          html`<tr>
            <td class="${insight.severity}">${insight.severity}</td>
            <td><strong>${insight.title}</strong><br />${shown(insight.message)}</td>
            <td>${shown(`${insight.namespace}/${insight.workload}`)}</td>
            <td>${insight.first_seen.slice(0, 19)}Z</td>
            <td><a href="/api/v1/insights/${insight.id}">${insight.evidence.length} items</a></td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
