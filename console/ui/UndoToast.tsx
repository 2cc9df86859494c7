import { Button, Group } from "@mantine/core";
import { useT } from "../i18n/i18n.ts";

export function UndoToast({ message, onUndo }: { message: string; onUndo: () => void }) {
  const t = useT();
  return (
    <Group justify="space-between" wrap="nowrap" gap="sm">
      <span>{message}</span>
      <Button size="compact-sm" variant="light" onClick={onUndo}>
        {t("ui.undo")}
      </Button>
    </Group>
  );
}
