import { Alert, Button } from "@mantine/core";
import type { Icon } from "@tabler/icons-react";
import {
  IconArrowForwardUp,
  IconArrowsJoin,
  IconDialpad,
  IconMicrophone,
  IconMicrophoneOff,
  IconParking,
  IconPhoneOff,
  IconPhonePlus,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerRecord,
  IconPlayerStop,
  IconSwitchHorizontal,
  IconVideo,
  IconVideoOff,
} from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { useT } from "../../../i18n/i18n.ts";
import { StatusBadge } from "../../../ui/StatusBadge.tsx";
import { DialPad } from "./DialPad.tsx";
import { useInCall } from "./inCall.ts";
import { useNamed } from "./Named.tsx";
import { clock, readable } from "./numbers.ts";
import { PeerFace, peerName } from "./PeerFace.tsx";
import { Pictures } from "./Pictures.tsx";
import type { Phone } from "./phone.ts";
import css from "./softphone.module.css";
import { allowed, isLive, type PhoneCall, type PhoneState } from "./state.ts";
import { Transfer } from "./Transfer.tsx";
import { useNow } from "./useNow.ts";

/** One call, large: who, how long, how well, and what can be done with it now. */
export function CallView(props: {
  phone: Phone;
  state: PhoneState;
  call: PhoneCall;
  /** Of whoever speaks here. */
  extension: Extension;
  here: boolean;
  onAdd: () => void;
}) {
  const t = useT();
  const { phone, state, call, extension } = props;
  const [below, setBelow] = useState<"keys" | "transfer">();
  const [pressed, setPressed] = useState("");
  const peer = useNamed(extension.phoneSystemId, call.peer);
  const inCall = useInCall(extension, call);
  const may = allowed(state, call);
  const press = (key: string) => {
    if (!may.includes("tones") || key === "+") return;
    setPressed((before) => before + key);
    phone.run({ kind: "tones", id: call.id, tones: key });
  };
  useTyped(call.state === "active" && below !== "transfer", press);
  if (below === "transfer" && may.includes("transfer"))
    return (
      <Transfer
        phone={phone}
        call={call}
        phoneSystem={extension.phoneSystemId}
        own={extension.number}
        onClose={() => setBelow(undefined)}
      />
    );
  const pictures = props.here && call.state === "active" && (call.sendsVideo || call.receivesVideo);
  const others = state.calls.filter((one) => one.merged && one.id !== call.id);
  return (
    <div className={css.call}>
      {pictures ? <Pictures phone={phone} call={call} /> : <PeerFace peer={peer} size={72} />}
      <div className={css.who}>
        <b>{call.merged ? [call, ...others].map(({ peer }) => peerName(peer)).join(", ") : peerName(peer)}</b>
        {peer.name && !call.merged && <span className={css.muted}>{readable(peer.number)}</span>}
        <CallLine call={call} />
        {call.state === "active" && inCall.isRecorded && <StatusBadge tone="bad">{t("softphone.recorded")}</StatusBadge>}
      </div>
      {call.transfer && (
        <Alert color={call.transfer === "failed" ? "red" : "blue"} p="xs" role="status" w="100%">
          {t(`softphone.transfer.${call.transfer}`)}
        </Alert>
      )}
      {may.includes("handOver") && (
        <Button
          fullWidth
          leftSection={<IconSwitchHorizontal size={16} aria-hidden />}
          onClick={() => phone.run({ kind: "handOver", id: call.id })}
        >
          {t("softphone.handOver", {
            name: peerName(state.calls.find(({ id }) => id === call.consultsFor)?.peer ?? call.peer),
          })}
        </Button>
      )}
      {below === "keys" && (
        <>
          <output className={css.pressed}>{pressed || "\u00a0"}</output>
          <DialPad onKey={press} />
        </>
      )}
      {call.state === "active" && below !== "keys" && (
        <div className={css.actions}>
          <Act
            icon={call.muted ? IconMicrophoneOff : IconMicrophone}
            label={t(call.muted ? "softphone.unmute" : "softphone.mute")}
            pressed={call.muted}
            onClick={() => phone.run({ kind: "mute", id: call.id, muted: !call.muted })}
          />
          <Act icon={IconDialpad} label={t("softphone.keypad")} onClick={() => setBelow("keys")} />
          <Act
            icon={call.held ? IconPlayerPlay : IconPlayerPause}
            label={t(call.held ? "softphone.resume" : "softphone.hold")}
            pressed={call.held}
            onClick={() => phone.run({ kind: call.held ? "resume" : "hold", id: call.id })}
          />
          <Act
            icon={call.sendsVideo ? IconVideoOff : IconVideo}
            label={t(call.sendsVideo ? "softphone.videoOff" : "softphone.video")}
            pressed={call.sendsVideo}
            disabled={!may.includes("video")}
            onClick={() => phone.run({ kind: "video", id: call.id, on: !call.sendsVideo })}
          />
          <Act
            icon={IconArrowForwardUp}
            label={t("softphone.transfer")}
            disabled={!may.includes("transfer")}
            onClick={() => setBelow("transfer")}
          />
          {inCall.parkNumber !== undefined && (
            <Act
              icon={IconParking}
              label={t("softphone.park")}
              disabled={!may.includes("transfer")}
              onClick={() => phone.run({ kind: "transfer", id: call.id, to: inCall.parkNumber ?? "" })}
            />
          )}
          {inCall.record && (
            <Act
              icon={inCall.isRecorded ? IconPlayerStop : IconPlayerRecord}
              label={t(`softphone.record.${inCall.record.way}`)}
              // No sound leaves for a call on hold, nor do keys.
              disabled={call.held || !may.includes("tones")}
              onClick={() => phone.run({ kind: "tones", id: call.id, tones: inCall.record?.code ?? "" })}
            />
          )}
          {call.merged ? (
            <Act icon={IconSwitchHorizontal} label={t("softphone.split")} onClick={() => phone.run({ kind: "split" })} />
          ) : may.includes("merge") ? (
            <Act icon={IconArrowsJoin} label={t("softphone.merge")} onClick={() => phone.run({ kind: "merge" })} />
          ) : (
            <Act icon={IconPhonePlus} label={t("softphone.add")} disabled={!may.includes("add")} onClick={props.onAdd} />
          )}
        </div>
      )}
      {call.sendsVideo && !props.here && <p className={css.muted}>{t("softphone.pictureElsewhere")}</p>}
      {isLive(call) && (
        <div className={css.end}>
          {below === "keys" && (
            <Button variant="default" onClick={() => setBelow(undefined)}>
              {t("softphone.back")}
            </Button>
          )}
          <Button
            color="red.8"
            leftSection={<IconPhoneOff size={18} aria-hidden />}
            onClick={() => phone.run({ kind: "hangUp", id: call.id })}
          >
            {t(call.state === "ringing" ? "softphone.decline" : "softphone.hangUp")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** The keys of the keyboard are those of the phone, unless one writes something. */
function useTyped(on: boolean, press: (key: string) => void): void {
  const latest = useRef(press);
  latest.current = press;
  useEffect(() => {
    if (!on) return;
    const hear = (event: KeyboardEvent) => {
      const { target, key } = event;
      if (!/^[0-9*#]$/.test(key) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]")) return;
      latest.current(key);
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  }, [on]);
}

/** What state a call is in, or how long it lasts and how it sounds. */
export function CallLine({ call }: { call: PhoneCall }) {
  const t = useT();
  const now = useNow(call.state === "active");
  if (call.state === "ended")
    return (
      <span role="status" className={css.muted}>
        {t(`softphone.cause.${call.cause ?? "ended"}`)}
        {call.answeredAt && call.endedAt ? ` · ${clock(call.endedAt - call.answeredAt)}` : ""}
      </span>
    );
  if (call.state !== "active")
    return (
      <span role="status" className={css.muted}>
        {t(`softphone.state.${call.state}`)}
      </span>
    );
  const words = call.interrupted
    ? t("softphone.interrupted")
    : call.held
      ? t("softphone.held")
      : call.heldByPeer
        ? t("softphone.heldByPeer")
        : call.merged
          ? t("softphone.merged")
          : undefined;
  return (
    <span className={css.line}>
      <span className={css.clock}>{clock(now - (call.answeredAt ?? now))}</span>
      {words && <StatusBadge tone={call.interrupted ? "bad" : call.merged ? "good" : "warn"}>{words}</StatusBadge>}
      {!words && call.quality && (
        <StatusBadge tone={call.quality === "good" ? "good" : call.quality === "fair" ? "warn" : "bad"}>
          {t(`softphone.quality.${call.quality}`)}
        </StatusBadge>
      )}
    </span>
  );
}

function Act(props: { icon: Icon; label: string; onClick: () => void; pressed?: boolean; disabled?: boolean }) {
  const { icon: Symbol_ } = props;
  return (
    <button type="button" className={css.act} aria-pressed={props.pressed} disabled={props.disabled} onClick={props.onClick}>
      <span>
        <Symbol_ size={22} stroke={1.6} aria-hidden />
      </span>
      {props.label}
    </button>
  );
}
