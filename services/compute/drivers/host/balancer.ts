import { connect } from "node:net";
import { join } from "node:path";
import type { LoadBalancerMemberState } from "../../driver.ts";
import { type DaemonMark, daemonUser } from "./daemons.ts";
import type { RouterPlan } from "./plan.ts";

/** Load balancers of a router: one HAProxy in its namespace. */
export const balancerMark = (directory: string): DaemonMark => ({
  pidFile: join(directory, "haproxy.pid"),
  word: join(directory, "haproxy.cfg"),
});
const socketFile = (directory: string): string => join(directory, "haproxy.sock");

const algorithms = { round_robin: "roundrobin", least_connections: "leastconn", source: "source" } as const;

/** Its configuration; undefined where there is nothing to balance. */
export function balancerConfig(plan: RouterPlan, directory: string): string | undefined {
  if (plan.balancers.length === 0) return undefined;
  const { user, group } = daemonUser("haproxy");
  const sections = plan.balancers.map(({ id, bind, algorithm, backends, check }) => {
    const servers = backends.map(
      ({ portId, address, port, weight }) => `  server ${portId}_${port} ${address}:${port} weight ${weight} check`,
    );
    return `listen ${id}
  bind ${bind.address}:${bind.port}
  balance ${algorithms[algorithm]}
  default-server inter ${check.intervalSeconds}s fall ${check.failures} rise 1
${servers.join("\n")}`;
  });
  return `global
  user ${user}
  group ${group}
  nbthread 2
  hard-stop-after 24h
  stats socket ${socketFile(directory)} mode 600 level admin expose-fd listeners
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout check 3s
  option redispatch
  option clitcpka
  option srvtcpka
${sections.join("\n")}
`;
}

/** What the running HAProxy says of its members; nothing while it does not answer. */
export async function memberStates(directory: string): Promise<LoadBalancerMemberState[]> {
  const text = await ask(socketFile(directory), "show stat -1 4 -1\n").catch(() => "");
  const [head = "", ...lines] = text.split("\n");
  const names = head.replace(/^# /, "").split(",");
  const column = (name: string) => names.indexOf(name);
  const [px, sv, status, scur, stot, bin, bout, checked] = [
    "pxname",
    "svname",
    "status",
    "scur",
    "stot",
    "bin",
    "bout",
    "check_status",
  ].map(column) as [number, number, number, number, number, number, number, number];
  return lines.filter(Boolean).map((line) => {
    const values = line.split(",");
    const value = (index: number) => values[index] ?? "";
    const state = value(status);
    return {
      loadBalancerId: value(px),
      portId: value(sv).replace(/_\d+$/, ""),
      targetPort: Number(/\d+$/.exec(value(sv))?.[0]),
      // Before its first check a member counts as up for HAProxy, not for people.
      health: value(checked) === "" || value(checked) === "INI" ? "unknown" : state.startsWith("UP") ? "up" : "down",
      connections: Number(value(scur)),
      totalConnections: Number(value(stot)),
      bytesIn: Number(value(bin)),
      bytesOut: Number(value(bout)),
    };
  });
}

function ask(path: string, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const answer: Buffer[] = [];
    socket.setTimeout(2000, () => socket.destroy(new Error("HAProxy does not answer.")));
    socket.on("connect", () => socket.write(question));
    socket.on("data", (chunk: Buffer) => answer.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(answer).toString()));
  });
}
