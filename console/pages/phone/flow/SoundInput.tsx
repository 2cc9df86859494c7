import { Button, FileButton, Group, Text } from "@mantine/core";
import { IconMicrophone, IconPlayerStop, IconUpload } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useT } from "../../../i18n/i18n.ts";
import { openMicrophone } from "../softphone/devices.ts";
import { clock } from "../softphone/numbers.ts";
import { useNow } from "../softphone/useNow.ts";
import { toWav } from "./wav.ts";

/** A sound from a file, or spoken now; it arrives as WAV, whatever the browser records. */
export function SoundInput({ onSound, busy }: { onSound: (wav: Blob, name: string) => Promise<unknown>; busy?: boolean }) {
  const t = useT();
  const [recorder, setRecorder] = useState<{ stop: () => void; since: number }>();
  const [problem, setProblem] = useState<string>();
  const [working, setWorking] = useState(false);
  const now = useNow(recorder !== undefined);
  const ending = useRef<() => void>(undefined);
  useEffect(() => () => ending.current?.(), []);

  const take = async (sound: Blob, name: string) => {
    setWorking(true);
    setProblem(undefined);
    try {
      const wav = await toWav(sound).catch(() => undefined);
      if (wav) await onSound(wav, name);
      else setProblem(t("phone.soundUnread"));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setWorking(false);
    }
  };
  const record = async () => {
    setProblem(undefined);
    const track = await openMicrophone().catch(() => undefined);
    if (track === undefined) {
      setProblem(t("phone.noMicrophone"));
      return;
    }
    const parts: Blob[] = [];
    const media = new MediaRecorder(new MediaStream([track]));
    media.ondataavailable = ({ data }) => parts.push(data);
    const stop = (keeps: boolean) => {
      media.onstop = () => {
        track.stop();
        if (keeps) void take(new Blob(parts), "recording.wav");
      };
      media.stop();
    };
    media.start();
    ending.current = () => stop(false);
    setRecorder({
      since: Date.now(),
      stop: () => {
        ending.current = undefined;
        setRecorder(undefined);
        stop(true);
      },
    });
  };
  return (
    <>
      <Group gap="sm">
        {recorder ? (
          <Button color="red.8" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={recorder.stop}>
            {t("phone.stopRecording")} · {clock(now - recorder.since)}
          </Button>
        ) : (
          <>
            <Button
              variant="default"
              loading={working || (busy ?? false)}
              leftSection={<IconMicrophone size={16} aria-hidden />}
              onClick={() => void record()}
            >
              {t("phone.record")}
            </Button>
            <FileButton accept="audio/*" onChange={(file) => file && void take(file, file.name)}>
              {(given) => (
                <Button
                  {...given}
                  variant="default"
                  loading={working || (busy ?? false)}
                  leftSection={<IconUpload size={16} aria-hidden />}
                >
                  {t("phone.chooseSound")}
                </Button>
              )}
            </FileButton>
          </>
        )}
      </Group>
      {problem && (
        <Text size="sm" c="var(--k-bad)" role="alert">
          {problem}
        </Text>
      )}
    </>
  );
}
