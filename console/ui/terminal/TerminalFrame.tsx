import { ActionIcon, Button, Menu, Tooltip } from "@mantine/core";
import {
  IconChevronDown,
  IconClearAll,
  IconClipboard,
  IconCopy,
  IconDots,
  IconMaximize,
  IconMinimize,
  IconPlus,
  IconX,
  IconZoomIn,
  IconZoomOut,
} from "@tabler/icons-react";
import { type KeyboardEvent, type ReactNode, useEffect, useState } from "react";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../EmptyState.tsx";
import { toastError } from "../toast.ts";
import { readerMode, type TerminalSession } from "./session.ts";
import { closeSession, showSession, useSessions } from "./sessions.ts";
import { Terminal } from "./Terminal.tsx";
import css from "./terminal.module.css";

/** Terminals of one thing as tabs, as many at once as one likes, with their menu and the whole screen. */
export function TerminalFrame(props: {
  owner: { id: string; name: string };
  /** Opens the usual one. */
  onNew: () => void;
  /** Why none can be opened now. */
  disabled: boolean;
  /** Menu.Items for other ones. */
  others: ReactNode;
  /** For sessions that are no terminal. */
  panel?: (session: TerminalSession) => ReactNode;
  command: string;
}) {
  const t = useT();
  const { owner } = props;
  const { sessions, active } = useSessions(owner.id);
  const [full, setFull] = useState(false);
  const session = sessions.find((one) => one.id === active);
  useFullScreen(full, setFull);
  return (
    <section>
      <div className={full ? `${css.frame} ${css.full}` : css.frame}>
        <div className={css.bar}>
          <Tabs owner={owner} sessions={sessions} active={active} />
          <Button.Group>
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconPlus size={14} aria-hidden />}
              disabled={props.disabled}
              onClick={props.onNew}
            >
              {t("terminal.new")}
            </Button>
            <Menu position="bottom-end">
              <Menu.Target>
                <Button size="compact-sm" variant="default" px={6} disabled={props.disabled} aria-label={t("terminal.newMenu")}>
                  <IconChevronDown size={14} aria-hidden />
                </Button>
              </Menu.Target>
              <Menu.Dropdown>{props.others}</Menu.Dropdown>
            </Menu>
          </Button.Group>
          {session && !session.connectsItself && <More session={session} />}
          <Tooltip label={t(full ? "terminal.leaveFullScreen" : "terminal.fullScreen")}>
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={t(full ? "terminal.leaveFullScreen" : "terminal.fullScreen")}
              aria-pressed={full}
              onClick={() => {
                setFull(!full);
                session?.focus();
              }}
            >
              {full ? <IconMinimize size={16} stroke={1.6} /> : <IconMaximize size={16} stroke={1.6} />}
            </ActionIcon>
          </Tooltip>
        </div>
        {session ? (
          <div
            role="tabpanel"
            id={`panel-${session.id}`}
            aria-labelledby={`tab-${session.id}`}
            style={{ display: "flex", flexDirection: "column", flex: 1, minHeight: 0 }}
          >
            {session.connectsItself ? props.panel?.(session) : <Terminal key={session.id} session={session} />}
          </div>
        ) : (
          <EmptyState
            picture="server"
            title={t("terminal.title", { name: owner.name })}
            action={<Button onClick={props.onNew}>{t("terminal.new")}</Button>}
            command={props.command}
          />
        )}
      </div>
      <p className={css.hint}>{t("terminal.hint")}</p>
    </section>
  );
}

