import { Alert, Button, Group, Progress, Select, Slider, Stack, Switch, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useT } from "../../../i18n/i18n.ts";
import { CameraPreview } from "./CameraPreview.tsx";
import { chooseDevices, chosenDevices, type Devices, followLevel, openMicrophone, testSpeaker } from "./devices.ts";
import { noticesAllowed } from "./notices.ts";
import { PushSwitch } from "./PushSwitch.tsx";
import type { Phone } from "./phone.ts";
import css from "./softphone.module.css";
import { Tones } from "./tones.ts";

const kinds = { microphone: "audioinput", speaker: "audiooutput", ringer: "audiooutput", camera: "videoinput" } as const;

/** Which devices are spoken and heard with; one sees whether the microphone hears. */
export function DeviceSettings({ phone, extension, onClose }: { phone: Phone; extension: string; onClose: () => void }) {
  const t = useT();
  const [devices, setDevices] = useState<Devices>(chosenDevices);
  const [known, setKnown] = useState<MediaDeviceInfo[]>([]);
  const [level, setLevel] = useState<number>();
  const [refused, setRefused] = useState(false);
  const [notices, setNotices] = useState(noticesAllowed());
  const { microphone, noiseSuppression } = devices;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another microphone is listened to anew
  useEffect(() => {
    let over = false;
    let end = () => {};
    void openMicrophone().then(
      async (track) => {
        if (over) return track.stop();
        const unfollow = followLevel(track, setLevel);
        end = () => {
          unfollow();
          track.stop();
        };
        setRefused(false);
        // Names of devices are told only once the microphone was allowed.
        setKnown(await navigator.mediaDevices.enumerateDevices());
      },
      () => setRefused(true),
    );
    return () => {
      over = true;
      end();
    };
  }, [microphone, noiseSuppression]);

  const choose = (change: Partial<Devices>) => {
    setDevices(chooseDevices(change));
    phone.run({ kind: "devices" });
  };
  const ring = () => {
    const tones = new Tones();
    tones.play("ring");
    setTimeout(() => tones.play(undefined), 1200);
  };
  return (
    <div className={css.idle}>
      <Stack gap="md">
        {refused && (
          <Alert color="red" p="sm">
            {t("softphone.microphoneRefused")}
          </Alert>
        )}
        {(Object.keys(kinds) as (keyof typeof kinds)[]).map((name) => (
          <div key={name}>
            <Select
              label={t(`softphone.device.${name}`)}
              value={devices[name]}
              onChange={(value) => choose({ [name]: value ?? "" })}
              data={[
                { value: "", label: t("softphone.device.usual") },
                ...known
                  .filter(
                    ({ kind, deviceId, label }) =>
                      kind === kinds[name] && deviceId !== "" && deviceId !== "default" && label !== "",
                  )
                  .map(({ deviceId, label }) => ({ value: deviceId, label })),
              ]}
            />
            {name === "microphone" && <Level level={level ?? 0} label={t("softphone.device.level")} />}
            {name === "speaker" && <SpeakerTest key={devices.speaker} />}
            {name === "camera" && <CameraPreview key={devices.camera} />}
          </div>
        ))}
        <div>
          <Text size="sm" mb={4} id="ring-volume">
            {t("softphone.device.ringVolume")}
          </Text>
          <Slider
            value={Math.round(devices.ringVolume * 100)}
            label={null}
            thumbProps={{ "aria-labelledby": "ring-volume" }}
            thumbLabel={t("softphone.device.ringVolume")}
            onChange={(value) => setDevices(chooseDevices({ ringVolume: value / 100 }))}
            onChangeEnd={ring}
          />
        </div>
        <Switch
          label={t("softphone.device.noise")}
          checked={noiseSuppression}
          onChange={(event) => choose({ noiseSuppression: event.currentTarget.checked })}
        />
        {notices === "default" && (
          <Button variant="default" onClick={() => void Notification.requestPermission().then(setNotices)}>
            {t("softphone.allowNotices")}
          </Button>
        )}
        {notices === "denied" && (
          <Text size="sm" c="dimmed">
            {t("softphone.noticesDenied")}
          </Text>
        )}
        <PushSwitch extension={extension} />
        <Button onClick={onClose}>{t("softphone.back")}</Button>
      </Stack>
    </div>
  );
}

const Level = ({ level, label }: { level: number; label: string }) => (
  <Progress mt={6} size="sm" transitionDuration={0} value={level * 100} aria-label={label} />
);

/** Whether one hears with what was chosen: two tones, and how loud they are sent out. */
function SpeakerTest() {
  const t = useT();
  const [level, setLevel] = useState<number>();
  const end = useRef<() => void>(undefined);
  const stop = () => {
    end.current?.();
    end.current = undefined;
    setLevel(undefined);
  };
  useEffect(() => () => end.current?.(), []);
  return (
    <Group gap="sm" mt={6} wrap="nowrap" align="center">
      <div style={{ flex: 1 }}>
        <Level level={level ?? 0} label={t("softphone.device.speakerLevel")} />
      </div>
      <Button
        size="compact-sm"
        variant="default"
        onClick={() => {
          if (level !== undefined) return stop();
          setLevel(0);
          end.current = testSpeaker(setLevel, stop);
        }}
      >
        {t(level === undefined ? "softphone.device.test" : "softphone.device.stopTest")}
      </Button>
    </Group>
  );
}
