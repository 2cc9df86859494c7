import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useCan } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { NetworksHeader } from "./NetworksHeader.tsx";
import { PortForwardCreate, PortForwards } from "./PortForwards.tsx";

export default function PortForwardsPage() {
  const t = useT();
  const may = useCan()("editor");
  const [creating, setCreating] = useAddressFlag("new");
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("networks.forward.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <NetworksHeader tab="port-forwards" actions={create} />
      <PortForwards may={may} action={create} />
      {creating && <PortForwardCreate onClose={() => setCreating(false)} />}
    </>
  );
}