function Tabs(props: { owner: { id: string; name: string }; sessions: readonly TerminalSession[]; active: string | undefined }) {
  const t = useT();
  const { owner, sessions, active } = props;
  // The arrows go from tab to tab (ARIA, tabs pattern).
  const walk = (event: KeyboardEvent, at: number) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = step === undefined ? undefined : sessions[(at + step + sessions.length) % sessions.length];
    if (event.key === "Delete") closeSession(owner.id, sessions[at]?.id as string);
    if (!next) return;
    event.preventDefault();
    showSession(owner.id, next.id);
    requestAnimationFrame(() => document.getElementById(`tab-${next.id}`)?.focus());
  };
  return (
    <div className={css.tabs}>
      {/* The buttons that close stand beside the tabs, where a list of tabs has only tabs: it owns them from here. */}
      <div
        role="tablist"
        aria-label={t("terminal.title", { name: owner.name })}
        aria-owns={sessions.map((one) => `tab-${one.id}`).join(" ")}
      />
      {sessions.map((one, at) => (
        <div key={one.id} className={css.tab} data-active={one.id === active || undefined}>
          <button
            type="button"
            role="tab"
            id={`tab-${one.id}`}
            className={css.name}
            aria-selected={one.id === active}
            aria-controls={one.id === active ? `panel-${one.id}` : undefined}
            tabIndex={one.id === active ? 0 : -1}
            onClick={() => showSession(owner.id, one.id)}
            onKeyDown={(event) => walk(event, at)}
          >
            <span className={css.dot} data-phase={one.state.phase} />
            {one.label}
          </button>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={24}
            mr={4}
            aria-label={t("terminal.close", { name: one.label })}
            tabIndex={one.id === active ? 0 : -1}
            onClick={() => closeSession(owner.id, one.id)}
          >
            <IconX size={14} />
          </ActionIcon>
        </div>
      ))}
    </div>
  );
}

function More({ session }: { session: TerminalSession }) {
  const t = useT();
  return (
    <Menu position="bottom-end" returnFocus={false}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t("terminal.more")}>
          <IconDots size={16} stroke={1.6} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          leftSection={<IconCopy size={16} aria-hidden />}
          disabled={!session.hasSelection}
          onClick={() => void session.copy().catch(toastError)}
        >
          {t("terminal.copy")}
        </Menu.Item>
        <Menu.Item
          leftSection={<IconClipboard size={16} aria-hidden />}
          onClick={() => void session.paste().catch(() => toastError(t("terminal.pasteBlocked")))}
        >
          {t("terminal.paste")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item
          leftSection={<IconZoomIn size={16} aria-hidden />}
          closeMenuOnClick={false}
          onClick={() => session.resizeLetters(1)}
        >
          {t("terminal.larger")}
        </Menu.Item>
        <Menu.Item
          leftSection={<IconZoomOut size={16} aria-hidden />}
          closeMenuOnClick={false}
          onClick={() => session.resizeLetters(-1)}
        >
          {t("terminal.smaller")}
        </Menu.Item>
        <Menu.Item leftSection={<IconClearAll size={16} aria-hidden />} onClick={() => session.clear()}>
          {t("terminal.clear")}
        </Menu.Item>
        <Menu.Item
          role="menuitemcheckbox"
          aria-checked={readerMode()}
          leftSection={<span aria-hidden>{readerMode() ? "✓" : ""}</span>}
          onClick={() => session.setReaderMode(!readerMode())}
        >
          {t("terminal.screenReader")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/**
 * The whole window, and the whole screen where the browser lets a page have it with the Escape key, which shells need. A telephone's
 * keyboard covers a part of the window: what is left is the height.
 */
function useFullScreen(full: boolean, setFull: (full: boolean) => void): void {
  useEffect(() => {
    if (!full) return;
    const root = document.documentElement;
    const { keyboard } = navigator as { keyboard?: { lock?: (keys: string[]) => Promise<void>; unlock?: () => void } };
    const canKeepEscape = keyboard?.lock !== undefined && root.requestFullscreen !== undefined;
    if (canKeepEscape) {
      root
        .requestFullscreen()
        .then(() => keyboard?.lock?.(["Escape"]))
        .catch(() => {});
    }
    const left = () => {
      if (document.fullscreenElement === null) setFull(false);
    };
    const measure = () =>
      root.style.setProperty("--k-visible-height", `${window.visualViewport?.height ?? window.innerHeight}px`);
    measure();
    document.addEventListener("fullscreenchange", left);
    window.visualViewport?.addEventListener("resize", measure);
    return () => {
      document.removeEventListener("fullscreenchange", left);
      window.visualViewport?.removeEventListener("resize", measure);
      root.style.removeProperty("--k-visible-height");
      keyboard?.unlock?.();
      if (document.fullscreenElement !== null) void document.exitFullscreen().catch(() => {});
    };
  }, [full, setFull]);
}
