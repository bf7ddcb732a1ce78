/** Sending one operation over HTTP. Whatever happens, the answer has the shape of a GraphQL result. */

export interface Request {
  query: string;
  variables?: unknown;
  operationName?: string | null | undefined;
}

export interface ResultError {
  message: string;
  extensions?: Record<string, unknown>;
}

export interface Result<Data = unknown> {
  data?: Data | null;
  errors?: readonly ResultError[];
}

export interface Answer<Data = unknown> {
  result: Result<Data>;
  /** Nobody known is asking, or no longer: time to sign in. */
  unauthenticated: boolean;
}

export const ENDPOINT = "/graphql";

export async function post<Data>(
  request: Request,
  token: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer<Data>> {
  let response: Response;
  try {
    response = await fetch(ENDPOINT, {
      method: "POST",
      headers: requestHeaders(token, headers),
      body: JSON.stringify(request),
    });
  } catch (error) {
    return { result: failed(`The server cannot be reached: ${words(error)}.`), unauthenticated: false };
  }
  const result = await readResult<Data>(response);
  return { result, unauthenticated: response.status === 401 || saysUnauthenticated(result) };
}

/** A result that carries one message of ours, for a failure outside GraphQL. */
export function failed(message: string): Result<never> {
  return { errors: [{ message }] };
}

export function saysUnauthenticated(result: Result): boolean {
  return result.errors?.some((error) => error.extensions?.["code"] === "UNAUTHENTICATED") ?? false;
}

/** What an unknown thrown value says, without its final full stop. */
export function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}

function requestHeaders(token: string | undefined, extra: Readonly<Record<string, string>>): Headers {
  const headers = new Headers({
    accept: "application/graphql-response+json, application/json",
    "content-type": "application/json",
  });
  if (token) headers.set("authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(extra)) headers.set(name, value);
  return headers;
}

async function readResult<Data>(response: Response): Promise<Result<Data>> {
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && ("data" in body || "errors" in body)) return body as Result<Data>;
  } catch {
    // Not JSON: a proxy's page, or a server that is starting. Told below.
  }
  const start = text.trim().slice(0, 200);
  return failed(`HTTP ${response.status} ${response.statusText}`.trim() + (start ? `: ${start}` : ""));
}
