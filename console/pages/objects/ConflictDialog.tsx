import { Button, Checkbox, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useT } from "../../i18n/i18n.ts";
import { nameOf, parentOf } from "./keys.ts";
import { type ConflictAnswer, copyKey, type UploadItem } from "./upload.ts";
import { uploads } from "./uploads.ts";

/** What to do where something stands already; while it waits, the rest goes on. */
export function ConflictDialog({ item, others }: { item: UploadItem; others: number }) {
  const t = useT();
  const [forAll, setForAll] = useState(true);
  const name = nameOf(item.key);
  const answer = (choice: ConflictAnswer) => uploads.answer(item.id, choice, forAll && others > 0);
  return (
    <Modal
      opened
      onClose={() => answer("skip")}
      title={t("objects.conflict.title", { name })}
      closeButtonProps={{ "aria-label": t("objects.conflict.skip") }}
    >
      <Stack>
        <Text>
          {t("objects.conflict.text", {
            place: parentOf(item.key).slice(0, -1) || item.bucket,
            copy: nameOf(copyKey(item.key, 2)),
          })}
        </Text>
        {others > 0 && (
          <Checkbox
            checked={forAll}
            onChange={(event) => setForAll(event.currentTarget.checked)}
            label={t("objects.conflict.forAll", { count: others })}
          />
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={() => answer("skip")}>
            {t("objects.conflict.skip")}
          </Button>
          <Button variant="default" onClick={() => answer("replace")}>
            {t("objects.conflict.replace")}
          </Button>
          <Button data-autofocus onClick={() => answer("keepBoth")}>
            {t("objects.conflict.keepBoth")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
