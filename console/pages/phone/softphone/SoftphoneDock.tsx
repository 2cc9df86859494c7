import { ActionIcon, Button, Portal } from "@mantine/core";
import { IconPhone, IconPhoneCall } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { useApi } from "../../../api/api.ts";
import { keepsHere } from "../../../frame/unhurried.ts";
import { type Language, translate, useT } from "../../../i18n/i18n.ts";
import { Hint } from "../../../ui/Hint.tsx";
import { openAccount } from "./account.ts";
import { setCurrentExtension, setCurrentPhone, useCurrentPhone, usePanel, usePhoneView } from "./current.ts";
import { Incoming } from "./Incoming.tsx";
import { followNotices, hideNotice, showNotice } from "./notices.ts";
import { clock } from "./numbers.ts";
import { Panel } from "./Panel.tsx";
import { peerName } from "./PeerFace.tsx";
import { Phone } from "./phone.ts";
import { renewPush } from "./push.ts";
import css from "./softphone.module.css";
import { isLive, type PhoneEvent, type PhoneState, shownCall } from "./state.ts";
import { useNow } from "./useNow.ts";

const chosen = "khmara.phone.extension";

/** The extension for whose call a notice has opened this page (`/sw.js`): the address itself is another one by now. */
function calledFor(): string | null {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation && URL.canParse(navigation.name) ? new URL(navigation.name).searchParams.get("phone") : null;
}

/** The phone in the frame: a button above, the panel when it is opened, and whoever rings. Nothing for whoever has no extension. */
export default function SoftphoneDock() {
  const extensions = useApi("myExtensionList", { limit: 50 }, { staleTime: 300_000 }).data?.items ?? [];
  const [wanted, setWanted] = useState(() => calledFor() ?? localStorage.getItem(chosen));
  const extension = extensions.find(({ id }) => id === wanted) ?? extensions[0];
  if (extension === undefined) return null;
  return (
    <Dock
      key={extension.id}
      extension={extension}
      extensions={extensions}
      onExtension={(id) => {
        localStorage.setItem(chosen, id);
        setWanted(id);
      }}
    />
  );
}

function Dock(props: { extension: Extension; extensions: Extension[]; onExtension: (id: string) => void }) {
  const t = useT();
  const { extension } = props;
  const [opened, setOpened] = usePanel();
  const phone = useCurrentPhone();
  const view = usePhoneView(phone);
  const call = shownCall(view);
  const live = view.calls.filter(isLive);
  const now = useNow(live.some(({ state }) => state === "active"));

  useEffect(() => {
    setCurrentExtension(extension.id);
    return () => setCurrentExtension(undefined);
  }, [extension.id]);

  useEffect(() => {
    // Neither microphone nor locks are there for a page that came over plain http from elsewhere.
    if (!isSecureContext) return;
    const made = new Phone(`khmara.phone.${extension.id}`, (anew) => openAccount(extension.id, anew));
    setCurrentPhone(made);
    const unfollow = followNotices(made);
    const unhear = made.onEvent(notice);
    const leave = keepsHere(() => made.view().seat === "here" && made.view().calls.some(isLive));
    void renewPush(extension.id, document.documentElement.lang as Language);
    return () => {
      unhear();
      leave();
      unfollow();
      setCurrentPhone(undefined);
      made.stop();
    };
  }, [extension.id]);

  const busy = call && live.length > 0;
  const status = isSecureContext ? t(`softphone.registration.${view.registration}`) : t("softphone.insecure");
  const label = t("softphone.button", { status });
  return (
    <>
      {busy ? (
        <Button
          size="xs"
          color="green.9"
          leftSection={<IconPhoneCall size={16} aria-hidden />}
          aria-label={t("softphone.openCall", { name: peerName(call.peer) })}
          aria-expanded={opened}
          onClick={() => setOpened(!opened)}
        >
          {call.answeredAt
            ? clock(now - call.answeredAt)
            : t(call.state === "ringing" ? "softphone.incoming" : "softphone.state.calling")}
        </Button>
      ) : (
        <Hint label={label}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={32}
            className={css.button}
            data-registration={isSecureContext ? view.registration : "lost"}
            aria-label={label}
            aria-expanded={opened}
            onClick={() => setOpened(!opened)}
          >
            <IconPhone size={18} stroke={1.6} />
          </ActionIcon>
        </Hint>
      )}
      {/* Out of the top bar, whose blur would be the window of what is fixed in it. */}
      <Portal>
        {opened && (
          <Panel
            extension={extension}
            extensions={props.extensions}
            onExtension={props.onExtension}
            phone={phone}
            view={view}
            onClose={() => setOpened(false)}
          />
        )}
        {phone && <Incoming phone={phone} state={view} onAnswered={() => setOpened(true)} />}
      </Portal>
    </>
  );
}

/** In the tab that rings: also outside of the page. */
function notice(event: PhoneEvent, state: PhoneState): void {
  if (event.kind === "answered" || event.kind === "ended") void hideNotice(event.id);
  if (event.kind !== "added" || event.direction !== "in") return;
  const call = state.calls.find(({ id }) => id === event.id);
  if (call === undefined) return;
  void showNotice(event.id, {
    title: peerName(call.peer),
    body: translate("softphone.state.ringing"),
    answer: translate("softphone.answer"),
    decline: translate("softphone.decline"),
  });
}
