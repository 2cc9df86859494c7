/**
 * The way from this machine into a network of all nodes. Such a network has no card here: a container of ours that does nothing is in it, and a
 * pair of cards leads from here into that one's network, where what comes from here takes its address. Nothing comes back but answers.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { delimiter } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions } from "../../driver.ts";
import { bridgePrefix } from "../docker/firewall.ts";

const path = [process.env["PATH"] ?? "", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].join(delimiter);
const timeoutMs = 20_000;

export interface GatePlace {
  /** Of the network, as the engine has it. */
  networkId: string;
  subnet: string;
  /** Of the container. */
  pid: number;
}

/** As the firewall goes by: what comes out of it does not reach this machine. */
export const cardOf = (networkId: string): string =>
  `${bridgePrefix}g${createHash("sha256").update(networkId).digest("hex").slice(0, 9)}`;

/** Neither end has an address of its own: each knows the other by its card alone, so there may be any number of them. */
const [outer, inner] = [
  { address: "169.254.77.1", card: "02:42:a9:fe:4d:01" },
  { address: "169.254.77.2", card: "02:42:a9:fe:4d:02" },
];
/** What a packet of the overlay leaves room for. */
const mtu = 1450;

/** Harmless to repeat; what is right already is left as it is. `$1`: the card here; `$2`: the process in the container; `$3`: the range. */
const script = `
if ! ip link show "$1" >/dev/null 2>&1 || ! nsenter --net="/proc/$2/ns/net" ip link show host0 >/dev/null 2>&1; then
  ip link delete "$1" 2>/dev/null || :
  ip link add "$1" mtu ${mtu} address ${outer.card} type veth peer name host0 mtu ${mtu} address ${inner.card} netns "$2"
fi
ip neigh replace ${inner.address} lladdr ${inner.card} dev "$1" nud permanent
ip link set "$1" up
nsenter --net="/proc/$2/ns/net" sh -ec '
echo 1 > /proc/sys/net/ipv4/ip_forward
ip neigh replace ${outer.address} lladdr ${outer.card} dev host0 nud permanent
ip link set host0 up
ip route replace default via ${outer.address} dev host0 onlink
nft list table inet khmara_gate >/dev/null 2>&1 || nft -f - <<RULES
table inet khmara_gate {
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "host0" accept
    ct state established,related accept
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname != "host0" masquerade
  }
}
RULES
'
ip route replace "$3" via ${inner.address} dev "$1" onlink
`;

/** `network`: the file of the network namespace that the engine is in; absent: this one. */
export async function openGate(
  { networkId, subnet, pid }: GatePlace,
  network: string | undefined,
  options: CallOptions = {},
): Promise<void> {
  const words = ["sh", "-ec", script, "sh", cardOf(networkId), String(pid), subnet];
  const { code, problem } = await run(network === undefined ? words : ["nsenter", `--net=${network}`, "--", ...words], options);
  if (code === 0) return;
  throw new CloudError(
    "failed_precondition",
    "This machine could not be led into the network of its nodes. Run Khmara as root, on a kernel with nftables (Debian, Ubuntu: apt-get install nftables iproute2).",
    { cause: new Error(problem.slice(0, 2000)), details: { reason: "node_network" } },
  );
}

function run([program = "", ...words]: readonly string[], { signal }: CallOptions): Promise<{ code: number; problem: string }> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(timeoutMs);
    const child = spawn(program, words, {
      env: { PATH: path, LC_ALL: "C" },
      stdio: ["ignore", "ignore", "pipe"],
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      killSignal: "SIGKILL",
    });
    let problem = "";
    child.stderr.on("data", (piece) => (problem += piece));
    child.on("error", (error) => {
      if (signal?.aborted) reject(new CloudError("cancelled", "It was cancelled.", { cause: error }));
      else resolve({ code: 1, problem: String(error) });
    });
    child.on("close", (code) => resolve({ code: code ?? 1, problem }));
  });
}
