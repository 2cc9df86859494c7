import type { SecurityRule } from "../../../services/compute/networks/contract.ts";
import { translate } from "../../i18n/i18n.ts";

/** Ports that people know by name; more than numbers help to read a firewall. */
export const knownPorts: Record<number, string> = {
  22: "SSH",
  25: "SMTP",
  53: "DNS",
  80: "HTTP",
  143: "IMAP",
  443: "HTTPS",
  465: "SMTPS",
  587: "SMTP",
  993: "IMAPS",
  3306: "MySQL",
  3389: "RDP",
  5060: "SIP",
  5432: "PostgreSQL",
  6379: "Redis",
  8080: "HTTP",
  27017: "MongoDB",
};

export function portWords(rule: Pick<SecurityRule, "protocol" | "ports">): string {
  if (rule.protocol === "any") return translate("networks.rule.everything");
  const protocol = rule.protocol.toUpperCase();
  if (!rule.ports) return protocol;
  const { from, to } = rule.ports;
  if (from !== to) return `${protocol} ${from}–${to}`;
  return knownPorts[from] ? `${knownPorts[from]} (${protocol} ${from})` : `${protocol} ${from}`;
}

export function remoteWords(rule: Pick<SecurityRule, "remote" | "direction">, groups: ReadonlyMap<string, string>): string {
  if (!rule.remote) return translate(rule.direction === "in" ? "networks.rule.everybody" : "networks.rule.anywhere");
  if ("cidr" in rule.remote) return rule.remote.cidr;
  return translate("networks.rule.group", { name: groups.get(rule.remote.securityGroupId) ?? rule.remote.securityGroupId });
}

/** "HTTPS (TCP 443) from everybody" */
export const ruleWords = (rule: SecurityRule, groups: ReadonlyMap<string, string>): string =>
  translate(rule.direction === "in" ? "networks.rule.from" : "networks.rule.to", {
    what: portWords(rule),
    who: remoteWords(rule, groups),
  });
