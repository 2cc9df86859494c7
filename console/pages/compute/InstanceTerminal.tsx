import { Button, Menu, Modal, TextInput } from "@mantine/core";
import { lazy, Suspense, useEffect, useState } from "react";
import { client } from "../../api/api.ts";
import { translate, useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { hasSessions, openSession, useSessions } from "../../ui/terminal/sessions.ts";
import { TerminalFrame } from "../../ui/terminal/TerminalFrame.tsx";
import type { InstanceTabProps } from "./InstancePage.tsx";
import { whyNot } from "./words.ts";

const Display = lazy(() => import("./Display.tsx"));

interface Owner {
  id: string;
  name: string;
}

const openShell = ({ id, name }: Owner, user = "root") =>
  openSession(id, {
    kind: `shell ${user}`,
    label: (number) => translate("terminal.shell", { user, number }),
    name,
    connect: (size, options) => client.instanceTerminal({ instance: id as never, user, ...size }, options),
  });
// There is one keyboard at the serial port, and one screen.
const openConsole = ({ id, name }: Owner) =>
  openSession(id, {
    kind: "console",
    single: true,
    label: () => translate("terminal.console"),
    name,
    connect: (size, options) => client.instanceConsole({ instance: id as never, ...size }, options),
    anyExitIsGood: true,
  });
const openDisplay = ({ id, name }: Owner) =>
  openSession(id, { kind: "display", single: true, label: () => translate("terminal.display"), name });

/** Shells, the serial console and the screen of an instance, as many at once as one likes. */
export default function InstanceTerminal({ instance, may }: InstanceTabProps) {
  const t = useT();
  const { sessions } = useSessions(instance.id);
  const [asking, setAsking] = useState(false);
  const reason = whyNot(instance, "terminal", may);
  // Who comes here wants a shell; the last one that is closed is not opened again.
  const { id, name } = instance;
  const canOpen = reason === undefined;
  useEffect(() => {
    if (canOpen && !hasSessions(id)) openShell({ id, name });
  }, [id, name, canOpen]);

  if (sessions.length === 0 && reason !== undefined) {
    return (
      <EmptyState
        picture="server"
        title={reason}
        text={may ? t("terminal.unavailableText") : undefined}
        command={may ? `khmara instance terminal ${instance.name}` : undefined}
      />
    );
  }
  return (
    <>
      <TerminalFrame
        owner={instance}
        onNew={() => openShell(instance)}
        disabled={reason !== undefined}
        others={
          <>
            <Menu.Item onClick={() => setAsking(true)}>{t("terminal.asUser")}</Menu.Item>
            <Menu.Item onClick={() => openConsole(instance)}>{t("terminal.console")}</Menu.Item>
            {instance.kind === "vm" && <Menu.Item onClick={() => openDisplay(instance)}>{t("terminal.display")}</Menu.Item>}
          </>
        }
        panel={(session) => (
          <Suspense>
            <Display instance={instance.id} session={session} onConsole={() => openConsole(instance)} />
          </Suspense>
        )}
        command={`khmara instance terminal ${instance.name}`}
      />
      {asking && (
        <AskUser
          onClose={() => setAsking(false)}
          onUser={(user) => {
            setAsking(false);
            openShell(instance, user);
          }}
        />
      )}
    </>
  );
}

function AskUser({ onClose, onUser }: { onClose: () => void; onUser: (user: string) => void }) {
  const t = useT();
  const [user, setUser] = useState("");
  const isName = /^[a-z_][a-z0-9_.-]{0,31}$/i.test(user);
  return (
    <Modal opened onClose={onClose} title={t("terminal.asUser")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isName) onUser(user);
        }}
      >
        <TextInput
          label={t("terminal.user")}
          description={t("terminal.userText")}
          value={user}
          onChange={(event) => setUser(event.currentTarget.value)}
          autoCapitalize="none"
          autoComplete="off"
          data-autofocus
        />
        <Button type="submit" mt="md" disabled={!isName}>
          {t("terminal.open")}
        </Button>
      </form>
    </Modal>
  );
}
