import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { callApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormSection } from "../../../ui/FormSection.tsx";
import { useForm } from "../../../ui/form.ts";
import { refreshExtension } from "../extensions/Personal.tsx";
import { type PinChange, PinField, pinBody, pinFits } from "../extensions/PinField.tsx";

/** With it one's extension is taken along to another's desk phone. */
export function HotDesk({ extension }: { extension: Extension }) {
  const t = useT();
  const form = useForm({
    initial: { hotDeskPin: "" as PinChange },
    checks: { hotDeskPin: (pin) => (pinFits(pin) ? undefined : t("phone.pinRule")) },
    submit: async ({ hotDeskPin }) => {
      await callApi("myExtensionUpdate", { extension: extension.id, ...pinBody("hotDeskPin", hotDeskPin) });
      form.set("hotDeskPin", "");
      await refreshExtension();
    },
  });
  return (
    <FormSection title={t("phone.mine.hotDesk")} text={t("phone.mine.hotDeskText")} form={form} disabled={false}>
      <PinField
        label={t("phone.extension.hotDeskPin")}
        isSet={extension.hasHotDeskPin}
        none={t("phone.extension.hotDeskNone")}
        value={form.values.hotDeskPin}
        error={form.choice("hotDeskPin").error}
        disabled={false}
        onChange={(pin) => form.set("hotDeskPin", pin)}
      />
    </FormSection>
  );
}
