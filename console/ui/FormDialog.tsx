import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";
import { useT } from "../i18n/i18n.ts";
import { FormProblem } from "./FormProblem.tsx";

/** A form over the page: fields, the general problem, one main button, and the same action by command below. */
export function FormDialog(props: {
  opened: boolean;
  onClose: () => void;
  title: string;
  text?: ReactNode;
  form: { onSubmit: (event: FormEvent<HTMLFormElement>) => void; problem: string | undefined; sending: boolean };
  action: string;
  disabled?: boolean;
  hint?: ReactNode;
  size?: string;
  children: ReactNode;
}) {
  const t = useT();
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={props.title}
      size={props.size ?? "md"}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <form onSubmit={props.form.onSubmit} noValidate>
        <Stack gap="md">
          {props.text && <Text c="dimmed">{props.text}</Text>}
          <FormProblem>{props.form.problem}</FormProblem>
          {props.children}
          <Group justify="flex-end" gap="sm" mt="sm">
            <Button variant="default" onClick={props.onClose}>
              {t("ui.cancel")}
            </Button>
            <Button type="submit" loading={props.form.sending} disabled={props.disabled ?? false}>
              {props.action}
            </Button>
          </Group>
          {props.hint}
        </Stack>
      </form>
    </Modal>
  );
}
