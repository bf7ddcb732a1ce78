/**
 * Subscriptions over WebSocket, protocol graphql-transport-ws.
 *
 * A refusal is told once and never retried; a connection that merely dropped is tried three more times.
 */

import { type Client, createClient } from "graphql-ws";
import { ENDPOINT, failed, type Request, type Result, saysUnauthenticated, words } from "./graphql";

export interface Listener {
  next(result: Result): void;
  complete(): void;
}

export interface Live {
  subscribe(request: Request, listener: Listener): () => void;
  close(): void;
}

const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

export function connect(token: string | undefined, onUnauthenticated: () => void): Live {
  let refusal: string | undefined;

  // The server may refuse with a `connection_error` message, which the protocol does not know and
  // graphql-ws would report as "invalid message type". Read it first and end the connection with its words.
  class ExplainedSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      refusal = undefined;
      this.addEventListener("message", (event: MessageEvent<unknown>) => {
        const told = connectionError(event.data);
        if (told === undefined) return;
        event.stopImmediatePropagation();
        refusal = told;
        this.close(FORBIDDEN, "Refused");
      });
    }
  }

  const client: Client = createClient({
    url: socketUrl(),
    webSocketImpl: ExplainedSocket,
    connectionParams: token ? { authorization: `Bearer ${token}` } : {},
    lazy: true,
    lazyCloseTimeout: 3_000,
    keepAlive: 20_000,
    connectionAckWaitTimeout: 10_000,
    retryAttempts: 3,
    shouldRetry: (event) => event instanceof CloseEvent && !isRefusal(event),
  });

  return {
    subscribe: (request, listener) =>
      client.subscribe(
        { query: request.query, variables: request.variables as Record<string, unknown> | null, operationName: request.operationName },
        {
          next: (event) => {
            const result = event as Result;
            listener.next(result);
            if (saysUnauthenticated(result)) onUnauthenticated();
          },
          complete: () => listener.complete(),
          error: (cause) => {
            const result = explain(cause, refusal);
            listener.next(result);
            listener.complete();
            if (isRefusal(cause) || saysUnauthenticated(result)) onUnauthenticated();
          },
        },
      ),
    close: () => void client.dispose(),
  };
}

function socketUrl(): string {
  const url = new URL(ENDPOINT, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** The message of a `connection_error`, or undefined for any other message. */
function connectionError(data: unknown): string | undefined {
  if (typeof data !== "string" || !data.includes("connection_error")) return undefined;
  try {
    const message = JSON.parse(data) as { type?: unknown; payload?: { message?: unknown } | null };
    if (message.type !== "connection_error") return undefined;
    return typeof message.payload?.message === "string" ? message.payload.message : "The server refused the connection.";
  } catch {
    return undefined;
  }
}

function isRefusal(cause: unknown): boolean {
  return cause instanceof CloseEvent && (cause.code === UNAUTHORIZED || cause.code === FORBIDDEN);
}

/** What ended a subscription, as a result: the errors of an `error` frame, or our words for a lost connection. */
function explain(cause: unknown, refusal: string | undefined): Result {
  if (Array.isArray(cause)) return { errors: cause as Result["errors"] & object };
  if (cause instanceof CloseEvent) {
    if (isRefusal(cause)) return failed(refusal ?? `The server refused the connection: ${cause.reason || "no reason given"} (${cause.code}).`);
    return failed(`The live connection was closed: ${cause.reason || "no reason given"} (${cause.code}).`);
  }
  if (cause instanceof Event) return failed("The live connection could not be opened. Is the server running, and is this page from the same address?");
  return failed(`The live connection failed: ${words(cause)}.`);
}
