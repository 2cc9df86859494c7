import { Popover, Progress, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { cloneElement, type ReactElement } from "react";
import type { Item } from "../api/api.ts";
import { useFormat } from "../i18n/format.ts";
import { useT } from "../i18n/i18n.ts";
import { kindTitle, progressWords } from "../pages/operations/words.ts";
import type { BehindDoor } from "../ui/Door.tsx";
import { TimeAgo } from "../ui/TimeAgo.tsx";

const shown = 8;

const OperationsPanel: BehindDoor<{ items: Item<"operationList">[]; all: string }> = ({ items, all, button }) => {
  const t = useT();
  const format = useFormat();
  const [opened, { toggle, close }] = useDisclosure(false);
  return (
    <Popover opened={opened} onChange={close} position="bottom-end" width={340} withinPortal={false} trapFocus>
      <Popover.Target>
        {cloneElement(button as ReactElement<{ "aria-expanded": boolean; onClick: () => void }>, {
          "aria-expanded": opened,
          onClick: toggle,
        })}
      </Popover.Target>
      <Popover.Dropdown aria-label={t("frame.operations")}>
        {items.length === 0 ? (
          <Text size="sm" c="dimmed">
            {t("frame.operationsNone")}
          </Text>
        ) : (
          <Stack gap="md">
            {items.slice(0, shown).map((operation) => (
              <div key={operation.id}>
                <Text size="sm" fw={550} truncate>
                  {kindTitle(operation.kind)}
                  {operation.resource?.name ? ` · ${operation.resource.name}` : ""}
                </Text>
                <Progress
                  my={6}
                  size="sm"
                  value={Math.round(operation.progress * 100)}
                  animated={operation.state === "running"}
                  aria-label={kindTitle(operation.kind)}
                />
                <Text size="xs" c="dimmed" truncate>
                  {operation.message ? `${progressWords(operation.message, format)} · ` : ""}
                  <TimeAgo at={operation.createdAt} />
                </Text>
              </div>
            ))}
          </Stack>
        )}
        <Text size="sm" mt="md" component={Link} to={all} onClick={close} c="var(--k-accent-text)">
          {t("frame.operationsAll")}
        </Text>
      </Popover.Dropdown>
    </Popover>
  );
};
export default OperationsPanel;
