/**
 * Drives the GraphiQL page of a running server with a headless Chromium, as a newcomer would use it.
 *
 *     node graphiql.mjs URL EMAIL PASSWORD DOCUMENTS.json SCREENSHOT.png
 *
 * or URL, EMAIL, PASSWORD, DOCUMENTS, SCREENSHOT and CHROMIUM (default /usr/bin/chromium) in the environment;
 * COLOR_SCHEME=dark for the dark page. DOCUMENTS.json, both parts optional:
 *
 *     {"mutation": {"query": "...", "variables": {...}},
 *      "subscription": {"query": "...", "variables": {"id": "$mutation.startAnalysis.id"}}}
 *
 * A variable "$mutation.a.b" stands for data.a.b of the mutation's answer. Prints one JSON line; exits with 0 or 1.
 * Needs `npm ci` in clients/, which brings playwright-core and no browser.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("./clients/package.json", import.meta.url))("playwright-core");

const [url, email, password, documentsFile, screenshot] = ["URL", "EMAIL", "PASSWORD", "DOCUMENTS", "SCREENSHOT"].map(
  (name, index) => process.argv[index + 2] ?? process.env[name],
);
if (!url || !email || !password) {
  console.error("usage: node graphiql.mjs URL EMAIL PASSWORD [DOCUMENTS.json] [SCREENSHOT.png]");
  process.exit(2);
}
const documents = documentsFile ? JSON.parse(readFileSync(documentsFile, "utf8")) : {};
const patience = Number(process.env.TIMEOUT_MS ?? 60_000);

const report = { ok: false, checks: {}, foreign: [], violations: [], console: [], sockets: 0 };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const page = await browser.newPage({
  viewport: { width: 1280, height: 800 },
  colorScheme: process.env.COLOR_SCHEME === "dark" ? "dark" : "light",
});
page.setDefaultTimeout(patience);

const origin = new URL(url).host;
page.on("request", (request) => {
  const { protocol, host } = new URL(request.url());
  if (!["data:", "blob:"].includes(protocol) && host !== origin) report.foreign.push(request.url());
});
page.on("websocket", (socket) => {
  report.sockets += 1;
  if (new URL(socket.url()).host !== origin) report.foreign.push(socket.url());
});
page.on("pageerror", (error) => report.console.push(error.message));
page.on("console", (message) => {
  // Chromium logs every refused request; that a request is refused is part of what we try.
  const refused = message.text().startsWith("Failed to load resource") && message.location().url.startsWith(url);
  if (message.type() === "error" && !refused) report.console.push(message.text());
});
await page.exposeFunction("reportViolation", (violation) => report.violations.push(violation));
await page.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) =>
    window.reportViolation(`${event.violatedDirective}: ${event.blockedURI || event.sourceFile}`),
  );
  // Lets a check send another token over the socket than the one the page holds.
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    return send.call(this, window.otherToken ? String(data).replace(/Bearer [^"]+/, `Bearer ${window.otherToken}`) : data);
  };
});

const button = (name) => page.getByRole("button", { name, exact: true });

async function loads() {
  const started = Date.now();
  const response = await page.goto(url);
  const policy = response.headers()["content-security-policy"] ?? "";
  expect(response.ok(), `the page answers ${response.status()}`);
  expect(policy.includes("default-src 'none'") && policy.includes("script-src 'self'"), `the policy is "${policy}"`);
  await ready();
  expect((await page.title()) === "FairMind · GraphiQL", "the title");
  return { ms: Date.now() - started };
}

async function refusesWrongPassword() {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(`not ${password}`);
  await button("Sign in").click();
  await page.locator(".sign-in [role=alert]:not(:empty)").waitFor();
  return { said: await page.locator(".sign-in [role=alert]").innerText() };
}

async function signsIn() {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await button("Sign in").click();
  await page.getByText(`Signed in as ${email}`).waitFor();
  const kept = await page.evaluate(() => Object.keys(localStorage));
  expect(kept.length === 0, `localStorage holds ${kept}`);
}

/** The system, or the reader in GraphiQL's settings, goes from light to dark and back: all text stays readable. */
async function followsTheme() {
  const least = {};
  const seen = async (moment, dark) => {
    await page.waitForFunction((dark_) => document.querySelector(".graphiql-query-editor .vs-dark") !== null === dark_, dark, { timeout: 5_000 })
      .catch(() => expect(false, `${moment}: the editors stay ${dark ? "light" : "dark"}`));
    least[moment] = await page.evaluate(leastContrast);
    expect(least[moment] >= 3, `${moment}: contrast ${least[moment]}`);
    if (screenshot && moment === "dark system") await page.screenshot({ path: screenshot.replace(/(\.\w+)$/, "-dark$1") });
  };
  const choose = async (name) => {
    await button("Open settings dialog").click();
    await button(name).click();
    await page.keyboard.press("Escape");
    await page.locator(".graphiql-dialog").waitFor({ state: "detached" });
  };
  const own = process.env.COLOR_SCHEME === "dark" ? "dark" : "light";
  await page.emulateMedia({ colorScheme: "dark" });
  await seen("dark system", true);
  await choose("Light");
  await seen("light chosen", false);
  await page.emulateMedia({ colorScheme: "light" });
  await choose("Dark");
  await seen("dark chosen", true);
  await choose("System");
  await seen("light system", false);
  await page.emulateMedia({ colorScheme: own });
  await seen("as it began", own === "dark");
  return { least };
}

