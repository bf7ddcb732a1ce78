/**
 * What ws-live.mjs and sse-live.mjs share: the command line, and running one subscription to its end.
 *
 * Every event is one JSON line. Exit codes: 0 completed or stopped, 1 refused or failed (the reason, as JSON
 * {"errors": [...]}, is the last line), 2 wrong usage, 4 nothing more came within --timeout seconds (default 60).
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export function commandLine(name) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "stop-when": { type: "string" }, timeout: { type: "string", default: "60" } },
  });
  const [url, token, query, variables = "{}"] = positionals;
  if (!url || token === undefined || !query) {
    console.error(`usage: node ${name} URL TOKEN DOCUMENT [VARIABLES] [--stop-when PATH[=VALUE]] [--timeout SECONDS]`);
    console.error("TOKEN may be empty; DOCUMENT and VARIABLES may be @files; PATH is like analysisProgress.stage");
    process.exit(2);
  }
  return {
    url,
    token,
    request: { query: read(query), variables: JSON.parse(read(variables)) },
    stops: stopCondition(values["stop-when"]),
    timeoutMs: Number(values.timeout) * 1000,
  };
}

export async function follow(client, { request, stops, timeoutMs }) {
  let code = 0;
  let alarm;
  const wait = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => process.exit(4), timeoutMs);
  };
  wait();
  const events = client.iterate(request);
  try {
    for await (const event of events) {
      wait();
      console.log(JSON.stringify(event));
      if (event.errors) code = 1;
      if (stops(event.data)) break;
    }
  } catch (cause) {
    console.log(JSON.stringify({ errors: await explain(cause) }));
    code = 1;
  }
  clearTimeout(alarm);
  await client.dispose();
  process.exitCode = code;
}

function read(text) {
  return text.startsWith("@") ? readFileSync(text.slice(1), "utf8") : text;
}

/** "a.b=c" holds when data.a.b is c as text; "a.b" holds as soon as data.a.b is neither null, false nor absent. */
function stopCondition(text) {
  if (!text) return () => false;
  const [path, value] = text.split("=", 2);
  return (data) => {
    const found = path.split(".").reduce((at, key) => at?.[key], data);
    return value === undefined ? Boolean(found ?? false) : String(found) === value;
  };
}

async function explain(cause) {
  if (Array.isArray(cause)) return cause;
  const body = await cause?.response?.json?.().catch(() => undefined); // graphql-sse: the refusal as the server wrote it
  if (body?.errors) return body.errors;
  if (cause?.code !== undefined && "reason" in cause) return [{ message: `closed: ${cause.code} ${cause.reason}`.trim(), code: cause.code }];
  return [{ message: cause?.message ?? String(cause) }];
}
