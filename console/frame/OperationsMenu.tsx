import { ActionIcon, Indicator, Popover, Progress, Stack, Text, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconProgress } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useApi } from "../api/api.ts";
import { translateMaybe, useT } from "../i18n/i18n.ts";
import { TimeAgo } from "../ui/TimeAgo.tsx";
import { organisationAddress } from "./address.ts";
import { useCan, usePlace } from "./identity.ts";

/** `objects.bucket.empty` in words, or as it is where there are none. */
export const operationTitle = (kind: string): string => translateMaybe(`frame.operation.${kind}`) ?? kind;

const shown = 8;

/** What is running now and how far it is; one can leave and come back to it. */
export function OperationsMenu() {
  const t = useT();
  const [opened, { toggle, close }] = useDisclosure(false);
  const { organisation } = usePlace();
  const may = useCan("organisation")("viewer");
  const running = useApi(
    "operationList",
    { organisation: organisation?.id as never, active: true, limit: 50 },
    { enabled: organisation !== undefined && may },
  );
  if (organisation === undefined || !may) return null;
  const items = running.data?.items ?? [];
  const label = items.length > 0 ? t("frame.operationsRunning", { count: items.length }) : t("frame.operations");
  return (
    <Popover opened={opened} onChange={close} position="bottom-end" width={340} withinPortal={false} trapFocus>
      <Popover.Target>
        <Tooltip label={label} disabled={opened}>
          <Indicator disabled={items.length === 0} label={items.length} size={16} offset={5} color="sky">
            <ActionIcon variant="subtle" color="gray" size={32} aria-label={label} aria-expanded={opened} onClick={toggle}>
              <IconProgress size={18} stroke={1.6} />
            </ActionIcon>
          </Indicator>
        </Tooltip>
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
        <Text
          size="sm"
          mt="md"
          component={Link}
          to={organisationAddress(organisation.slug, "operations")}
          onClick={close}
          c="var(--k-accent-text)"
        >
          {t("frame.operationsAll")}
        </Text>
      </Popover.Dropdown>
    </Popover>
  );
}