/** The lowest contrast of a text in an editor with what is behind it, as WCAG counts it; runs in the page. */
function leastContrast() {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((each) => each / 255).map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const [red, green, blue, alpha = 1] = parts(getComputedStyle(element).backgroundColor);
    if (alpha === 1) return [red, green, blue];
    const below = behind(element.parentElement);
    return [red, green, blue].map((each, n) => alpha * each + (1 - alpha) * below[n]);
  };
  const contrasts = [...document.querySelectorAll(".monaco-editor .view-line span span")]
    .filter((span) => span.textContent.trim())
    .map((span) => [light(parts(getComputedStyle(span).color)), light(behind(span))].sort((a, b) => b - a))
    .map(([high, low]) => (high + 0.05) / (low + 0.05));
  return Math.round(Math.min(...contrasts) * 100) / 100;
}

async function queries() {
  const [answer] = await run({ query: "{ me { email } }" });
  expect(answer?.data?.me?.email === email, JSON.stringify(answer));
}

async function mutates() {
  const answer = (await run(documents.mutation)).at(-1);
  expect(answer?.data && !answer.errors, JSON.stringify(answer));
  return { data: answer.data };
}

async function subscribes() {
  const { query, variables } = documents.subscription;
  const events = await run({ query, variables: filled(variables) });
  expect(events.length > 0 && events.every((event) => event.data && !event.errors), JSON.stringify(events));
  return { events: events.length, last: events.at(-1).data };
}

/** A token the server never gave, over the socket: the refusal is shown, once, and nothing goes on trying. */
async function refusesTokenOnSocket() {
  await page.waitForTimeout(4_000); // the connection of the last subscription lingers for 3 s
  await page.evaluate(() => (window.otherToken = "not-a-token"));
  const before = report.sockets;
  const { query, variables } = documents.subscription;
  const events = await run({ query, variables: filled(variables) });
  expect(events.length === 1 && events[0].errors?.length > 0, JSON.stringify(events));
  await page.getByText("Sign in to explore").waitFor();
  await page.waitForTimeout(3_000);
  expect(report.sockets - before === 1, `${report.sockets - before} connections were tried`);
  return { said: events[0].errors[0].message };
}

/** The same token kept from an earlier visit: the page says so and asks to sign in. */
async function refusesKeptToken() {
  await page.evaluate((address) => {
    sessionStorage.setItem("fairmind:session", JSON.stringify({ token: "not-a-token", email: address }));
  }, email);
  await page.reload();
  await page.getByText("Sign in to explore").waitFor();
  return { said: await page.locator(".sign-in [role=alert]").innerText() };
}

async function ready() {
  await page.locator(".graphiql-query-editor .monaco-editor").waitFor();
  await page.locator(".graphiql-response .monaco-editor").waitFor();
}

/** Run one document in a tab of its own and return every result that was shown, in order. */
async function run({ query, variables = {} }) {
  await button("New tab").click();
  await page.waitForTimeout(300);
  await page.evaluate(
    ([document_, variables_]) => {
      const shown = (place) => globalThis.__MONACO.editor.getEditors().find((editor) => editor.getContainerDomNode().closest(place)?.isConnected);
      shown(".graphiql-query-editor").setValue(document_);
      shown("[aria-label='Variables']").setValue(variables_);
      const response = shown(".graphiql-response");
      window.stopWatching?.();
      window.shownResults = [];
      const watch = response.onDidChangeModelContent(() => response.getValue() && window.shownResults.push(response.getValue()));
      window.stopWatching = () => watch.dispose();
    },
    [query, JSON.stringify(variables, null, 2)],
  );
  await page.waitForTimeout(700); // GraphiQL finds the operation's name a moment after the text has changed
  await page.getByRole("button", { name: /^Execute query/ }).click();
  await page.waitForFunction(() => window.shownResults.length > 0);
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();
  await page.locator(".graphiql-response .graphiql-spinner").waitFor({ state: "detached" });
  return (await page.evaluate(() => window.shownResults)).map((text) => JSON.parse(text));
}

function filled(variables = {}) {
  const answer = report.checks.mutation?.data;
  const fill = (value) =>
    typeof value === "string" && value.startsWith("$mutation.")
      ? value.slice("$mutation.".length).split(".").reduce((found, key) => found?.[key], answer)
      : value;
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, fill(value)]));
}

function expect(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

async function check(name, work) {
  try {
    report.checks[name] = { ok: true, ...(await work()) };
  } catch (error) {
    report.checks[name] = { ok: false, why: error.message.split("\n")[0] };
    throw error;
  }
}

try {
  await check("loads", loads);
  await check("wrong password", refusesWrongPassword);
  await check("sign in", signsIn);
  await check("query", queries);
  await check("theme", followsTheme);
  if (documents.mutation) await check("mutation", mutates);
  if (documents.subscription) await check("subscription", subscribes);
  if (screenshot) await page.screenshot({ path: screenshot });
  if (documents.subscription) await check("refused token on socket", refusesTokenOnSocket);
  await check("refused token kept", refusesKeptToken);
} catch {
  // Named in the report; show how far we came.
  if (screenshot) await page.screenshot({ path: screenshot }).catch(() => {});
} finally {
  await browser.close();
}

report.ok =
  Object.values(report.checks).every((each) => each.ok) &&
  report.foreign.length === 0 && report.violations.length === 0 && report.console.length === 0;
console.log(JSON.stringify(report));
process.exit(report.ok ? 0 : 1);
