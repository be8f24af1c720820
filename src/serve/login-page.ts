/** The page on which a person logs in. */
import { html } from "hono/html";

export const loginPath = "/login";
export const logoutPath = "/logout";

export interface LoginPage {
  readonly isTls: boolean;
  /** Why an attempt has failed; "" = there was none. */
  readonly why: string;
}

export function renderLoginPage({ isTls, why }: LoginPage): ReturnType<typeof html> {
  const warning = isTls ? "" : "This page is in plain text: whoever is on the way can read it.";
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>mesh-insights: log in</title>
        <link rel="stylesheet" href="/status.css" />
      </head>
      <body>
        <h1>mesh-insights</h1>
        <form method="post" action="${loginPath}">
          <label for="token">A token that may read</label>
          <input id="token" name="token" type="password" autocomplete="current-password" required />
          <button>Log in</button>
        </form>
        <p class="bad" role="alert">${why}</p>
        <p>${warning}</p>
      </body>
    </html>`;
}
