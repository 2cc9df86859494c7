import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { errorText } from "../../api/errors.ts";
import { useT } from "../../i18n/i18n.ts";
import { type NameProblem, nameProblem } from "./keys.ts";

interface Props {
  title: string;
  label: string;
  initial: string;
  prefix: string;
  taken: (name: string) => boolean;
  action: string;
  note?: string | undefined;
  onClose: () => void;
  onName: (name: string) => Promise<void>;
}

/** Asks for one name, saying what is wrong with it while it is typed. */
export function NameDialog({ title, label, initial, prefix, taken, action, note, onClose, onName }: Props) {
  const t = useT();
  const [name, setName] = useState(initial);
  const [touched, setTouched] = useState(false);
  const [working, setWorking] = useState(false);
  const [failed, setFailed] = useState<string>();
  const first = useRef(true);
  const problem = nameProblem(name, prefix, taken);
  const words: Record<NameProblem, string> = {
    empty: t("objects.name.empty"),
    slash: t("objects.name.slash"),
    dots: t("objects.name.dots"),
    long: t("objects.name.long"),
    control: t("objects.name.control"),
    taken: t("objects.name.taken"),
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": t("ui.close") }}>
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          setTouched(true);
          if (problem) return;
          setWorking(true);
          setFailed(undefined);
          try {
            await onName(name.trim());
            onClose();
          } catch (error) {
            setFailed(errorText(error));
            setWorking(false);
          }
        }}
      >
        <Stack>
          <TextInput
            label={label}
            value={name}
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            error={touched && problem && (problem !== "empty" || name !== "" || touched) ? words[problem] : undefined}
            onChange={(event) => {
              setName(event.currentTarget.value);
              setTouched(event.currentTarget.value !== "");
            }}
            onFocus={(event) => {
              // The part before the extension, as it is mostly this that one changes.
              if (!first.current) return;
              first.current = false;
              const dot = initial.lastIndexOf(".");
              event.currentTarget.setSelectionRange(0, dot > 0 ? dot : initial.length);
            }}
          />
          {note && (
            <Text size="sm" c="dimmed">
              {note}
            </Text>
          )}
          {failed && (
            <Alert color="red" role="alert">
              {failed}
            </Alert>
          )}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              {t("ui.cancel")}
            </Button>
            <Button type="submit" loading={working}>
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
