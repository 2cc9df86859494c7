import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";
import { type Client, createClient } from "../client/client.ts";
import { openBrowserSocket } from "../client/socket.ts";
import { CloudError } from "../kernel/errors.ts";
import { openSocket } from "./socket.ts";

const instance = `ins_${"0".repeat(32)}` as never;
const accepting = new WebSocketServer({ noServer: true });
let refusing: { status: number; body: object } | undefined;
let serve: (websocket: WebSocket, url: string) => void = () => {};
const server = createServer((_request, response) => {
  const { status, body } = refusing ?? { status: 426, body: {} };
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
});
server.on("upgrade", (request, socket, head) => {
  if (refusing) {
    const text = JSON.stringify(refusing.body);
    socket.end(`HTTP/1.1 ${refusing.status} No\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`);
  } else if (serve === never) socket.destroy();
  else accepting.handleUpgrade(request, socket, head, (websocket) => serve(websocket, request.url ?? ""));
});
const never = () => {};
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
after(() => server.close());
const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

// Node's global WebSocket is the same as a browser's.
const clients: Record<string, Client> = {
  browser: createClient({ baseUrl, openSocket: openBrowserSocket }),
  cli: createClient({ baseUrl, openSocket }),
};

for (const [name, client] of Object.entries(clients)) {
  test(`${name}: bytes, control messages and ends come in order, and go`, async () => {
    const heard: unknown[] = [];
    serve = (websocket, url) => {
      assert.equal(url, `/api/v1/instances/${instance}/terminal?columns=100&rows=30`);
      websocket.on("message", (data, isBinary) => {
        const said = isBinary ? String(data) : JSON.parse(String(data));
        if (said.acknowledged === undefined) heard.push(said);
        if (said.end) {
          websocket.send(Buffer.from("bytes"));
          websocket.send(JSON.stringify({ end: true }));
          websocket.send(JSON.stringify({ exit: { code: 3 } }));
          websocket.close(1000);
        }
      });
    };
    const events: unknown[] = [];
    const socket = await client.instanceTerminal(
      { instance, columns: 100, rows: 30 },
      {
        // Later messages wait for a slow reader.
        onBytes: async (bytes) => {
          await new Promise((resolve) => setTimeout(resolve, 30));
          events.push(new TextDecoder().decode(bytes));
        },
        onControl: (message) => events.push(message),
        onEnd: () => events.push("end"),
      },
    );
    await socket.send(new TextEncoder().encode("ls"));
    socket.control({ resize: { columns: 1, rows: 2 } });
    socket.end();
    assert.deepEqual(await socket.closed, { code: 1000 });
    assert.deepEqual(events, ["bytes", "end", { exit: { code: 3 } }]);
    assert.deepEqual(heard, ["ls", { resize: { columns: 1, rows: 2 } }, { end: true }]);
  });

  test(`${name}: a refusal says why`, async () => {
    refusing = { status: 409, body: { code: "failed_precondition", status: 409, detail: "It is stopped.", title: "T" } };
    await assert.rejects(client.instanceTerminal({ instance }, {}), (error: CloudError) => {
      assert.deepEqual([error.code, error.message], ["failed_precondition", "It is stopped."]);
      return true;
    });
    refusing = undefined;
  });

  test(`${name}: a failure afterwards is in the end`, async () => {
    const endOf = async (close: (websocket: WebSocket) => void) => {
      serve = close;
      return (await (await client.instanceTerminal({ instance }, {})).closed).error as CloudError;
    };
    const told = await endOf((websocket) => {
      websocket.send(
        JSON.stringify({ error: { code: "unavailable", status: 503, detail: "The engine does not answer.", title: "T" } }),
      );
      websocket.close(4503, "The engine");
    });
    assert.deepEqual([told.code, told.message], ["unavailable", "The engine does not answer."]);
    const signedOut = await endOf((websocket) => websocket.close(4401, "Your session has ended."));
    assert.deepEqual([signedOut.code, signedOut.message], ["unauthenticated", "Your session has ended."]);
    assert.match((await endOf((websocket) => websocket.close(1012))).message, /was restarted/);
    assert.match((await endOf((websocket) => websocket.terminate())).message, /broke off/);
  });

  test(`${name}: an abort closes it`, async () => {
    const left = new Promise<number>((resolve) => {
      serve = (websocket) => websocket.once("close", resolve);
    });
    const leaving = new AbortController();
    const socket = await client.instanceTerminal({ instance }, { signal: leaving.signal });
    leaving.abort();
    await left;
    await socket.closed;
  });
}

test("browser: it tells how far it is, so that it is not flooded", async () => {
  const acknowledged: number[] = [];
  serve = (websocket) => {
    websocket.on("message", (data) => {
      acknowledged.push(JSON.parse(String(data)).acknowledged);
      if (acknowledged.at(-1) === 140_000) websocket.close(1000);
    });
    for (let i = 0; i < 20; i++) websocket.send(Buffer.alloc(10_000));
  };
  await (await (clients["browser"] as Client).instanceTerminal({ instance }, {})).closed;
  assert.equal(acknowledged[0], 0);
  assert.deepEqual(acknowledged.slice(1), [70_000, 140_000]);
});

test("browser: a proxy that passes no WebSockets is named", async () => {
  serve = never;
  await assert.rejects((clients["browser"] as Client).instanceTerminal({ instance }, {}), /did not come through/);
});

test("cli: a reader that waits makes the server wait", async () => {
  let sent = 0;
  let release: () => void = () => {};
  serve = (websocket) => {
    for (let i = 0; i < 100; i++) websocket.send(Buffer.alloc(1_000_000), () => sent++);
  };
  let received = 0;
  const socket = await (clients["cli"] as Client).instanceTerminal(
    { instance },
    {
      onBytes: async (bytes) => {
        received += bytes.length;
        if (received === 1_000_000) await new Promise<void>((resolve) => (release = resolve));
        if (received === 100_000_000) socket.close();
      },
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(sent < 50, `${sent} of 100 pieces were sent to who reads nothing`);
  assert.equal(received, 1_000_000);
  release();
  assert.equal(CloudError.is((await socket.closed).error), false);
  assert.equal(received, 100_000_000);
});
