import { SegmentedControl } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronRight, IconTerminal2 } from "@tabler/icons-react";
import { useState } from "react";
import { routes } from "../../client/routes.ts";
import type { RouteKey } from "../api/api.ts";
import { useT } from "../i18n/i18n.ts";
import css from "./ApiHint.module.css";
import { CopyField } from "./CopyField.tsx";

const kebab = (word: string) => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const quote = (value: unknown) => {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
};

/** As kernel/contract.ts routeWords: `accessKeyCreate` → `access-key create`. */
function commandWords(key: string): string {
  const words = kebab(key).split("-");
  const verb = words.pop();
  return `${words.join("-")} ${verb}`;
}

export function cliCommand(key: RouteKey, args: Record<string, unknown>): string {
  const flags = Object.entries(args).filter(([, value]) => value !== undefined && value !== "" && value !== false);
  return [
    `khmara ${commandWords(key)}`,
    ...flags.map(([name, value]) => (value === true ? `--${kebab(name)}` : `--${kebab(name)} ${quote(value)}`)),
  ].join(" ");
}

export function apiCall(key: RouteKey, args: Record<string, unknown>): string {
  const route = routes[key] as { method: string; path: string; query?: readonly string[]; body?: true };
  const rest = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name];
    delete rest[name];
    return encodeURIComponent(String(value ?? `<${name}>`));
  });
  const search = new URLSearchParams();
  for (const name of route.query ?? []) {
    if (rest[name] !== undefined) search.set(name, String(rest[name]));
    delete rest[name];
  }
  const address = `${location.origin}/api${path}${search.size > 0 ? `?${search}` : ""}`;
  const lines = [`curl -X ${route.method} ${quote(address)}`, `-H "Authorization: Bearer $KHMARA_TOKEN"`];
  if (route.body) lines.push("-H 'Content-Type: application/json'", `-d ${quote(rest)}`);
  return lines.join(" \\\n  ");
}

/** The same action as a command and as an API call, to copy: what the form above would do, with its values of now. */
export function ApiHint({ route, args }: { route: RouteKey; args: Record<string, unknown> }) {
  const t = useT();
  const [opened, { toggle }] = useDisclosure(false);
  const [kind, setKind] = useState("cli");
  return (
    <div className={css.hint}>
      <button type="button" className={css.toggle} aria-expanded={opened} onClick={toggle}>
        <IconTerminal2 size={16} stroke={1.6} aria-hidden />
        {t("ui.sameByCommand")}
        <IconChevronRight size={14} aria-hidden className={css.chevron} data-opened={opened || undefined} />
      </button>
      {opened && (
        <div className={css.content}>
          <SegmentedControl
            size="xs"
            value={kind}
            onChange={setKind}
            aria-label={t("ui.sameByCommand")}
            data={[
              { value: "cli", label: t("ui.commandLine") },
              { value: "api", label: t("ui.apiCall") },
            ]}
          />
          <CopyField multiline value={kind === "cli" ? cliCommand(route, args) : apiCall(route, args)} />
        </div>
      )}
    </div>
  );
}
