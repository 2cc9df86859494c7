/** Small apps of several kinds, as people have them; none needs a registry to be built. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./cloud.ts";

/** Of Node.js, with a database, which its release command prepares, and a WebSocket. `migration`: what that does at last. */
export const shopFiles = ({ title = "Shop", migration = 'console.log("tables are ready");' } = {}): Record<string, string> => ({
  "package.json": JSON.stringify({ name: "shop", private: true }),
  "khmara.json": JSON.stringify({
    processes: { web: "node server.js" },
    release: "node migrate.js",
    health: { path: "/health", intervalSeconds: 1, startSeconds: 30 },
  }),
  "database.js": 'module.exports = require("./vendor/postgres")(process.env.DATABASE_URL, { max: 2, onnotice() {} });',
  "migrate.js": `
    const sql = require("./database.js");
    (async () => {
      await sql\`create table if not exists orders (id bigint generated always as identity primary key, what text not null)\`;
      await sql.end();
      ${migration}
    })().catch((error) => { console.error(error); process.exit(1); });`,
  "server.js": `
    const { createHash } = require("node:crypto");
    const sql = require("./database.js");
    const page = (count) => \`<!doctype html><title>${title}</title><h1>${title}: \${count} orders</h1>
      <form method="post"><button>Order</button></form><output></output>
      <script>
        const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/live");
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => { document.querySelector("output").textContent = data; };
      </script>\`;
    const server = require("node:http").createServer(async (request, response) => {
      try {
        if (request.url === "/health") return void response.end("ok");
        if (request.url === "/favicon.ico") return void response.writeHead(204).end();
        if (request.method === "POST") {
          await sql\`insert into orders (what) values ('bread')\`;
          return void response.writeHead(303, { location: "/" }).end();
        }
        const [{ count }] = await sql\`select count(*)::int as count from orders\`;
        response.writeHead(200, { "content-type": "text/html" }).end(page(count));
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
    // RFC 6455: a handshake, and short texts that come masked and go back.
    server.on("upgrade", (request, socket) => {
      const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
      socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
      socket.on("error", () => {});
      socket.on("data", (frame) => {
        if ((frame[0] & 15) !== 1) return socket.end();
        const text = Buffer.from(frame.subarray(6, 6 + (frame[1] & 127)).map((byte, i) => byte ^ frame[2 + (i % 4)]));
        const answer = Buffer.from("heard " + text);
        socket.write(Buffer.concat([Buffer.from([0x81, answer.length]), answer]));
      });
    });
    server.listen(process.env.PORT);
    process.on("SIGTERM", () => process.exit(0));`,
});

/** A client of PostgreSQL, as somebody has it who keeps what they depend on beside their code. */
export const addDatabaseClient = (folder: string): void =>
  cpSync(join(repository, "node_modules/postgres/cjs/src"), join(folder, "vendor/postgres"), { recursive: true });

export const pythonFiles: Record<string, string> = {
  ".python-version": "3.11\n",
  Procfile: "web: python app.py\n",
  "app.py": `import os, platform
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"Python {platform.python_version()}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("", int(os.environ["PORT"])), Page).serve_forever()
`,
};
