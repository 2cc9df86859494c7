import { Alert, Button, Group, Modal, Stack } from "@mantine/core";
import { IconEyeExclamation } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useT } from "../i18n/i18n.ts";

/** What is shown once and never again; only the button closes it, not a click beside it. */
export function SecretOnce(props: { title: string; text: string; onClose: () => void; size?: string; children: ReactNode }) {
  const t = useT();
  return (
    <Modal
      opened
      onClose={props.onClose}
      title={props.title}
      size={props.size ?? "lg"}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack gap="md">
        <Alert
          color="yellow"
          variant="light"
          icon={<IconEyeExclamation size={18} />}
          p="sm"
          styles={{ message: { color: "var(--k-text)" } }}
        >
          {props.text}
        </Alert>
        {props.children}
        <Group justify="flex-end">
          <Button onClick={props.onClose}>{t("ui.done")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
