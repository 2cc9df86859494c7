import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, openAsBlob, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "../testing/launcher.ts";
import { startMailServer, type TestMailServer } from "../testing/mailServer.ts";
import { EngineOf } from "./app-engine.ts";
import { type Client, exec, finished, newCloud, repository } from "./cloud.ts";
import { visit } from "./visitors.ts";

/**
 * Apps send mail with the account that they are linked to: from a container of a real Docker, with Nodemailer as people use it, to a mail server that
 * wants STARTTLS and a password. It stands outside of the machine that the containers are on, as the namespace of that Docker makes it.
 */
const cloud = await newCloud({ apps: true });
const server = await startMailServer(await aside());
let client: Client;
let token: string;
let projectId: string;
let engine: EngineOf;

const environment = (): Record<string, string> => ({
  KHMARA_NODE: process.execPath,
  KHMARA_CONFIG_HOME: join(cloud.folder, "profile"),
  HOME: cloud.folder,
  KHMARA_ENDPOINT: cloud.url,
  KHMARA_TOKEN: token,
});
const khmara = (args: string[]) => exec(join(repository, "khmara"), args, { timeoutMs: 240_000, env: environment() });

/** The address of this machine that containers see. */
async function aside(): Promise<{ address: string; names: string[] }> {
  const socket = createSocket("udp4");
  socket.connect(9, String(cloud.apps?.docker.address));
  await once(socket, "connect");
  const { address } = socket.address();
  socket.close();
  return { address, names: [address] };
}
const serverAddress = async (): Promise<string> => (await aside()).address;

/** A tar of an app that mails what it is asked to, with its client beside it. */
async function mailer({ authority }: TestMailServer): Promise<string> {
  const folder = mkdtempSync(join(cloud.folder, "mailer-"));
  const files = {
    "package.json": JSON.stringify({ name: "mailer", private: true }),
    "khmara.json": JSON.stringify({
      processes: { web: "node server.js" },
      links: [{ kind: "mail_account" }],
      health: { path: "/health", intervalSeconds: 1, startSeconds: 30 },
    }),
    "authority.pem": authority,
    "server.js": `
      const { readFileSync } = require("node:fs");
      const nodemailer = require("./vendor/nodemailer");
      const tls = { ca: readFileSync("authority.pem") };
      const transport = nodemailer.createTransport({ url: process.env.SMTP_URL, requireTLS: true, tls, connectionTimeout: 10_000 });
      require("node:http").createServer((request, response) => {
        if (request.url === "/health") return void response.end("ok");
        const mail = { from: process.env.SMTP_FROM, to: "anna@example.org", subject: "Your order", text: "It is on its way: " + request.url };
        transport.sendMail(mail).then(() => response.end("sent"), (error) => response.writeHead(500).end(String(error)));
      }).listen(process.env.PORT);
      process.on("SIGTERM", () => process.exit(0));`,
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  mkdirSync(join(folder, "vendor"));
  cpSync(join(repository, "node_modules", "nodemailer"), join(folder, "vendor", "nodemailer"), { recursive: true });
  const archive = `${folder}.tar`;
  await exec("tar", ["-cf", archive, "-C", folder, "."]);
  return archive;
}
const ask = async (path: string): Promise<string> =>
  (await visit(Number(cloud.apps?.httpPort), "mailer.default.localhost", { path })).text;

before(async () => {
  await cloud.start();
  ({ client, token, projectId } = await cloud.signIn());
  engine = await EngineOf.open(cloud);
  await engine.giveBase("node", "24");
});
after(async () => {
  await server.close();
  await cloud.remove();
  await engine?.remove();
});

test("an account is added and tried from the command line, once its network is allowed", async () => {
  const words = [
    "mail-account",
    "create",
    "--name",
    "post-office",
    "--host",
    await serverAddress(),
    "--port",
    String(server.port),
  ];
  words.push("--user-name", server.user, "--password", server.password, "--sender", "shop@example.org");
  await assert.rejects(khmara(words), /an address inside of/);
  await client.webhookSettingsUpdate({ allowedNetworks: ["198.18.0.0/15"] });
  assert.match(await khmara(words), /post-office/);
  const tried = JSON.parse(await khmara(["mail-account", "test", "post-office", "--json"])) as {
    succeeded: boolean;
    steps: { step: string; message: string }[];
  };
  // Nobody told the cloud of this authority: it is not sent a password.
  assert.deepEqual([tried.succeeded, tried.steps.at(-1)?.step], [false, "tls"], JSON.stringify(tried));
  assert.match(String(tried.steps.at(-1)?.message), /certificate is not valid/);
});

test("an app that is linked sends mail; after a change of the password too, and the account stays as long as it is linked", async () => {
  const { items } = await client.mailAccountList({ project: projectId as never });
  const account = items[0]?.id as never;
  const app = await client.appCreate({ project: projectId as never, name: "mailer" });
  await client.appLinkCreate({ app: app.id, mailAccount: account });
  const { id } = await client.appDeploy({ app: app.id }, { rawBody: await openAsBlob(await mailer(server)) });
  await finished(client, { id }, 600);
  assert.equal(await ask("/first"), "sent");
  const [mail] = server.mails;
  assert.deepEqual(
    [mail?.from, mail?.to, mail?.secure, mail?.user],
    ["shop@example.org", ["anna@example.org"], true, server.user],
  );
  assert.match(String(mail?.content), /It is on its way: \/first/);

  server.password = "Another one: /@%";
  assert.match(await ask("/refused"), /535/, "the server knows the old one no more");
  await client.mailAccountUpdate({ mailAccount: account, password: server.password });
  await eventually(
    () => ask("/second"),
    (text) => text === "sent",
    120_000,
  );
  assert.match(String(server.mails.at(-1)?.content), /\/second/);
  await assert.rejects(client.mailAccountDelete({ mailAccount: account }), /linked to mailer/);
});
