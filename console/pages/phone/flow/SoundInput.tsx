import { Button, FileButton, Group, Progress, Text } from "@mantine/core";
import { IconMicrophone, IconPlayerStop, IconUpload } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { errorText } from "../../../api/errors.ts";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { followLevel, openMicrophone } from "../softphone/devices.ts";
import { clock } from "../softphone/numbers.ts";
import { useNow } from "../softphone/useNow.ts";
import { toWav } from "./wav.ts";

/** A sound from a file, or spoken now and listened to before it is kept; it arrives as WAV, whatever the browser records. */
export function SoundInput({
  onSound,
  busy = false,
}: {
  onSound: (wav: Blob, name: string) => Promise<unknown>;
  busy?: boolean;
}) {
  const t = useT();
  const recorder = useRecorder();
  const [spoken, setSpoken] = useState<Blob>();
  const [problem, setProblem] = useState<string>();
  const [working, setWorking] = useState(false);

  /** What goes wrong is said below, whatever it is. */
  const work = async (step: () => Promise<unknown>) => {
    setWorking(true);
    setProblem(undefined);
    await step().catch((error: unknown) => setProblem(errorText(error)));
    setWorking(false);
  };
  const readable = async (sound: Blob, then: (wav: Blob) => unknown) => {
    const wav = await toWav(sound).catch(() => undefined);
    if (wav) await then(wav);
    else setProblem(t("phone.soundUnread"));
  };
  const record = () => {
    setSpoken(undefined);
    void work(async () => {
      if (!(await recorder.start())) setProblem(t("phone.noMicrophone"));
    });
  };
  const stop = () => void work(async () => readable(await recorder.stop(), setSpoken));
  return (
    <>
      {spoken && <Spoken wav={spoken} />}
      <Group gap="sm">
        {recorder.since !== undefined ? (
          <>
            <Button color="red.8" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={stop}>
              {t("phone.stopRecording")} · <Running since={recorder.since} />
            </Button>
            <Progress
              w={120}
              size="sm"
              transitionDuration={0}
              value={recorder.level * 100}
              aria-label={t("phone.recordingLevel")}
            />
          </>
        ) : (
          <>
            {spoken && (
              <Button
                loading={working || busy}
                onClick={() =>
                  void work(async () => {
                    await onSound(spoken, "recording.wav");
                    setSpoken(undefined);
                  })
                }
              >
                {t("phone.keepRecording")}
              </Button>
            )}
            <Button
              variant="default"
              loading={!spoken && (working || busy)}
              disabled={working || busy}
              leftSection={<IconMicrophone size={16} aria-hidden />}
              onClick={record}
            >
              {t(spoken ? "phone.recordAgain" : "phone.record")}
            </Button>
            <FileButton
              accept="audio/*"
              onChange={(file) => file && void work(() => readable(file, (wav) => onSound(wav, file.name)))}
            >
              {(given) => (
                <Button
                  {...given}
                  variant="default"
                  disabled={working || busy}
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

function Running({ since }: { since: number }) {
  return <>{clock(useNow(true) - since)}</>;
}

function Spoken({ wav }: { wav: Blob }) {
  const t = useT();
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(wav);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [wav]);
  // biome-ignore lint/a11y/useMediaCaption: whoever listens has just said it
  return <audio className={css.player} controls src={address} aria-label={t("phone.yourRecording")} />;
}

/** The microphone while one speaks: since when, how loud, and at its end what was said. It is given back whatever happens. */
function useRecorder() {
  const [since, setSince] = useState<number>();
  const [level, setLevel] = useState(0);
  const running = useRef<{ media: MediaRecorder; parts: Blob[]; end: () => void }>(undefined);
  useEffect(() => () => running.current?.end(), []);
  return {
    since,
    level,
    /** False: there is no microphone, or it is not given. */
    async start(): Promise<boolean> {
      const track = await openMicrophone().catch(() => undefined);
      if (track === undefined) return false;
      const media = new MediaRecorder(new MediaStream([track]));
      const parts: Blob[] = [];
      media.ondataavailable = ({ data }) => parts.push(data);
      const unfollow = followLevel(track, setLevel);
      const end = () => {
        unfollow();
        track.stop();
      };
      running.current = { media, parts, end };
      media.start();
      setSince(Date.now());
      return true;
    },
    async stop(): Promise<Blob> {
      const { media, parts, end } = running.current as NonNullable<typeof running.current>;
      running.current = undefined;
      setSince(undefined);
      const over = new Promise((stopped) => media.addEventListener("stop", stopped, { once: true }));
      // One whose microphone was pulled out has ended by itself.
      if (media.state !== "inactive") {
        media.stop();
        await over;
      }
      end();
      return new Blob(parts);
    },
  };
}
