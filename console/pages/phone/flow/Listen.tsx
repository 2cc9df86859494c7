import { Button, Text } from "@mantine/core";
import { IconVolume } from "@tabler/icons-react";
import { type ReactNode, useEffect, useState } from "react";
import type { PhoneLanguage } from "../../../../services/voice/destinations/contract.ts";
import { client } from "../../../api/api.ts";
import { errorText } from "../../../api/errors.ts";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";

/** A text as it would be spoken, and what can be done with that sound. */
export function Listen(props: {
  phoneSystem: string;
  language: PhoneLanguage;
  text: string;
  children?: (sound: Blob) => ReactNode;
}) {
  const t = useT();
  const { phoneSystem, language, text } = props;
  const [spoken, setSpoken] = useState<{ sound: Blob; address: string; of: string }>();
  const [problem, setProblem] = useState<string>();
  const [working, setWorking] = useState(false);
  useEffect(() => () => spoken && URL.revokeObjectURL(spoken.address), [spoken]);

  const speak = async () => {
    setWorking(true);
    setProblem(undefined);
    try {
      const answer = await client.phoneSpeechCreate({ phoneSystem: phoneSystem as never, language, text });
      const sound = await answer.blob();
      setSpoken({ sound, address: URL.createObjectURL(sound), of: text });
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setWorking(false);
    }
  };
  const heard = spoken?.of === text ? spoken : undefined;
  return (
    <>
      {heard ? (
        <>
          {/* biome-ignore lint/a11y/useMediaCaption: the text that is spoken stands beside it */}
          <audio className={css.player} controls autoPlay src={heard.address} aria-label={text} />
          {props.children?.(heard.sound)}
        </>
      ) : (
        <Button
          variant="default"
          size="compact-sm"
          w="fit-content"
          disabled={text.trim() === ""}
          loading={working}
          leftSection={<IconVolume size={14} aria-hidden />}
          onClick={() => void speak()}
        >
          {t("phone.listen")}
        </Button>
      )}
      {problem && (
        <Text size="sm" c="var(--k-bad)" role="alert">
          {problem}
        </Text>
      )}
    </>
  );
}
