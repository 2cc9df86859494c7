import { Menu } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { client, useApiList } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { hasSessions, openSession, useSessions } from "../../ui/terminal/sessions.ts";
import { TerminalFrame } from "../../ui/terminal/TerminalFrame.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import { whyNot } from "./words.ts";

const inContainer = (app: App, container: string) =>
  openSession(app.id, {
    kind: container,
    label: (number) => (number === 1 ? container : `${container} · ${number}`),
    name: `${app.name}, ${container}`,
    connect: (size, options) => client.appTerminal({ app: app.id, container, ...size }, options),
  });
/** A container of its own beside those that answer people: what is broken in it breaks nothing. */
const beside = (app: App, words: string) =>
  openSession(app.id, {
    kind: "run",
    label: (number) => (number === 1 ? words : `${words} · ${number}`),
    name: `${app.name}, ${words}`,
    connect: async (size, options) => {
      const socket = await client.appRun({ app: app.id }, options);
      socket.control({ start: { command: ["/bin/sh"], terminal: size } });
      return socket;
    },
  });

/** Shells in containers that run, and in one of their own. */
export default function AppTerminal({ app, may }: AppTabProps) {
  const t = useT();
  const { sessions } = useSessions(app.id);
  const asked = (useSearch({ strict: false }) as { container?: string }).container;
  const reason = whyNot(app, "terminal", may);
  const containers = useApiList("containerList", { app: app.id }, { enabled: reason === undefined });
  const running = (containers.rows ?? []).filter(
    ({ state }) => state === "running" || state === "healthy" || state === "unhealthy",
  );
  const first = running.find(({ process }) => process === "web") ?? running[0];
  const known = containers.rows !== undefined;
  const name = asked ?? first?.name;
  const opened = useRef(false);
  // Who comes here wants a shell, once: the last one that is closed is not opened again.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the app's other facts change while one types
  useEffect(() => {
    if (reason !== undefined || !known || name === undefined || opened.current) return;
    opened.current = true;
    if (asked !== undefined || !hasSessions(app.id)) inContainer(app, name);
  }, [app.id, known, name, reason]);
  if (sessions.length === 0 && reason !== undefined)
    return (
      <EmptyState
        picture="server"
        title={reason}
        text={may ? t("apps.terminal.unavailable") : undefined}
        command={may ? `khmara app terminal ${app.name}` : undefined}
      />
    );
  return (
    <TerminalFrame
      owner={app}
      onNew={() => (first ? inContainer(app, first.name) : beside(app, t("apps.terminal.beside")))}
      disabled={reason !== undefined}
      others={
        <>
          {running.map((container) => (
            <Menu.Item key={`${container.name} ${container.releaseNumber}`} onClick={() => inContainer(app, container.name)}>
              {container.name}
            </Menu.Item>
          ))}
          {running.length > 0 && <Menu.Divider />}
          <Menu.Item onClick={() => beside(app, t("apps.terminal.beside"))}>{t("apps.terminal.besideAction")}</Menu.Item>
        </>
      }
      command={`khmara app terminal ${app.name}`}
    />
  );
}
