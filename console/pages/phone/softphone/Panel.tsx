import { ActionIcon, Alert, Button, CloseButton, Select } from "@mantine/core";
import { IconPhone, IconRecordMail, IconSettings, IconVideo } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { StatusBadge, type Tone } from "../../../ui/StatusBadge.tsx";
import { CallLine, CallView } from "./CallView.tsx";
import { CallWith } from "./CallWith.tsx";
import { callWithDevice, useCallWith } from "./callWith.ts";
import { useFormats } from "./current.ts";
import { DeviceSettings } from "./DeviceSettings.tsx";
import { DialPad } from "./DialPad.tsx";
import { DoNotDisturb } from "./DoNotDisturb.tsx";
import { Named } from "./Named.tsx";
import { NumberField } from "./NumberField.tsx";
import { dialled } from "./numbers.ts";
import { PeerFace, peerName } from "./PeerFace.tsx";
import type { Phone, PhoneView } from "./phone.ts";
import { Recent } from "./Recent.tsx";
import css from "./softphone.module.css";
import { isLive, type Registration, shownCall } from "./state.ts";
import { useUnheard, Voicemails } from "./Voicemails.tsx";

const tones: Record<Registration, Tone> = { off: "off", connecting: "busy", registered: "good", lost: "warn", refused: "bad" };

interface PanelProps {
  extension: Extension;
  extensions: Extension[];
  onExtension: (id: string) => void;
  /** Undefined where the browser gives no microphone to the page. */
  phone: Phone | undefined;
  view: PhoneView;
  onClose: () => void;
}

