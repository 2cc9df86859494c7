import { MultiSelect } from "@mantine/core";
import type { PhoneDevice } from "../../../../services/voice/extensions/contract.ts";
import { callApi, invalidate, useApi } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { useExtensionOptions } from "../shared/destinations.ts";

/** Whose lamps the keys of a desk phone have. */
export function LampKeys({ device, onClose }: { device: PhoneDevice; onClose: () => void }) {
  const t = useT();
  const { data } = useApi("extensionGet", { extension: device.extensionId });
  if (data === undefined) return null;
  return <Keys device={device} system={data.phoneSystemId} onClose={onClose} title={t("phone.device.lamps")} />;
}

function Keys({ device, system, title, onClose }: { device: PhoneDevice; system: string; title: string; onClose: () => void }) {
  const t = useT();
  const options = useExtensionOptions(system);
  const form = useForm({
    initial: { lampKeys: device.lampKeys as string[] },
    submit: async ({ lampKeys }) => {
      await callApi("phoneDeviceUpdate", { phoneDevice: device.id, lampKeys: lampKeys as never });
      await invalidate(queries, ["phoneDeviceList"]);
      onClose();
    },
  });
  return (
    <FormDialog opened onClose={onClose} title={title} text={t("phone.device.lampsText")} form={form} action={t("ui.save")}>
      <MultiSelect label={t("phone.device.lampsOf")} searchable limit={60} data={options} {...form.choice("lampKeys")} />
    </FormDialog>
  );
}
