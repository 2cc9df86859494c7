import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { filesBelow } from "./source-files.ts";

/** No script but our own files, no frame around us, nothing from elsewhere. Styles inline, as Mantine sets them. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "object-src 'self'",
  "frame-ancestors 'self'",
  "base-uri 'none'",
  "form-action 'self'",
].join("; ");

/** The built console. Its addresses are made in the browser, so every page that is no file is index.html. */
export async function serveConsole(http: FastifyInstance, directory: string): Promise<void> {
  // One route for all: a route for each file, as the plugin would make them, costs 10 MB and a seventh of a second.
  const files = new Set(filesBelow(directory, "."));
  await http.register(fastifyStatic, {
    root: directory,
    serve: false,
    preCompressed: true,
    cacheControl: false,
    setHeaders: (reply) => void reply.header("content-security-policy", contentSecurityPolicy),
  });
  http.get<{ Params: { "*": string } }>("/*", async (request, reply) => {
    if (request.url.startsWith("/api/")) return reply.callNotFound();
    const name = request.params["*"];
    // Of another version: a page in its place would be taken for a script.
    if (name.startsWith("assets/") && !files.has(name)) return reply.callNotFound();
    const file = files.has(name) ? name : "index.html";
    // Names below assets/ have the hash of their content.
    reply.header("cache-control", file.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
    return reply.sendFile(file);
  });
}
