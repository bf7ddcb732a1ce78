/** The page: who is signed in at the top, the way in while nobody is, and GraphiQL below. */

import { GraphiQL } from "graphiql";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { post } from "../graphql";
import { forget, keep, restore, type Session } from "../session";
import { open } from "./fetcher";
import { SignIn } from "./sign-in";
import { STARTERS } from "./starters";
import { SystemTheme } from "./system-theme";

export function Page() {
  const [session, setSession] = useState(restore);
  const [notice, setNotice] = useState<string>();
  const [visit, setVisit] = useState(0);
  const identity = useRef<HTMLParagraphElement>(null);
  const token = session?.token;
  const readable = useOpenSchema(token);

  const refused = useCallback(() => {
    forget();
    setSession(undefined);
    setNotice(token ? "The server no longer accepts this sign-in. Please sign in again." : "Sign in to run this.");
  }, [token]);

  // The schema is shown to anyone, so reading it would not tell that a token kept from an earlier visit is refused.
  useEffect(() => {
    if (!token) return;
    let current = true;
    void post({ query: "{ me { email } }" }, token).then(({ unauthenticated }) => {
      if (current && unauthenticated) refused();
    });
    return () => {
      current = false;
    };
  }, [token, refused]);

  // A new token is a new connection, and GraphiQL reads the schema again whenever the fetcher changes.
  const connection = useMemo(() => open(token, refused), [token, refused]);
  useEffect(() => () => connection.close(), [connection]);

  function enter(granted: Session): void {
    keep(granted);
    flushSync(() => {
      setSession(granted);
      setNotice(undefined);
    });
    identity.current?.focus(); // The form, which had the focus, is gone.
  }

  function leave(): void {
    forget();
    setSession(undefined);
    setNotice(undefined);
    setVisit(visit + 1); // A fresh GraphiQL: the results of whoever leaves go with them.
  }

  return (
    <div className="page">
      <header className="bar">
        <h1>
          FairMind <span aria-hidden="true">·</span> <small>GraphiQL</small>
        </h1>
        {session ? (
          <>
            <p className="identity" ref={identity} tabIndex={-1} role="status">
              Signed in as <strong>{session.email}</strong>
              {session.role && <span className="role">{session.role.toLowerCase().replaceAll("_", " ")}</span>}
            </p>
            <button type="button" className="quiet" onClick={leave}>
              Sign out
            </button>
          </>
        ) : (
          <p className="identity" role="status">
            Not signed in
          </p>
        )}
      </header>
      {!session && <SignIn notice={notice} onSignedIn={enter} />}
      <main>
        <GraphiQL
          key={visit}
          fetcher={connection.fetcher}
          storage={sessionStorage}
          defaultTabs={STARTERS.map((starter) => ({ ...starter }))}
          defaultEditorToolsVisibility="variables"
          shouldPersistHeaders={false}
          showPersistHeadersSettings={false}
          inputValueDeprecation
          schemaDescription
          {...(token || readable ? {} : { schema: null })}
        >
          <GraphiQL.Logo>
            <SystemTheme />
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  );
}

/** Whether strangers may read the schema. If not, GraphiQL must not ask: it would fill its result pane with the refusal. */
function useOpenSchema(token: string | undefined): boolean {
  const [readable, setReadable] = useState(false);
  useEffect(() => {
    if (token) return;
    let current = true;
    void post({ query: "{ __schema { queryType { name } } }" }, undefined).then(({ result }) => {
      if (current) setReadable(!result.errors);
    });
    return () => {
      current = false;
    };
  }, [token]);
  return readable;
}
