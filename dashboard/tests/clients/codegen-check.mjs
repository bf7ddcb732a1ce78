/**
 * Generates TypeScript types from a schema and type-checks them: node codegen-check.mjs schema.graphql [types.ts]
 *
 * With a second argument the types are kept there. Prints one JSON line; exits with 0, or with 1 and what was said.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { generate } from "@graphql-codegen/cli";

const [schema, kept] = process.argv.slice(2).map((path) => resolve(path));
if (!schema) {
  console.error("usage: node codegen-check.mjs schema.graphql [types.ts]");
  process.exit(2);
}

process.chdir(import.meta.dirname); // codegen looks for its plugins from where it is called
const folder = mkdtempSync(join(tmpdir(), "codegen-check-"));
const types = join(folder, "types.ts");
try {
  const started = Date.now();
  const [{ content }] = await generate(
    {
      schema,
      generates: { [types]: { plugins: ["typescript"], config: { defaultScalarType: "unknown", enumsAsTypes: true } } },
      silent: true,
    },
    false,
  );
  writeFileSync(types, content);
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const checked = spawnSync(process.execPath, [tsc, "--noEmit", "--strict", "--target", "es2022", types], { cwd: folder, encoding: "utf8" });
  const ok = checked.status === 0;
  console.log(JSON.stringify({ ok, types: (content.match(/^export (type|enum) /gm) ?? []).length, ms: Date.now() - started }));
  if (!ok) console.error(checked.error?.message ?? checked.stdout + checked.stderr);
  if (ok && kept) writeFileSync(kept, readFileSync(types));
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  console.log(JSON.stringify({ ok: false }));
  console.error(error.errors?.map((each) => each.message).join("\n") ?? error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
