import { ActionIcon, Group } from "@mantine/core";
import { IconDownload, IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { clock } from "../softphone/numbers.ts";

/** A sound to listen to: nothing is fetched before one wants to hear it, since whoever listened stands in the audit log. */
export function Player({
  address,
  name,
  seconds,
  onPlay,
  words = "phone",
}: {
  address: string;
  name: string;
  /** How long it is, where that is known before it is heard. */
  seconds?: number;
  onPlay?: () => void;
  /** Whose words are loaded where it stands. */
  words?: "phone" | "softphone";
}) {
  const t = useT();
  const [opened, setOpened] = useState(false);
  return (
    <Group gap={4} wrap="nowrap" onClick={(event) => event.stopPropagation()}>
      {opened ? (
        // biome-ignore lint/a11y/useMediaCaption: what people say on the phone has no captions
        <audio className={css.player} controls autoPlay src={address} aria-label={name} />
      ) : (
        <>
          <ActionIcon
            variant="default"
            size={30}
            aria-label={t(`${words}.play`, { name })}
            onClick={() => {
              setOpened(true);
              onPlay?.();
            }}
          >
            <IconPlayerPlay size={16} stroke={1.7} />
          </ActionIcon>
          {seconds !== undefined && <span className={css.muted}>{clock(seconds * 1000)}</span>}
        </>
      )}
      <ActionIcon
        component="a"
        href={address}
        download
        variant="subtle"
        color="gray"
        size={30}
        aria-label={t(`${words}.download`, { name })}
      >
        <IconDownload size={16} stroke={1.7} />
      </ActionIcon>
    </Group>
  );
}
