/**
 * What keeps containers of ours away from the host that they run on: a table of nftables of our own. It names bridges by the beginning of
 * their names, so it holds for each from its first packet on, and for all clouds of a host. Docker's own chains come later, and cannot take
 * a refusal back.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppFirewall, CallOptions } from "../../driver.ts";
import { canLeadTo, doorAddress, doorMark, doorRules, doorTable, isLoopback } from "./door.ts";

/** Of the bridges of our networks; a name of an interface has 15 letters at the most. */
export const bridgePrefix = "kha-";
const table = "khmara_apps";
const path = [process.env["PATH"] ?? "", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].join(delimiter);
const timeoutMs = 20_000;
/** Networks are made in bunches. */
const freshMs = 5000;

export interface FirewallOptions {
  /** The file of the network namespace that the engine's bridges are in; absent: this one, or another one that is not ours to guard. */
  network?: string | undefined;
}

/**
 * `outer`: interfaces that lead to the world, though they may be bridges. Inside a network all is free; out of it, the world; not the host
 * itself (answers to what it asked go through, and so does what came by a door: door.ts), not another network of ours, not what is behind other bridges of the host (virtual servers,
 * containers of others), which do not reach containers of ours either, and not 169.254.0.0/16, where clouds tell machines who they are. Nor
 * VXLAN (RFC 7348), which another node would take for this one's, nor `away`: addresses of other machines (IPv4).
 */
export const firewallRules = (outer: readonly string[], away: readonly string[] = []): string => `  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != "${bridgePrefix}*" accept
    ct state established,related accept
    ct mark ${doorMark} ct status dnat accept
    reject with icmpx type admin-prohibited
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname "${bridgePrefix}*" jump leaving
    oifname "${bridgePrefix}*" iifname != "${bridgePrefix}*" meta iifkind "bridge" ct state new ct status != dnat drop
  }
  chain leaving {
    ct state established,related accept
    meta nfproto ipv6 drop
    oifname "${bridgePrefix}*" fib daddr . iif oif exists accept
    oifname "${bridgePrefix}*" drop
    ip daddr 169.254.0.0/16 reject with icmp type admin-prohibited
    udp dport 4789 drop
${away.length === 0 ? "" : `    ip daddr { ${away.join(", ")} } reject with icmp type admin-prohibited\n`}    ${outer.map((name) => `oifname "${name}" accept\n    `).join("")}meta oifkind "bridge" reject with icmp type admin-prohibited
  }
`;

/** All of it or nothing: there is no moment without rules. */
/** All of it or nothing: there is no moment without rules. */
const wholeTable = (rules: string, name = `inet ${table}`): string =>
  `add table ${name}\ndelete table ${name}\ntable ${name} {\n${rules}}\n`;

/** For `nft -f`, of a machine that nothing of ours looks after. */
export const firewallOf = (outer: readonly string[], away: readonly string[]): string => wholeTable(firewallRules(outer, away));

export function openFirewall({ network }: FirewallOptions = {}): AppFirewall {
  let appliedMs = 0;
  let applying: Promise<void> | undefined;

  const run = (program: string, words: readonly string[], input: string, options: CallOptions) =>
    runProgram(
      network === undefined ? [program, ...words] : ["nsenter", `--net=${network}`, "--", program, ...words],
      input,
      options,
    );

  async function apply(options: CallOptions): Promise<void> {
    const { code, output } = await run("ip", ["-j", "route", "show", "default"], "", options);
    const outer = code === 0 ? devicesOf(output) : [];
    const rules = firewallRules(outer);
    await put("inet", table, rules, options);
  }

  /** False where it was so already: a chain that is named after the content tells. */
  async function put(family: string, name: string, rules: string, options: CallOptions): Promise<boolean> {
    const mark = `is_${createHash("sha256").update(rules).digest("hex").slice(0, 16)}`;
    const there = await run("nft", ["list", "chain", family, name, mark], "", options);
    if (there.code === 0) return false;
    const whole = wholeTable(`${rules}  chain ${mark} {\n  }\n`, `${family} ${name}`);
    const { code, problem } = await run("nft", ["-f", "-"], whole, options);
    if (code === 0) return true;
    throw new CloudError(
      "failed_precondition",
      "Containers could not be kept away from this host: its firewall (nftables) refused the rules. Run Khmara as root, on a kernel with nftables.",
      { cause: new Error(problem), details: { reason: "firewall" } },
    );
  }

  return {
    async openDoor(cloudId, bridges, to, options = {}) {
      const name = doorTable(cloudId);
      const safe = bridges.filter((bridge) => bridge.startsWith(bridgePrefix) && /^[\w-]{1,15}$/.test(bridge)).sort();
      if (safe.length === 0 || !canLeadTo(to.address)) {
        await run("nft", ["delete", "table", "ip", name], "", options);
        return undefined;
      }
      const isNew = await put("ip", name, doorRules(safe, to), options);
      // Else the kernel drops what comes to its loopback from outside; the firewall lets in nothing but the door.
      if (isNew && isLoopback(to.address))
        for (const bridge of safe) await run("sysctl", ["-q", "-w", `net.ipv4.conf.${bridge}.route_localnet=1`], "", options);
      return { address: doorAddress, port: to.port };
    },
    guards: (bridge) => network !== undefined || existsSync(`/sys/class/net/${bridge}`),
    async apply(options = {}) {
      if (Date.now() - appliedMs < freshMs) return;
      applying ??= apply(options)
        .then(() => {
          appliedMs = Date.now();
        })
        .finally(() => {
          applying = undefined;
        });
      await applying;
    },
  };
}

/** Of the answer of `ip -j route show default`. */
export function devicesOf(json: string): string[] {
  try {
    const devices = (JSON.parse(json || "[]") as { dev?: string }[]).flatMap(({ dev }) => dev ?? []);
    return [...new Set(devices)].filter((name) => /^[\w.@-]{1,15}$/.test(name)).sort();
  } catch {
    return [];
  }
}

function runProgram(
  [program = "", ...words]: readonly string[],
  input: string,
  { signal }: CallOptions,
): Promise<{ code: number; output: string; problem: string }> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(timeoutMs);
    const child = spawn(program, words, {
      env: { PATH: path, LC_ALL: "C" },
      stdio: ["pipe", "pipe", "pipe"],
      signal: signal ? AbortSignal.any([signal, late]) : late,
      killSignal: "SIGKILL",
    });
    let [output, problem] = ["", ""];
    child.stdout.on("data", (piece) => (output += piece));
    child.stderr.on("data", (piece) => (problem += piece));
    child.stdin.on("error", () => {});
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT")
        reject(
          new CloudError(
            "failed_precondition",
            `Containers cannot be kept away from this host: ${program} is missing. Install it (Debian, Ubuntu: apt-get install nftables iproute2) and try again.`,
            { details: { reason: "program_missing", program } },
          ),
        );
      else if (late.aborted)
        reject(new CloudError("deadline_exceeded", `${program} took longer than ${timeoutMs / 1000} seconds.`, { cause: error }));
      else reject(signal?.aborted ? new CloudError("cancelled", "It was cancelled.", { cause: error }) : error);
    });
    child.on("close", (code) => resolve({ code: code ?? 1, output, problem }));
    child.stdin.end(input);
  });
}
