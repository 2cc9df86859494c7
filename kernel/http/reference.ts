import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorCodes } from "../errors.ts";
import { httpErrors } from "./errors.ts";
import { errorMeanings, type OpenApiDocument } from "./openapi.ts";

/** Everything comes from here, nothing runs that is not a file of ours, and no other site can frame it. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // Swagger UI's style sheet has its icons inside.
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const compress = promisify(gzip);
const require = createRequire(import.meta.url);

interface Asset {
  type: string;
  path: () => string;
}

const own = (name: string) => () => new URL(`./reference/${name}`, import.meta.url).pathname;
const assets: Record<string, Asset> = {
  "swagger-ui.css": { type: "text/css", path: () => require.resolve("swagger-ui-dist/swagger-ui.css") },
  "swagger-ui-bundle.js": { type: "text/javascript", path: () => require.resolve("swagger-ui-dist/swagger-ui-bundle.js") },
  "page.css": { type: "text/css", path: own("page.css") },
  "page.js": { type: "text/javascript", path: own("page.js") },
};

const escaped = (text: string): string =>
  text
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/`([^`]+)`/g, "<code>$1</code>");

/** Every problem document has `/api/docs#error-<code>` as its type: here is what that leads to. */
const errorRows = errorCodes
  .map(
    (code) =>
      `<tr id="error-${code}"><th scope="row"><code>${code}</code></th><td>${httpErrors[code].status}</td><td>${escaped(errorMeanings[code])}</td></tr>`,
  )
  .join("\n");

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Khmara API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<link rel="stylesheet" href="/api/docs/page.css">
<script src="/api/docs/swagger-ui-bundle.js" defer></script>
<script src="/api/docs/page.js" defer></script>
</head>
<body>
<header class="khmara-bar">
<a class="khmara-name" href="/">Khmara</a>
<span>API reference</span>
<nav><a href="#errors">Errors</a><a href="/api/openapi.json" download>openapi.json</a><a href="/">Console</a></nav>
</header>
<main>
<div id="reference"><noscript>This page needs JavaScript. The same is in <a href="/api/openapi.json">openapi.json</a>.</noscript></div>
<section class="khmara-errors" id="errors" aria-labelledby="errors-title">
<h2 id="errors-title">Errors</h2>
<p>Every failure is a problem document (RFC 9457) with one of these codes.</p>
<table><thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Meaning</th></tr></thead>
<tbody>
${errorRows}
</tbody></table>
</section>
</main>
</body>
</html>
`;

interface Prepared {
  type: string;
  etag: string;
  plain: Buffer;
  packed: Buffer;
}

async function prepare(type: string, plain: Buffer): Promise<Prepared> {
  const etag = `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
  return { type, etag, plain, packed: await compress(plain) };
}

/** Asked again each time, and hardly ever sent again: the ETag says that nothing has changed. */
function answer(request: FastifyRequest, reply: FastifyReply, { type, etag, plain, packed }: Prepared): FastifyReply {
  reply.header("etag", etag).header("cache-control", "no-cache").header("vary", "accept-encoding");
  if (request.headers["if-none-match"] === etag) return reply.code(304).send();
  const packs = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  if (packs) reply.header("content-encoding", "gzip");
  return reply.type(`${type}; charset=utf-8`).send(packs ? packed : plain);
}

/**
 * Serves /api/openapi.json and /api/docs, the same for people. Given as a function, the document is only made when somebody
 * asks for it: the cloud starts faster, and most never do.
 */
export async function registerReference(
  fastify: FastifyInstance,
  document: OpenApiDocument | (() => OpenApiDocument),
): Promise<void> {
  const kept = new Map<string, Promise<Prepared>>();
  const once = (name: string, make: () => Promise<Prepared>): Promise<Prepared> => {
    let prepared = kept.get(name);
    if (!prepared) {
      prepared = make();
      // A file that could not be read this time may be readable next time.
      prepared.catch(() => kept.delete(name));
      kept.set(name, prepared);
    }
    return prepared;
  };
  const written = () => Buffer.from(JSON.stringify(typeof document === "function" ? document() : document));

  fastify.get("/api/openapi.json", async (request, reply) =>
    answer(request, reply, await once("openapi.json", async () => prepare("application/json", written()))),
  );
  fastify.get("/api/docs", async (request, reply) => {
    reply.header("content-security-policy", contentSecurityPolicy);
    return answer(request, reply, await once("index.html", () => prepare("text/html", Buffer.from(html))));
  });
  for (const [name, { type, path }] of Object.entries(assets)) {
    fastify.get(`/api/docs/${name}`, async (request, reply) =>
      answer(request, reply, await once(name, async () => prepare(type, await readFile(path())))),
    );
  }
}
