import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const api = process.env["KHMARA_API"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/",
  plugins: [react()],
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
  server: { proxy: { "/api": { target: api, changeOrigin: false, ws: true } } },
});
