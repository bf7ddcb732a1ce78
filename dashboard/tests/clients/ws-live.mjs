/** Runs one subscription with npm's graphql-ws over graphql-transport-ws. For the command line see live.mjs. */

import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { commandLine, follow } from "./live.mjs";

const asked = commandLine("ws-live.mjs");

await follow(
  createClient({
    url: asked.url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: asked.token ? { authorization: `Bearer ${asked.token}` } : {},
    retryAttempts: 0,
  }),
  asked,
);
