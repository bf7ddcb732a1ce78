/** Two ways in: an email and a password, or a token that one already has. */

import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { words } from "../graphql";
import { type Session, signIn, signInWithToken } from "../session";

interface Props {
  notice: string | undefined;
  onSignedIn(session: Session): void;
}

export function SignIn({ notice, onSignedIn }: Props) {
  const [withToken, setWithToken] = useState(false);
  const [refusal, setRefusal] = useState<string>();
  const [busy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  const secret = useRef<HTMLInputElement>(null);
  const title = useId();

  useEffect(() => (withToken ? secret : first).current?.focus(), [withToken]);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = (name: string) => String(form.get(name) ?? "");
    setBusy(true);
    setRefusal(undefined);
    try {
      onSignedIn(withToken ? await signInWithToken(bare(said("token"))) : await signIn(said("email").trim(), said("password")));
    } catch (error) {
      setRefusal(`${capital(words(error))}.`);
      setBusy(false);
      secret.current?.select();
    }
  }

  return (
    <section className="sign-in" aria-labelledby={title}>
      <div className="invitation">
        <h2 id={title}>Sign in to explore</h2>
        <p>Use your account on this server; the demo prints one. The sign-in ends with this browser tab.</p>
      </div>
      <div className="way-in">
        <form onSubmit={(event) => void submit(event)}>
          {withToken ? (
            <Field label="Token">
              <input ref={secret} key="token" name="token" type="password" autoComplete="off" spellCheck={false} required />
            </Field>
          ) : (
            <>
              <Field label="Email">
                <input ref={first} key="email" name="email" type="email" autoComplete="username" required />
              </Field>
              <Field label="Password">
                <input ref={secret} name="password" type="password" autoComplete="current-password" required />
              </Field>
            </>
          )}
          <button type="submit" disabled={busy}>
            {busy ? "Signing in…" : "Sign in"}
          </button>
          <button type="button" className="link" onClick={() => { setWithToken(!withToken); setRefusal(undefined); }}>
            {withToken ? "Use a password instead" : "Use a token instead"}
          </button>
        </form>
        <p className="refusal" role="alert">
          {refusal ?? notice}
        </p>
      </div>
    </section>
  );
}

function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <label className="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

/** The server's messages begin small; on this page one is a sentence of its own. */
function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** People paste the whole header; the token is what follows "Bearer". */
function bare(pasted: string): string {
  return pasted.trim().replace(/^(authorization:\s*)?bearer\s+/i, "");
}
