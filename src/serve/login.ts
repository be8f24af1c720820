/** Logging in with a token, or by a link that works once, and out again. */
import type { Context, Hono } from "hono";
import type { KnownToken } from "../access/tokens.ts";
import { Secret } from "../lib/secret.ts";
import { usPerSecond } from "../model/time.ts";
import { addressOf, cookieName, cookieOf, type WebAccess } from "./access.ts";
import { readText } from "./body.ts";
import { loginPath, logoutPath, renderLoginPage } from "./login-page.ts";

/** A token, and the name of its field. */
const bodyMax = 8_192;

export function addLogin(app: Hono, access: WebAccess): void {
  const { gate, sessions, isTls } = access;
  const page = (context: Context, why: string): Response | Promise<Response> =>
    context.html(renderLoginPage({ isTls, why }), why === "" ? 200 : 401);
  app.get(loginPath, (context) => {
    const code = context.req.query("once");
    if (code === undefined || context.req.method === "HEAD") return page(context, "");
    const digest = sessions.redeem(code);
    const token = digest === null ? null : gate.stillKnown(digest);
    if (token !== null) return begin(context, access, token);
    gate.refuse("unknown", addressOf(context));
    return page(context, "This link was used before, or is too old.");
  });
  app.post(loginPath, async (context) => {
    const text = await readText(context, bodyMax);
    const token = new URLSearchParams(text ?? "").get("token") ?? "";
    const verdict = gate.judge(new Secret(token.trim()), addressOf(context), "read");
    if (verdict.ok) return begin(context, access, verdict.token);
    return page(context, `Not let in: ${verdict.message}.`);
  });
  app.post(logoutPath, (context) => {
    const name = cookieName(isTls);
    sessions.close(cookieOf(context, name));
    context.header("set-cookie", `${name}=; ${attributes(isTls)}; Max-Age=0`);
    return context.redirect(loginPath, 303);
  });
}

function begin(context: Context, access: WebAccess, token: KnownToken): Response {
  const { sessions, isTls } = access;
  const id = sessions.open(token.digest).reveal();
  const age = Math.floor(sessions.lifeUs / usPerSecond);
  const cookie = `${cookieName(isTls)}=${id}; ${attributes(isTls)}; Max-Age=${age}`;
  context.header("set-cookie", cookie);
  return context.redirect("/", 303);
}

const attributes = (isTls: boolean): string =>
  `Path=/; HttpOnly; SameSite=Strict${isTls ? "; Secure" : ""}`;
