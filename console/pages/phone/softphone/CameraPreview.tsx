import { Alert, Button } from "@mantine/core";
import { IconVideo, IconVideoOff } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useT } from "../../../i18n/i18n.ts";
import { openCamera } from "./devices.ts";
import css from "./softphone.module.css";

/** What the others would see, before anybody is called. The camera runs only while one looks. */
export function CameraPreview() {
  const t = useT();
  const [on, setOn] = useState(false);
  const [refused, setRefused] = useState(false);
  const picture = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!on) return;
    let over = false;
    let track: MediaStreamTrack | undefined;
    setRefused(false);
    openCamera().then(
      (opened) => {
        if (over) return opened.stop();
        track = opened;
        if (picture.current) picture.current.srcObject = new MediaStream([opened]);
      },
      () => {
        setRefused(true);
        setOn(false);
      },
    );
    return () => {
      over = true;
      track?.stop();
    };
  }, [on]);
  return (
    <div className={css.preview}>
      {refused && (
        <Alert color="red" p="sm">
          {t("softphone.cameraRefused")}
        </Alert>
      )}
      {on && (
        <div className={css.pictures}>
          <video ref={picture} className={css.mirror} autoPlay playsInline muted aria-label={t("softphone.ownPicture")} />
        </div>
      )}
      <Button
        size="compact-sm"
        variant="default"
        leftSection={on ? <IconVideoOff size={15} aria-hidden /> : <IconVideo size={15} aria-hidden />}
        onClick={() => setOn(!on)}
      >
        {t(on ? "softphone.device.hidePreview" : "softphone.device.preview")}
      </Button>
    </div>
  );
}
