import { Button } from "@mantine/core";
import { useEffect, useId, useState } from "react";
import { problemError } from "../../../client/problem.ts";
import { client } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useT } from "../../i18n/i18n.ts";
import type { TerminalSession } from "../../ui/terminal/session.ts";
import css from "../../ui/terminal/terminal.module.css";

/**
 * The screen of a virtual machine, by the SPICE project's own client: QEMU below LXD and Incus speaks SPICE, so that noVNC has nothing to
 * talk to. It opens a connection for each channel by itself, and wants the id of an element to draw in.
 */
export default function Display(props: { instance: string; session: TerminalSession; onConsole: () => void }) {
  const { instance, session, onConsole } = props;
  const t = useT();
  const screen = useId();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let connection: { stop: () => void } | undefined;
    let left = false;
    const address = client.url("instanceDisplay", { instance: instance as never });
    const failed = async (error: unknown) => {
      session.report({ phase: "ended", good: false });
      // A browser tells nothing of why a WebSocket was refused; an ordinary request does.
      const answer = await fetch(address);
      setProblem(errorText(answer.status === 426 ? error : await problemError(answer)));
    };
    const open = async () => {
      const { SpiceMainConn } = await import("@spice-project/spice-html5");
      if (left) return;
      const uri = new URL(address, location.href);
      uri.protocol = uri.protocol.replace("http", "ws");
      connection = new SpiceMainConn({
        uri: uri.href,
        password: "",
        screen_id: screen,
        onsuccess: () => session.report({ phase: "open" }),
        onerror: (error) => {
          if (!left) failed(error).catch(setUnknown);
        },
      });
    };
    const setUnknown = (error: unknown) => setProblem(errorText(error));
    open().catch(setUnknown);
    return () => {
      left = true;
      connection?.stop();
    };
  }, [instance, session, screen]);
  return (
    <>
      <section id={screen} className={css.display} aria-label={t("terminal.screenOf", { name: session.label })} />
      <div role="status">
        {problem && (
          <div className={css.message} style={{ color: "var(--k-bad)" }}>
            <span>{t("terminal.screenFailed", { reason: problem })}</span>
            <Button size="xs" variant="default" onClick={onConsole}>
              {t("terminal.screenConsole")}
            </Button>
          </div>
        )}
      </div>
    </>
  );
}
