import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../testing/ports.ts";
import { processTree } from "../testing/processes.ts";

const program = "/usr/sbin/kamailio";

export interface Kamailio {
  /** `host:port` */
  address: string;
  pids(): number[];
  stop(): Promise<void>;
}

/** Debian's Kamailio as a plain stateful proxy with one worker: it keeps transactions, stays in the dialog, and passes all to one place. */
export async function startKamailio(target: string): Promise<Kamailio | undefined> {
  if (!existsSync(program)) return undefined;
  const [lib] = readdirSync("/usr/lib").filter((name) => existsSync(`/usr/lib/${name}/kamailio/modules`));
  const folder = mkdtempSync(join(tmpdir(), "khmara-bench-kamailio-"));
  const port = await freePort();
  writeFileSync(
    join(folder, "kamailio.cfg"),
    `debug=-1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:${port}
mpath="/usr/lib/${lib}/kamailio/modules/"
${["tm", "sl", "rr", "pv", "maxfwd", "siputils"].map((name) => `loadmodule "${name}.so"`).join("\n")}
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    loose_route();
    $du = "sip:${target}";
    t_relay();
    exit;
  }
  if (method == "CANCEL") { if (t_check_trans()) { t_relay(); } exit; }
  t_check_trans();
  record_route();
  $du = "sip:${target}";
  t_relay();
}
`,
  );
  const child = spawn(program, ["-DD", "-E", "-f", join(folder, "kamailio.cfg"), "-Y", folder, "-P", join(folder, "pid")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  // It says nothing when it listens.
  for (let attempt = 0; attempt < 50 && processTree(child.pid as number).length < 4; attempt++) {
    if (child.exitCode !== null) throw new Error(`Kamailio does not start:\n${errors}`);
    await sleep(100);
  }
  return {
    address: `127.0.0.1:${port}`,
    pids: () => processTree(child.pid as number).map(({ pid }) => pid),
    async stop() {
      const closed = once(child, "close");
      child.kill("SIGTERM");
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
