/**
 * Compiles a small Relay project against a schema: node relay-check.mjs schema.graphql
 *
 * Fragments, a refetchable fragment (which needs `node(id: ID!): Node`), and a paginated @connection over `models`.
 * Prints one JSON line; exits with 0, or with 1 and what relay-compiler said.
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import compiler from "relay-compiler";

const [schema] = process.argv.slice(2);
if (!schema) {
  console.error("usage: node relay-check.mjs schema.graphql");
  process.exit(2);
}

// Relay wants every document named after its file.
const MODULES = {
  "ModelRow.ts": ["fragment ModelRow_model on Model { id name }"],
  "ModelDetail.ts": [
    'fragment ModelDetail_model on Model @refetchable(queryName: "ModelDetailRefetchQuery") { id name ...ModelRow_model }',
  ],
  "ModelList.ts": [
    `fragment ModelList_query on Query
       @refetchable(queryName: "ModelListPageQuery")
       @argumentDefinitions(first: { type: "Int", defaultValue: 10 }, after: { type: "String" }) {
       models(first: $first, after: $after) @connection(key: "ModelList_models") {
         edges { node { id ...ModelRow_model } }
       }
     }`,
  ],
  "Pages.ts": [
    "query PagesListQuery { ...ModelList_query }",
    "query PagesModelQuery($id: ID!) { node(id: $id) { __typename id ...ModelDetail_model @alias } }",
  ],
};

const project = mkdtempSync(join(tmpdir(), "relay-check-"));
try {
  mkdirSync(join(project, "src", "__generated__"), { recursive: true });
  copyFileSync(schema, join(project, "schema.graphql"));
  writeFileSync(
    join(project, "relay.config.json"),
    JSON.stringify({ src: "./src", schema: "./schema.graphql", language: "typescript", artifactDirectory: "./src/__generated__" }),
  );
  for (const [name, documents] of Object.entries(MODULES)) {
    const tagged = documents.map((text, index) => `export const document${index} = graphql\`${text}\`;`);
    writeFileSync(join(project, "src", name), [`import { graphql } from "relay-runtime";`, ...tagged, ""].join("\n"));
  }
  const started = Date.now();
  const done = spawnSync(compiler, ["relay.config.json"], { cwd: project, encoding: "utf8" });
  const artifacts = readdirSync(join(project, "src", "__generated__")).sort();
  const ok = done.status === 0 && artifacts.includes("ModelListPageQuery.graphql.ts");
  console.log(JSON.stringify({ ok, artifacts, ms: Date.now() - started }));
  if (!ok) console.error(done.error?.message ?? done.stdout + done.stderr);
  process.exitCode = ok ? 0 : 1;
} finally {
  rmSync(project, { recursive: true, force: true });
}
