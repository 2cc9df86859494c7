import { runScript } from "./commands.ts";

/** All our interfaces begin with it. */
const ours = "kh+";

/**
 * dockerd sets the policy of FORWARD to DROP and leaves DOCKER-USER to others; some firewalls (ufw) set that policy and leave nothing. Our
 * interfaces are let through there, and what may pass between them is said in tables of our own, which are asked as well.
 */
const script = `
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 1 >/proc/sys/net/ipv4/ip_forward
for iptables in iptables ip6tables; do
  command -v $iptables >/dev/null || continue
  policy=$($iptables -w 5 -S FORWARD 2>/dev/null | head -n 1) || continue
  if $iptables -w 5 -n -L DOCKER-USER >/dev/null 2>&1; then chain=DOCKER-USER
  elif [ "$policy" = '-P FORWARD DROP' ]; then chain=FORWARD
  else continue; fi
  for way in -i -o; do
    rule="$chain $way ${ours} -m comment --comment khmara -j ACCEPT"
    $iptables -w 5 -C $rule 2>/dev/null || $iptables -w 5 -I $rule
  done
done
`;

/**
 * Turns forwarding on, and lets our interfaces through where Docker or a firewall of the host stands in the way. Harmless to repeat, and
 * to be repeated: dockerd and firewalls write their chains anew when they start.
 */
export async function allowForwarding(options: { namespace?: string; signal?: AbortSignal } = {}): Promise<void> {
  await runScript(script, options);
}
