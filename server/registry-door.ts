import type { FastifyInstance } from "fastify";
import type { RegistryDoor } from "../services/apps/index.ts";

/** What docker push and pull ask, beside the API: the bodies are read as they come. */
export async function registerRegistry(http: FastifyInstance, door: RegistryDoor): Promise<void> {
  await http.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    for (const url of ["/v2", "/v2/*"])
      scope.route({
        method: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        url,
        exposeHeadRoute: false,
        handler: async (request, reply) => {
          reply.hijack();
          await door.handle(request.raw, reply.raw, request.ip);
        },
      });
  });
}
