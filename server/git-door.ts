import type { FastifyInstance } from "fastify";
import type { GitDoor } from "../services/apps/index.ts";

/** git's own requests, beside the API: their bodies are read by git itself. */
export async function registerGit(http: FastifyInstance, door: GitDoor): Promise<void> {
  await http.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.route({
      method: ["GET", "POST"],
      url: "/git/*",
      handler: async (request, reply) => {
        reply.hijack();
        await door.handle(request.raw, reply.raw, request.ip);
      },
    });
  });
}
