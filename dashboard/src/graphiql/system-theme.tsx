/** Tells GraphiQL when the system goes from light to dark or back: by itself it asks only when it starts. */

import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect } from "react";

/** Shows nothing; has to be inside GraphiQL. */
export function SystemTheme() {
  const { theme } = useGraphiQL(pick("theme"));
  const { setTheme } = useGraphiQLActions();
  const chosen = theme !== null;

  useEffect(() => {
    if (chosen) return;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setTheme(null);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, [chosen, setTheme]);

  return null;
}
