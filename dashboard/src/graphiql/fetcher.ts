/** GraphiQL's way to our server: queries and mutations by HTTP, subscriptions by WebSocket. */

import type { GraphiQLProps } from "graphiql";
import { getOperationAST, parse } from "graphql";
import { post } from "../graphql";
import { connect } from "../live";

type Fetcher = GraphiQLProps["fetcher"];

export interface Connection {
  fetcher: Fetcher;
  close(): void;
}

/** `onUnauthenticated` is called when the server refuses who is asking; the refusal itself is shown as a result. */
export function open(token: string | undefined, onUnauthenticated: () => void): Connection {
  const live = connect(token, onUnauthenticated);

  const fetcher = ((request, options) => {
    const { query, variables, operationName } = request;
    if (isSubscription(query, operationName)) {
      return {
        subscribe: (listener: Parameters<typeof live.subscribe>[1]) => ({
          unsubscribe: live.subscribe({ query, variables, operationName }, listener),
        }),
      };
    }
    return post({ query, variables, operationName }, token, options?.headers).then((answer) => {
      if (answer.unauthenticated) onUnauthenticated();
      return answer.result;
    });
  }) as Fetcher;

  return { fetcher, close: live.close };
}

function isSubscription(query: string, operationName: string | null | undefined): boolean {
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    return false; // The server names the syntax error better than we could.
  }
}
