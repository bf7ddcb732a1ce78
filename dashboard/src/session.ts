/** Who is signed in. Kept in sessionStorage: it ends with the browser tab and no other tab sees it. */

import { post } from "./graphql";

export interface Session {
  token: string;
  email: string;
  role?: string | undefined;
  expiresAt?: string | undefined;
}

const KEY = "fairmind:session";

const SIGN_IN = `mutation SignIn($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { token expiresAt viewer { email role } }
}`;

const WHO_AM_I = `query WhoAmI { me { email role } }`;

interface Person {
  email: string;
  role?: string;
}

interface SignedIn {
  signIn: { token: string; expiresAt: string; viewer: Person } | null;
}

/** Exchange an email and a password for a session, or throw what the server said. */
export async function signIn(email: string, password: string): Promise<Session> {
  const { result } = await post<SignedIn>({ query: SIGN_IN, variables: { email, password }, operationName: "SignIn" }, undefined);
  const granted = result.data?.signIn;
  if (!granted) throw new Error(result.errors?.[0]?.message ?? "The server gave no token.");
  const { email: address, role } = granted.viewer;
  return { token: granted.token, expiresAt: granted.expiresAt, email: address, role };
}

/** Try a token that was brought along (an API key, a token of `fairmind token`), or throw what the server said. */
export async function signInWithToken(token: string): Promise<Session> {
  const { result } = await post<{ me: Person | null }>({ query: WHO_AM_I, operationName: "WhoAmI" }, token);
  const me = result.data?.me;
  if (!me) throw new Error(result.errors?.[0]?.message ?? "The server does not know this token.");
  return { token, email: me.email, role: me.role };
}

export function restore(): Session | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (isSession(kept) && !hasExpired(kept)) return kept;
  } catch {
    // Damaged by hand: the same as none.
  }
  forget();
  return undefined;
}

export function keep(session: Session): void {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

export function forget(): void {
  sessionStorage.removeItem(KEY);
}

function isSession(value: unknown): value is Session {
  return (
    typeof value === "object" && value !== null &&
    "token" in value && typeof value.token === "string" &&
    "email" in value && typeof value.email === "string"
  );
}

function hasExpired({ expiresAt }: Session): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= Date.now();
}
