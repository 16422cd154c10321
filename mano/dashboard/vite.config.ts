import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server's policy allows scripts, styles and workers from its own origin only, so nothing may be inlined as a
// data: URL, and no polyfill may be injected as an inline script.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 1000,
  },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    css: true, // a test reads the colours
  },
});
