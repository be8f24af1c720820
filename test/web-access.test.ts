/**
 * Who may ask what of page and API: each way to show a token on each kind of path, logins, certificates,
 * and what somebody gets who may read some namespaces only.
 */
import { readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { usPerHour } from "../src/model/time.ts";
import { principal, startWeb, webTokens, type TestWeb } from "./support/web.ts";

const paths = {
  open: ["/-/healthy", "/healthz", "/-/ready", "/readyz", "/status", "/login", "/status.css"],
  read: ["/", "/api/v1/insights", "/api/v1/graph", "/api/v1/status", "/status?verbose", "/nowhere"],
  metrics: ["/metrics"],
} as const;
const bearer = (token: string): [string, string] => ["Authorization", `Bearer ${token}`];

type Headers = readonly (readonly [string, string])[];

/** What is shown, and whether that is a proper token. */
const matrix: readonly (readonly [string, (token: string) => Headers, boolean])[] = [
  ["no header", () => [], false],
  ["an empty one", () => [["Authorization", ""]], false],
  ["another scheme", (token) => [["Authorization", `Basic ${token}`]], false],
  ["two", (token) => [bearer(token), bearer(token)], false],
  ["two, of which one is wrong", (token) => [bearer(token), bearer("wrong-wrong-wrong")], false],
  ["small letters", (token) => [["authorization", `bearer ${token}`]], true],
  ["a wrong one", (token) => [bearer(`${token}x`)], false],
  ["a proper one", (token) => [bearer(token)], true],
];

test.each(matrix)("%s, on every path", async (_what, show, isGood) => {
  await using web = await startWeb();
  const statusOf = async (path: string, headers: Headers): Promise<number> =>
    (await web.ask({ path, headers })).status;
  for (const path of paths.open) expect(await statusOf(path, show(webTokens.admin))).toBe(200);
  for (const scope of ["read", "metrics"] as const) {
    for (const path of paths[scope]) {
      const good = path === "/nowhere" ? 404 : 200;
      expect(await statusOf(path, show(webTokens[scope]))).toBe(isGood ? good : 401);
    }
  }
  const change = { method: "POST", path: "/-/reload" };
  const changed = await web.ask({ ...change, headers: show(webTokens.admin) });
  expect(changed.status).toBe(isGood ? 200 : 401);
  for (const token of Object.values(webTokens)) expect(web.log.join("")).not.toContain(token);
});

test("each scope opens its own and nothing else", async () => {
  await using web = await startWeb();
  const table: string[] = [];
  for (const [name, token] of Object.entries(webTokens)) {
    const statuses: number[] = [];
    for (const request of [
      { path: "/api/v1/insights" },
      { path: "/metrics" },
      { path: "/-/reload", method: "POST" },
      { path: "/api/v1/insights/of-shop/acknowledge", method: "DELETE" },
      { path: "/nowhere", method: "PUT" },
    ]) {
      statuses.push((await web.ask({ ...request, headers: [bearer(token)] })).status);
    }
    table.push(`${name} ${statuses.join(" ")}`);
  }
  expect(table).toEqual([
    "read 200 403 403 403 403",
    "shop 200 403 403 403 403",
    "metrics 403 200 403 403 403",
    "admin 403 403 200 204 405",
    "all 200 403 200 204 405",
  ]);
});

test("no other spelling of a path takes less", async () => {
  await using web = await startWeb();
  const spellings = [
    "/%6detrics",
    "/metrics/",
    "//metrics",
    "/metrics?x",
    "/./metrics",
    "/x/../metrics",
  ];
  for (const path of spellings) {
    const { status, body } = await web.ask({ path, headers: [bearer(webTokens.read)] });
    expect([path, [403, 404].includes(status)]).toEqual([path, true]);
    expect(body).not.toContain("# HELP");
  }
});

test("who is refused is told so before any body is read, and let go", async () => {
  await using web = await startWeb();
  const path = "/api/v1/insights/of-shop/acknowledge";
  const { status, head, body } = await web.ask({ method: "POST", path, length: 1_000_000 });
  expect(status).toBe(401);
  expect(head).toMatch(/^www-authenticate: Bearer realm="mesh-insights"$/im);
  expect(head).toMatch(/^connection: close$/im);
  expect(head).toMatch(/^content-type: application\/problem\+json$/im);
  expect(JSON.parse(body)).toMatchObject({ status: 401 });
  expect(web.commands).toEqual([]);
});

test("a page has a login where an API has a problem", async () => {
  await using web = await startWeb();
  const page = await web.ask({ path: "/", headers: [["Accept", "text/html,*/*"]] });
  expect([page.status, page.body.includes('type="password"')]).toEqual([401, true]);
  const api = await web.ask({ path: "/api/v1/graph", headers: [["Accept", "text/html,*/*"]] });
  expect(JSON.parse(api.body)).toMatchObject({ title: "who are you?" });
});

async function login(web: TestWeb, token: string, headers: Headers = []) {
  const body = new URLSearchParams({ token }).toString();
  const answer = await web.ask({ method: "POST", path: "/login", body, headers });
  const [, cookie = "", attributes = ""] =
    /^set-cookie: ([^;\r\n]+)(.*)$/im.exec(answer.head) ?? [];
  return { ...answer, cookie, attributes };
}

const own = (web: TestWeb): [string, string] => ["Origin", `http://127.0.0.1:${web.port}`];

test("a login is a cookie that no script and no other site gets, and it ends", async () => {
  await using web = await startWeb();
  const { status, head, cookie, attributes } = await login(web, webTokens.all, [own(web)]);
  expect(status).toBe(303);
  expect(head).toMatch(/^location: \/$/im);
  expect(attributes).toBe("; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600");
  expect(cookie).toMatch(/^mesh-insights=[0-9a-f]{64}$/);
  const asked = async (path: string, ...headers: Headers): Promise<number> =>
    (await web.ask({ path, headers: [["Cookie", `a=b; ${cookie}`], ...headers] })).status;
  expect(await asked("/api/v1/insights")).toBe(200);
  expect(await asked("/metrics")).toBe(403);
  // A wrong token is wrong, whoever is logged in.
  expect(await asked("/api/v1/insights", bearer("wrong-wrong-wrong"))).toBe(401);
  web.clock.advance(usPerHour - 1);
  expect(await asked("/api/v1/insights")).toBe(200);
  web.clock.advance(1);
  expect(await asked("/api/v1/insights")).toBe(401);
});

test("a login ends with its token, and when somebody logs out", async () => {
  await using web = await startWeb();
  const first = await login(web, webTokens.read);
  const second = await login(web, webTokens.all);
  const asked = async ({ cookie }: { cookie: string }): Promise<number> =>
    (await web.ask({ path: "/", headers: [["Cookie", cookie]] })).status;
  expect([await asked(first), await asked(second)]).toEqual([200, 200]);
  expect((await web.ask({ path: "/", headers: [["Cookie", first.cookie]] })).body).toContain(
    "Log out",
  );
  web.keep("all");
  expect([await asked(first), await asked(second)]).toEqual([401, 200]);
  const headers: Headers = [["Cookie", second.cookie], own(web)];
  const out = await web.ask({ method: "POST", path: "/logout", headers });
  expect([out.status, /^set-cookie: mesh-insights=; .*Max-Age=0$/im.test(out.head)]).toEqual([
    303,
    true,
  ]);
  expect(await asked(second)).toBe(401);
});

test("no login with a token that may not read, that nobody has, or that is too long", async () => {
  await using web = await startWeb();
  for (const token of [webTokens.metrics, "nobody-has-this-token", "", "x".repeat(9_000)]) {
    const { status, cookie, body } = await login(web, token);
    expect([status, cookie]).toEqual([401, ""]);
    expect(body).toContain("Not let in");
    expect(body).not.toContain(token || "value=");
  }
});

test("a link logs in once, within an hour, and only by opening it", async () => {
  await using web = await startWeb();
  const path = `/login?once=${web.offer(webTokens.all)}`;
  expect((await web.ask({ method: "HEAD", path })).status).toBe(200);
  const opened = await web.ask({ path });
  const [, cookie = ""] = /^set-cookie: ([^;]+)/im.exec(opened.head) ?? [];
  expect(opened.status).toBe(303);
  expect((await web.ask({ path: "/", headers: [["Cookie", cookie]] })).status).toBe(200);
  expect((await web.ask({ path })).status).toBe(401);
  const late = `/login?once=${web.offer(webTokens.all)}`;
  web.clock.advance(usPerHour);
  expect((await web.ask({ path: late })).status).toBe(401);
  expect((await web.ask({ path: "/login?once=" })).status).toBe(401);
});

test("nothing is changed from a page of another site", async () => {
  await using web = await startWeb();
  const { cookie } = await login(web, webTokens.all);
  const reload = async (...headers: Headers): Promise<number> =>
    (await web.ask({ method: "POST", path: "/-/reload", headers })).status;
  expect(await reload(["Cookie", cookie], own(web))).toBe(200);
  expect(await reload(["Cookie", cookie], own(web), ["Sec-Fetch-Site", "same-origin"])).toBe(200);
  expect(await reload(["Cookie", cookie])).toBe(403);
  expect(await reload(["Cookie", cookie], ["Origin", "null"])).toBe(403);
  for (const origin of [
    "http://evil.example",
    `http://127.0.0.1:${web.port + 1}`,
    `http://localhost:${web.port}`,
    `ftp://127.0.0.1:${web.port}`,
  ]) {
    expect(await reload(bearer(webTokens.all), ["Origin", origin])).toBe(403);
    expect(await reload(["Cookie", cookie], ["Origin", origin])).toBe(403);
  }
  expect(await reload(bearer(webTokens.all), ["Sec-Fetch-Site", "cross-site"])).toBe(403);
  const evil = ["Origin", "http://evil.example"] as const;
  expect((await login(web, webTokens.all, [evil])).status).toBe(403);
  const path = "/api/v1/insights/of-shop/acknowledge";
  const headers: Headers = [bearer(webTokens.all), evil, ["Content-Type", "application/json"]];
  expect((await web.ask({ method: "POST", path, headers, body: '{"by":"jo"}' })).status).toBe(403);
  expect(web.commands).toEqual([]);
});

test("another name for loopback is refused before anything is asked", async () => {
  await using web = await startWeb();
  for (const host of ["evil.example", "127.0.0.1.evil.example", "", "[::1].example"]) {
    const headers: Headers = [["Host", host], bearer(webTokens.read)];
    const { status, body } = await web.ask({ path: "/", headers });
    expect([400, 403]).toContain(status);
    expect(body).not.toContain("insights");
  }
});

test("headers that protect are on every answer", async () => {
  await using web = await startWeb();
  for (const path of ["/", "/login", "/api/v1/insights", "/metrics", "/nowhere", "/-/ready"]) {
    const { head } = await web.ask({ path });
    expect(head).toMatch(
      /^content-security-policy: default-src 'none'; .*frame-ancestors 'none'$/im,
    );
    expect(head).toMatch(/^x-content-type-options: nosniff$/im);
    expect(head).toMatch(/^referrer-policy: no-referrer$/im);
    expect(head).toMatch(/^cache-control: no-store$/im);
  }
});

test("who may read some namespaces gets these from every list, and no answer that holds others", async () => {
  await using web = await startWeb();
  const get = async (path: string, token: string = webTokens.shop) => {
    const { status, body } = await web.ask({ path, headers: [bearer(token)] });
    return { status, body };
  };
  for (const path of [
    "/",
    "/api/v1/insights",
    "/api/v1/insights?q=pay",
    "/api/v1/insights?namespace=bank",
    "/api/v1/insights/of-shop",
    "/api/v1/sources",
    "/api/v1/sources?namespace=bank",
    "/api/v1/coverage",
    "/api/v1/coverage?namespace=bank",
    "/api/v1/layers",
    "/api/v1/layers?namespace=bank",
    "/api/v1/graph?namespace=bank",
    "/api/v1/graph?focus=c1/bank/pay&hops=10",
  ]) {
    const limited = await get(path);
    expect([path, limited.status, limited.body.includes("bank")]).toEqual([path, 200, false]);
  }
  expect((await get("/api/v1/insights")).body).toContain("of-shop");
  expect((await get("/api/v1/insights", webTokens.read)).body).toContain("of-bank");
  expect(JSON.parse((await get("/api/v1/insights")).body)).toMatchObject({ total: 1 });
  expect(JSON.parse((await get("/api/v1/sources")).body)).toMatchObject({ total: 1 });
  for (const path of ["/api/v1/insights/of-bank", "/api/v1/workloads/c1/bank/pay"]) {
    expect([(await get(path)).status, (await get(path, webTokens.read)).status]).toEqual([
      404, 200,
    ]);
  }
  expect((await get("/api/v1/workloads/c1/shop/cart")).status).toBe(200);
  for (const path of ["/api/v1/status", "/status?verbose", "/api/v1/waivers", "/api/v1/new"]) {
    expect((await get(path)).status).toBe(403);
  }
});

test("of the graph they get what touches theirs, and of others the names alone", async () => {
  await using web = await startWeb();
  const edgesOf = async (path: string, token: string): Promise<string[]> => {
    const { body } = await web.ask({ path, headers: [bearer(token)] });
    const graph = JSON.parse(body) as {
      nodes: { id: string; insights: number }[];
      edges: { source: string; target: string }[];
    };
    const nodes = graph.nodes.map(({ id, insights }) => `${id} ${insights}`);
    return [...nodes, ...graph.edges.map(({ source, target }) => `${source} > ${target}`)].sort();
  };
  const seen = [
    "c1/bank/pay 0",
    "c1/shop/cart 1",
    "c1/shop/cart > c1/bank/pay",
    "c1/shop/web 0",
    "c1/shop/web > c1/shop/cart",
  ].sort();
  expect(await edgesOf("/api/v1/graph", webTokens.shop)).toEqual(seen);
  expect(await edgesOf("/api/v1/graph?focus=c1/shop/web&hops=9", webTokens.shop)).toEqual(seen);
  expect(await edgesOf("/api/v1/graph", webTokens.read)).toContain("c1/bank/pay > c1/bank/vault");
});

test("who opens very many connections gets so many and no more", async () => {
  await using web = await startWeb();
  const sockets = Array.from({ length: 600 }, () => net.connect(web.port, "127.0.0.1"));
  let ended = 0;
  for (const socket of sockets) {
    socket.on("error", () => {});
    socket.on("close", () => ended++);
  }
  await vi.waitFor(() => expect(ended).toBe(88), 10_000);
  for (const socket of sockets) socket.destroy();
});

const fixture = (name: string): string =>
  readFileSync(join(import.meta.dirname, "fixtures/tls", name), "utf8");
const serverTls = {
  cert: fixture("cert.pem"),
  key: fixture("key.pem"),
  clientCa: fixture("client-ca.pem"),
};
const collector = { cert: fixture("client.pem"), key: fixture("client-key.pem") };
const collectorName = "spiffe://mesh.example/ns/monitoring/sa/collector";

test("over TLS, a certificate that the configuration names is as good as a token", async () => {
  const clients = [principal(collectorName, ["metrics"])];
  await using web = await startWeb({ tls: serverTls, clients });
  const asked = async (path: string, shown?: typeof collector, headers: Headers = []) =>
    (await web.ask({ path, headers, ...(shown ? { shown } : {}) })).status;
  expect(await asked("/metrics", collector)).toBe(200);
  expect(await asked("/api/v1/insights", collector)).toBe(403);
  expect(await asked("/metrics")).toBe(401);
  expect(await asked("/metrics", { cert: serverTls.cert, key: serverTls.key })).toBe(401);
  expect(await asked("/api/v1/insights", collector, [bearer(webTokens.read)])).toBe(200);
  expect(await asked("/-/ready")).toBe(200);
  const { cookie, attributes } = await login(web, webTokens.read);
  expect(cookie).toMatch(/^__Host-mesh-insights=/);
  expect(attributes).toContain("; Secure");
});

test("where nobody is named, a certificate of the authority reads, and changes nothing", async () => {
  const otherClients = principal("a certificate", ["read", "metrics"]);
  await using web = await startWeb({ tls: serverTls, otherClients });
  const asked = async (path: string, method = "GET") =>
    (await web.ask({ path, method, shown: collector })).status;
  expect([await asked("/"), await asked("/metrics"), await asked("/-/reload", "POST")]).toEqual([
    200, 200, 403,
  ]);
});

test("anonymous may what is said, and a login more", async () => {
  await using web = await startWeb({ anonymous: ["read", "metrics"] });
  const asked = async (path: string, method = "GET", ...headers: Headers) =>
    (await web.ask({ path, method, headers })).status;
  expect([await asked("/"), await asked("/metrics"), await asked("/-/reload", "POST")]).toEqual([
    200, 200, 401,
  ]);
  const { cookie } = await login(web, webTokens.all);
  expect(await asked("/-/reload", "POST", ["Cookie", cookie], own(web))).toBe(200);
});

test("where nobody is asked, all is open but to other sites", async () => {
  await using web = await startWeb({ asks: false });
  const asked = async (path: string, method = "GET", ...headers: Headers) =>
    (await web.ask({ path, method, headers })).status;
  expect([await asked("/"), await asked("/metrics"), await asked("/-/reload", "POST")]).toEqual([
    200, 200, 200,
  ]);
  expect(await asked("/-/reload", "POST", ["Origin", "http://evil.example"])).toBe(403);
  expect(await asked("/login")).toBe(404);
});