/** The phone itself: whoever one speaks with, or whom to call. */
export function Panel(props: PanelProps) {
  const t = useT();
  const { extension, phone, view } = props;
  useFormats();
  const [part, setPart] = useState<"call" | "dial" | "devices">("call");
  const box = useRef<HTMLElement>(null);
  const call = shownCall(view);
  // Who rings is answered in the notice over the page.
  const showsCall = call !== undefined && isLive(call) && call.state !== "ringing" && part === "call";
  const over = view.calls.filter((one) => !isLive(one));
  useEffect(() => {
    box.current?.querySelector<HTMLElement>("[data-autofocus]")?.focus({ preventScroll: true });
  }, []);
  const others = view.calls.filter((one) => isLive(one) && one.state !== "ringing" && (!showsCall || one.id !== call.id));
  return (
    <aside
      ref={box}
      className={css.panel}
      aria-label={t("softphone.phone")}
      onKeyDown={(event) => {
        if (event.key === "Escape") props.onClose();
      }}
    >
      <header className={css.header}>
        <div className={css.me}>
          <b>{extension.name}</b>
          <span className={css.muted}>{extension.number}</span>
        </div>
        <StatusBadge tone={phone ? tones[view.registration] : "bad"}>
          {t(phone ? `softphone.registration.${view.registration}` : "softphone.registration.off")}
        </StatusBadge>
        <DoNotDisturb extension={extension} />
        {phone && (
          <ActionIcon
            className={css.tool}
            variant="subtle"
            color="gray"
            aria-label={t("softphone.devices")}
            aria-pressed={part === "devices"}
            onClick={() => setPart(part === "devices" ? "call" : "devices")}
          >
            <IconSettings size={18} stroke={1.6} />
          </ActionIcon>
        )}
        <CloseButton className={css.tool} iconSize={18} aria-label={t("ui.close")} onClick={props.onClose} />
      </header>
      <div className={css.content}>
        {phone === undefined ? <p className={css.muted}>{t("softphone.insecureText")}</p> : <Notices phone={phone} view={view} />}
        {phone === undefined && (
          <Idle phone={phone} extension={extension} ready={false} onCalled={() => {}} onClose={props.onClose} />
        )}
        {over.map((one) => (
          <Named key={one.id} phoneSystem={extension.phoneSystemId} peer={one.peer}>
            {(peer) => (
              <div className={css.over}>
                <PeerFace peer={peer} size={32} />
                <div className={css.me}>
                  <b>{peerName(peer)}</b>
                  <CallLine call={one} />
                </div>
              </div>
            )}
          </Named>
        ))}
        {phone && part === "devices" && (
          <>
            {props.extensions.length > 1 && (
              <Select
                label={t("softphone.extension")}
                value={extension.id}
                onChange={(id) => id && props.onExtension(id)}
                data={props.extensions.map(({ id, name, number }) => ({ value: id, label: `${number} · ${name}` }))}
              />
            )}
            <DeviceSettings phone={phone} extension={extension.id} onClose={() => setPart("call")} />
          </>
        )}
        {phone && showsCall && (
          <CallView
            key={call.id}
            phone={phone}
            state={view}
            call={call}
            extension={extension}
            here={view.seat === "here"}
            onAdd={() => setPart("dial")}
          />
        )}
        {phone && part !== "devices" && !showsCall && (
          <Idle
            phone={phone}
            extension={extension}
            ready={view.registration === "registered"}
            onCalled={() => setPart("call")}
            onClose={props.onClose}
          />
        )}
        {phone && others.length > 0 && (
          <ul className={css.others} aria-label={t("softphone.otherCalls")}>
            {others.map((other) => (
              <li key={other.id}>
                <button
                  type="button"
                  className={css.other}
                  onClick={() => {
                    setPart("call");
                    phone.run({ kind: "show", id: other.id });
                  }}
                >
                  <Named phoneSystem={extension.phoneSystemId} peer={other.peer}>
                    {(peer) => (
                      <>
                        <PeerFace peer={peer} size={32} />
                        <span>{peerName(peer)}</span>
                      </>
                    )}
                  </Named>
                  <CallLine call={other} />
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </aside>
  );
}

function Notices({ phone, view }: { phone: Phone; view: PhoneView }) {
  const t = useT();
  return (
    <>
      {view.seat === "elsewhere" && (
        <Alert color="blue" p="sm">
          {t("softphone.elsewhere")}
          <Button mt="sm" fullWidth variant="default" onClick={() => phone.takeHere()}>
            {t("softphone.takeHere")}
          </Button>
        </Alert>
      )}
      {(view.registration === "lost" || view.registration === "refused") && (
        <Alert color="yellow" p="sm" styles={{ message: { color: "var(--k-text)" } }} role="status">
          {t(
            view.registration === "refused"
              ? "softphone.refusedText"
              : navigator.onLine
                ? "softphone.lostText"
                : "softphone.offlineText",
          )}
          <Button mt="sm" fullWidth variant="default" onClick={() => phone.run({ kind: "reconnect" })}>
            {t("ui.tryAgain")}
          </Button>
        </Alert>
      )}
      {view.problem && (
        <Alert color="red" p="sm" role="alert">
          {t(`softphone.problem.${view.problem}`)}
        </Alert>
      )}
    </>
  );
}

/** Nobody is spoken with: whom to call. */
function Idle(props: {
  phone: Phone | undefined;
  extension: Extension;
  ready: boolean;
  onCalled: () => void;
  onClose: () => void;
}) {
  const t = useT();
  const { phone, extension } = props;
  const [part, setPart] = useState<"keys" | "recent" | "voicemail">("keys");
  const unheard = useUnheard(extension);
  const [number, setNumber] = useState("");
  const device = useCallWith();
  const ready = props.ready || device !== "";
  const call = (to: string, video = false) => {
    if (to === "" || !ready) return;
    setNumber("");
    if (device !== "" && !video) return void callWithDevice(extension.id, device, to);
    phone?.run({ kind: "dial", number: to, video });
    props.onCalled();
  };
  return (
    <div className={css.idle}>
      <div className={css.switch} role="tablist" aria-label={t("softphone.phone")}>
        {(["keys", "recent", "voicemail"] as const).map((one) => (
          <button key={one} type="button" role="tab" aria-selected={part === one} onClick={() => setPart(one)}>
            {t(`softphone.part.${one}`)}
          </button>
        ))}
      </div>
      {part === "recent" && <Recent extension={extension} onCall={call} ready={ready} />}
      {part === "voicemail" && <Voicemails extension={extension} onCall={call} ready={ready} onClose={props.onClose} />}
      {part === "keys" && (
        <>
          <NumberField
            phoneSystem={extension.phoneSystemId}
            own={extension.number}
            value={number}
            onChange={setNumber}
            onChosen={(to) => call(to)}
          />
          <DialPad onKey={(key) => setNumber((before) => before + key)} />
          <div className={css.callRow}>
            <Button
              flex={1}
              color="green.9"
              disabled={!ready || dialled(number) === ""}
              leftSection={<IconPhone size={18} aria-hidden />}
              onClick={() => call(dialled(number))}
            >
              {t("softphone.call")}
            </Button>
            <ActionIcon
              className={css.videoCall}
              size={36}
              variant="default"
              aria-label={t("softphone.callWithVideo")}
              disabled={!props.ready || dialled(number) === ""}
              onClick={() => call(dialled(number), true)}
            >
              <IconVideo size={18} stroke={1.6} />
            </ActionIcon>
          </div>
          <CallWith extension={extension} />
        </>
      )}
      {unheard > 0 && part !== "voicemail" && (
        <button type="button" className={css.voicemail} onClick={() => setPart("voicemail")}>
          <IconRecordMail size={18} stroke={1.6} aria-hidden />
          {t("softphone.voicemails", { count: unheard })}
        </button>
      )}
    </div>
  );
}
