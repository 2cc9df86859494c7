import { Alert, Button, Group, List, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { errorText } from "../api/errors.ts";
import { useT } from "../i18n/i18n.ts";

/**
 * Before something goes: what is destroyed, what is kept, whether it comes back.
 * The name is typed only where nothing can bring it back (`typeName`).
 */
export function ConfirmDestroy(props: {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** One sentence for what needs no list. */
  text?: ReactNode;
  destroyed?: ReactNode[];
  kept?: ReactNode[];
  typeName?: string | undefined;
  /** The verb on the button: "Delete bucket". */
  action: string;
  onConfirm: () => Promise<unknown>;
  children?: ReactNode;
}) {
  const t = useT();
  const { opened } = props;
  const [typed, setTyped] = useState("");
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    if (!opened) return;
    setTyped("");
    setProblem(undefined);
  }, [opened]);
  const ready = props.typeName === undefined || typed === props.typeName;
  const confirm = async () => {
    setWorking(true);
    setProblem(undefined);
    try {
      await props.onConfirm();
      props.onClose();
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setWorking(false);
    }
  };
  return (
    <Modal opened={opened} onClose={props.onClose} title={props.title} closeButtonProps={{ "aria-label": t("ui.close") }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void confirm();
        }}
      >
        <Stack gap="md">
          {props.text && <Text size="md">{props.text}</Text>}
          <Consequences title={t("ui.destroyed")} items={props.destroyed} color="var(--k-bad)" />
          <Consequences title={t("ui.kept")} items={props.kept} color="var(--k-good)" />
          {props.children}
          {props.typeName !== undefined && (
            <TextInput
              label={t.rich("ui.typeName", { name: <b>{props.typeName}</b> })}
              value={typed}
              autoComplete="off"
              spellCheck={false}
              data-autofocus
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          )}
          {problem && (
            <Alert color="red" role="alert">
              {problem}
            </Alert>
          )}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={props.onClose} data-autofocus={props.typeName === undefined || undefined}>
              {t("ui.cancel")}
            </Button>
            <Button type="submit" color="red.8" disabled={!ready} loading={working}>
              {props.action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Consequences({ title, items, color }: { title: string; items: ReactNode[] | undefined; color: string }) {
  if (items === undefined || items.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={600} mb={4} style={{ color }}>
        {title}
      </Text>
      <List size="sm" spacing={4}>
        {items.map((item, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes its order
          <List.Item key={index}>{item}</List.Item>
        ))}
      </List>
    </div>
  );
}
