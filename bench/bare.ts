/** The floor of the API: Fastify with one route for each method, which answers what its standard input says. Prints its port. */
import { json } from "node:stream/consumers";
import Fastify from "fastify";

const answer = (await json(process.stdin)) as { get: unknown; post: unknown };
const fastify = Fastify();
fastify.get("/*", async () => answer.get);
fastify.post("/*", async (_request, reply) => reply.code(201).send(answer.post));
await fastify.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${(fastify.server.address() as { port: number }).port}\n`);
