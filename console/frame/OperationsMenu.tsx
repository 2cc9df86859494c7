import { ActionIcon, Indicator } from "@mantine/core";
import { IconProgress } from "@tabler/icons-react";
import { useApi } from "../api/api.ts";
import { loadAreas, useT } from "../i18n/i18n.ts";
import { Door } from "../ui/Door.tsx";
import { Hint } from "../ui/Hint.tsx";
import { organisationAddress } from "./address.ts";
import { useCan, usePlace } from "./identity.ts";

/** What it is called is told with the words of the page of operations. */
const panel = () => Promise.all([import("./OperationsPanel.tsx"), loadAreas(["operations"])]).then(([module]) => module);

/** What is running now and how far it is; one can leave and come back to it. */
export function OperationsMenu() {
  const t = useT();
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
    <Indicator disabled={items.length === 0} label={items.length} size={16} offset={5} color="sky">
      <Door
        opens="dialog"
        load={panel}
        given={{ items, all: organisationAddress(organisation.slug, "operations") }}
        button={
          <Hint label={label}>
            <ActionIcon variant="subtle" color="gray" size={32} aria-label={label}>
              <IconProgress size={18} stroke={1.6} />
            </ActionIcon>
          </Hint>
        }
      />
    </Indicator>
  );
}
