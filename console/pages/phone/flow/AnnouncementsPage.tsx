import { Button, Modal, Stack, Text } from "@mantine/core";
import { IconMicrophone } from "@tabler/icons-react";
import { useState } from "react";
import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { SpokenText } from "../../../../services/voice/elements/shapes/contract.ts";
import { client, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Player } from "../records/Player.tsx";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { ElementsPage, type ElementView } from "../shared/Elements.tsx";
import { clock } from "../softphone/numbers.ts";
import { SoundInput } from "./SoundInput.tsx";
import { SpokenTextField } from "./SpeechField.tsx";

type Announcement = ElementView<"announcement">;

export default function AnnouncementsPage() {
  const t = useT();
  const [sound, setSound] = useState<Announcement>();
  return (
    <>
      <ElementsPage
        tab="announcements"
        text={t("phone.announcements.text")}
        words="announcements"
        kind="announcement"
        numbered="optional"
        values={(one) => ({
          text: (one?.text ?? {}) as SpokenText,
          afterwards: (one?.afterwards ?? { kind: "hang_up" }) as Destination,
        })}
        body={({ text, afterwards }, empty) => ({ text: Object.keys(text).length > 0 ? text : empty, afterwards })}
        columns={({ may }) => [
          {
            key: "sound",
            header: t("phoneFlow.sound"),
            width: "minmax(200px, 1.4fr)",
            cell: (one) =>
              one.audio ? (
                <Player
                  address={client.url("announcementDownload", { announcement: one.id })}
                  name={one.name}
                  seconds={one.audio.seconds}
                />
              ) : one.text ? (
                t("phoneFlow.spokenText")
              ) : (
                t("phoneFlow.nothing")
              ),
          },
          ...(may
            ? [
                {
                  key: "change",
                  header: "",
                  width: "minmax(150px, 190px)",
                  cell: (one: Announcement) => (
                    <Button
                      size="compact-sm"
                      variant="default"
                      leftSection={<IconMicrophone size={14} aria-hidden />}
                      onClick={(event) => {
                        event.stopPropagation();
                        setSound(one);
                      }}
                    >
                      {t(one.audio ? "phoneFlow.replaceSound" : "phoneFlow.addSound")}
                    </Button>
                  ),
                },
              ]
            : []),
        ]}
        fields={(form, { system }) => (
          <>
            <Text size="sm" c="dimmed">
              {t("phoneFlow.announcementText")}
            </Text>
            <SpokenTextField
              phoneSystem={system.id}
              label={t("phoneFlow.text")}
              value={form.values.text}
              onChange={(text) => form.set("text", text)}
            />
            <DestinationSelect
              phoneSystem={system.id}
              label={t("phoneFlow.afterwards")}
              value={form.values.afterwards}
              onChange={(destination) => destination && form.set("afterwards", destination)}
            />
          </>
        )}
      />
      {sound && (
        <Modal opened onClose={() => setSound(undefined)} title={sound.name} closeButtonProps={{ "aria-label": t("ui.close") }}>
          <Stack gap="md">
            <Text c="dimmed">{t("phoneFlow.soundText")}</Text>
            {sound.audio && (
              <Text size="sm">
                {sound.audio.fileName} · {clock(sound.audio.seconds * 1000)}
              </Text>
            )}
            <SoundInput
              onSound={async (wav, fileName) => {
                await client.announcementUpload({ announcement: sound.id, fileName }, { rawBody: wav });
                await invalidate(queries, ["announcementList"]);
                setSound(undefined);
              }}
            />
          </Stack>
        </Modal>
      )}
    </>
  );
}
