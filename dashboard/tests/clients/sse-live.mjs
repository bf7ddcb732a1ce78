/** Runs one subscription with npm's graphql-sse in distinct connections mode. For the command line see live.mjs. */

import { createClient } from "graphql-sse";
import { commandLine, follow } from "./live.mjs";

const asked = commandLine("sse-live.mjs");

await follow(
  createClient({
    url: asked.url,
    headers: asked.token ? { authorization: `Bearer ${asked.token}` } : {},
    singleConnection: false,
    retryAttempts: 0,
  }),
  asked,
);
