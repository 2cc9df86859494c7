import { ActionIcon } from "@mantine/core";
import { useFullscreenElement } from "@mantine/hooks";
import { IconMaximize, IconMinimize } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { useT } from "../../../i18n/i18n.ts";
import { PeerFace, peerName } from "./PeerFace.tsx";
import type { Phone } from "./phone.ts";
import css from "./softphone.module.css";
import type { PhoneCall } from "./state.ts";

/** The other side large, ourselves small. The sound comes from the engine, so that it goes on when this is closed. */
export function Pictures({ phone, call }: { phone: Phone; call: PhoneCall }) {
  const t = useT();
  const theirs = useRef<HTMLVideoElement>(null);
  const ours = useRef<HTMLVideoElement>(null);
  const { ref: whole, toggle, fullscreen } = useFullscreenElement();
  useEffect(() => {
    const pictures = phone.pictures(call.id);
    const tracks = pictures?.remote.getVideoTracks() ?? [];
    if (theirs.current) theirs.current.srcObject = call.receivesVideo ? new MediaStream(tracks) : null;
    if (ours.current) ours.current.srcObject = call.sendsVideo && pictures?.own ? new MediaStream([pictures.own]) : null;
  }, [phone, call.id, call.receivesVideo, call.sendsVideo]);
  return (
    <div className={css.pictures} ref={whole}>
      {!call.receivesVideo && (
        <div className={css.noPicture} role="status">
          <PeerFace peer={call.peer} size={56} />
          {t("softphone.noPicture", { name: peerName(call.peer) })}
        </div>
      )}
      <video
        ref={theirs}
        hidden={!call.receivesVideo}
        autoPlay
        playsInline
        muted
        aria-label={t("softphone.pictureOf", { name: peerName(call.peer) })}
      />
      {call.sendsVideo && (
        <video ref={ours} className={css.own} autoPlay playsInline muted aria-label={t("softphone.ownPicture")} />
      )}
      {document.fullscreenEnabled && (
        <ActionIcon
          className={css.enlarge}
          variant="filled"
          color="dark"
          size={36}
          aria-label={t(fullscreen ? "softphone.smallPicture" : "softphone.largePicture")}
          onClick={() => void toggle()}
        >
          {fullscreen ? <IconMinimize size={18} stroke={1.6} /> : <IconMaximize size={18} stroke={1.6} />}
        </ActionIcon>
      )}
    </div>
  );
}
