/** An ACME server of a test's own: Debian's pebble, which really fetches the challenges, with a DNS that leads every name to this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { eventually } from "./launcher.ts";
import { freePort } from "./ports.ts";

const program = "/usr/bin/pebble";

/** Why there can be none here: for `skip`. With CI=true there is no excuse. */
export function pebbleMissing(): string | undefined {
  if (process.env["CI"] === "true" || existsSync(program)) return undefined;
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get") ? undefined : "pebble is not installed";
}

export interface TestPebble {
  directory: string;
  /** PEM: of the authority of the server's own certificate. */
  trust: string;
  output(): string;
  stop(): Promise<void>;
}

/** `httpPort` is where it fetches the challenges, in the place of port 80. */
export async function startPebble(httpPort: number): Promise<TestPebble> {
  await installTestTools({ [program]: "pebble" });
  const folder = mkdtempSync(join(tmpdir(), "khmara-pebble-"));
  const authority = await createAuthority({ name: "Tests" });
  const { certificate, key } = await issueCertificate(authority, ["localhost"]);
  const [port, management, dns, dnsManagement] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const config = file(
    "pebble.json",
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: file("certificate.pem", certificate),
        privateKey: file("key.pem", key),
        httpPort,
        tlsPort: 1,
        ocspResponderURL: "",
        externalAccountBindingRequired: false,
      },
    }),
  );
  let text = "";
  const children: ChildProcess[] = [];
  const start = (name: string, words: string[]) => {
    // Some good nonces are refused, as real servers do; and nothing is waited for without a reason.
    const env = { PATH: "/usr/bin:/bin", PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "20" };
    const child = spawn(name, words, { stdio: ["ignore", "pipe", "pipe"], env });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        text += chunk;
      });
    children.push(child);
  };
  start("/usr/bin/pebble-challtestsrv", [
    ...["-http01", "", "-https01", "", "-tlsalpn01", ""],
    "-dns01",
    `127.0.0.1:${dns}`,
    "-management",
    `127.0.0.1:${dnsManagement}`,
    "-defaultIPv4",
    "127.0.0.1",
    "-defaultIPv6",
    "",
  ]);
  start(program, ["-config", config, "-dnsserver", `127.0.0.1:${dns}`]);
  const directory = `https://localhost:${port}/dir`;
  const answers = () =>
    new Promise<boolean>((resolve) => {
      request(directory, { ca: authority.certificate }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      })
        .on("error", () => resolve(false))
        .end();
    });
  await eventually(answers, Boolean, 60_000).catch((error) => {
    throw new Error(`pebble does not start: ${text}`, { cause: error });
  });
  return {
    directory,
    trust: authority.certificate,
    output: () => text,
    async stop() {
      await Promise.all(
        children.map((child) => {
          const ended = new Promise((resolve) => child.once("exit", resolve));
          if (child.exitCode !== null || child.signalCode !== null) return undefined;
          child.kill("SIGKILL");
          return ended;
        }),
      );
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
