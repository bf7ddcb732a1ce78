import { defineConfig } from "vite";

// Every page is one HTML file beside this one; add a page by adding its line to `input`.
// The server serves dist/ under /static/dashboard/, so `npm run dev` needs a server for /graphql only.
export default defineConfig({
  base: "/static/dashboard/",
  build: {
    target: ["chrome123", "edge123", "firefox121", "safari17.5"],
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      input: { graphiql: "graphiql.html" },
      // Libraries mark files for React on a server ("use client"); this page has no such server.
      onLog: (level, log, show) => {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") show(level, log);
      },
    },
  },
  worker: { format: "es" },
  server: { proxy: { "/graphql": { target: "http://127.0.0.1:8000", ws: true } } },
});
