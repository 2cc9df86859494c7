import { Popover, Progress, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { cloneElement, type ReactElement } from "react";
import type { Item } from "../api/api.ts";
import { translateMaybe, useT } from "../i18n/i18n.ts";
import type { BehindDoor } from "../ui/Door.tsx";
import { TimeAgo } from "../ui/TimeAgo.tsx";

/** `objects.bucket.empty` in words, or as it is where there are none. */
const operationTitle = (kind: string): string => translateMaybe(`frame.operation.${kind}`) ?? kind;

const shown = 8;

const OperationsPanel: BehindDoor<{ items: Item<"operationList">[]; all: string }> = ({ items, all, button }) => {
  const t = useT();
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
                  {operationTitle(operation.kind)}
                  {operation.resource?.name ? ` · ${operation.resource.name}` : ""}
                </Text>
                <Progress
                  my={6}
                  size="sm"
                  value={operation.progress * 100}
                  animated={operation.state === "running"}
                  aria-label={operationTitle(operation.kind)}
                />
                <Text size="xs" c="dimmed" truncate>
                  {operation.message ? `${operation.message} · ` : ""}
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
