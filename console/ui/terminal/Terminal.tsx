import "@xterm/xterm/css/xterm.css";
import { Button, useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import { useT } from "../../i18n/i18n.ts";
import type { TerminalSession } from "./session.ts";
import { TerminalKeys } from "./TerminalKeys.tsx";
import css from "./terminal.module.css";

/** One session: its screen, what became of it, and keys for a telephone. */
export function Terminal({ session }: { session: TerminalSession }) {
  const t = useT();
  const scheme = useComputedColorScheme("light");
  const screen = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const parent = screen.current;
    if (!parent) return;
    session.mount(parent);
    session.focus();
    const watch = new ResizeObserver(() => session.fit());
    watch.observe(parent);
    return () => {
      watch.disconnect();
      session.element.remove();
    };
  }, [session]);
  useEffect(() => session.paint(scheme), [session, scheme]);
  const { phase, reason, good } = session.state;
  return (
    <>
      <div className={css.screen} ref={screen} data-scheme={scheme} />
      <div role="status">
        {phase !== "open" && (
          <div className={css.message} style={{ color: good === false ? "var(--k-bad)" : "var(--k-muted)" }}>
            <span>{phase === "connecting" ? t("terminal.connecting") : `${reason} ${t("terminal.enterAgain")}`}</span>
            {phase === "ended" && (
              <Button
                size="xs"
                onClick={() => {
                  session.reconnect();
                  session.focus();
                }}
              >
                {t("terminal.reconnect")}
              </Button>
            )}
          </div>
        )}
      </div>
      <TerminalKeys session={session} />
    </>
  );
}
