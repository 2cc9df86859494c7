import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

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
  await http.register(fastifyStatic, {
    root: directory,
    wildcard: false,
    index: false,
    preCompressed: true,
    setHeaders(reply, path) {
      reply.header("content-security-policy", contentSecurityPolicy);
      // Names below assets/ have the hash of their content.
      reply.header(
        "cache-control",
        path.startsWith(join(directory, "assets")) ? "public, max-age=31536000, immutable" : "no-cache",
      );
    },
  });
  http.get("/*", async (request, reply) => {
    if (request.url.startsWith("/api/")) return reply.callNotFound();
    return reply.sendFile("index.html");
  });
}
