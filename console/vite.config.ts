import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const api = process.env["KHMARA_API"] ?? "http://127.0.0.1:8080";

/** Beside each text the same as gzip, which the server sends as it is (server/console-files.ts). Why not brotli: docs/decisions/0009. */
const precompressed: Plugin = {
  name: "precompressed",
  apply: "build",
  writeBundle({ dir }, bundle) {
    for (const name of Object.keys(bundle)) {
      if (!/\.(js|css|html|svg|json|webmanifest)$/.test(name)) continue;
      const path = join(String(dir), name);
      const content = readFileSync(path);
      // One packet holds it anyway.
      if (content.length < 1400) continue;
      writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
    }
  },
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/",
  plugins: [react(), precompressed],
  build: {
    target: "es2023",
    // Small files stay files: a data: script or font would break the CSP.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    rolldownOptions: {
      output: {
        // Few files that compress well instead of seventy small ones: the libraries of every page, then the frame with all that it stands on.
        codeSplitting: {
          groups: [
            {
              name: "base",
              test: /node_modules\/((react|react-dom|scheduler|use-sync-external-store)\/|@tanstack\/(?!react-virtual|virtual-core))/,
            },
            { name: "frame", test: /console\/frame\/(Frame|router)\.tsx$/ },
          ],
        },
      },
    },
    sourcemap: false,
  },
  server: { proxy: { "/api": { target: api, changeOrigin: false, ws: true }, "/sip": { target: api, ws: true } } },
});
