import type { FastifyInstance } from "fastify";
import { parseCookies } from "../kernel/http/cookies.ts";
import type { Apps } from "../services/apps/index.ts";

/** What the gateway sends here from apps that ask for a sign-in; any method, as a visit is renewed under whatever request it ended. */
export async function registerVisitors(http: FastifyInstance, routing: Pick<Apps["parts"]["routing"], "visit">): Promise<void> {
  await http.register(async (scope) => {
    // The body goes on to the app with the redirect; nobody reads it here.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.all<{ Params: { "*": string } }>("/.khmara/*", async (request, reply) => {
      const { headers } = request;
      const mode = headers["sec-fetch-mode"];
      const answer = await routing.visit({
        host: request.host,
        secure: request.protocol === "https",
        path: request.params["*"],
        query: new URLSearchParams(/\?(.*)$/s.exec(request.url)?.[1] ?? ""),
        cookies: parseCookies(headers.cookie),
        page:
          (request.method === "GET" || request.method === "HEAD") &&
          (mode === undefined ? headers.accept?.includes("text/html") === true : mode === "navigate"),
      });
      if (request.method !== "GET" && request.method !== "HEAD") reply.header("connection", "close");
      return reply
        .code(answer.status)
        .headers(answer.headers)
        .send(answer.body ?? "");
    });
  });
}
