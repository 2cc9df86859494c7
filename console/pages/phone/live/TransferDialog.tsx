import type { Destination } from "../../../../services/voice/destinations/contract.ts";
import type { ActiveCall } from "../../../../services/voice/live/contract.ts";
import { callApi, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { DestinationSelect } from "../shared/DestinationSelect.tsx";
import { callWords } from "./words.ts";

/** Where somebody else's call goes; who was with the outer party is let go. */
export function TransferDialog({ call, onClose }: { call: ActiveCall; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { to: null as Destination | null },
    checks: {
      to: (to) => (to === null || (to.kind === "number" && to.number === "") ? t("ui.required") : undefined),
    },
    submit: async ({ to }) => {
      await callApi("activeCallAct", { activeCall: call.id, do: { action: "transfer", to: to as Destination } });
      await invalidate(queries, ["activeCallList"]);
      onClose();
    },
  });
  const { to } = form.values;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("phone.transferTitle", { call: callWords(call) })}
      text={t("phone.transferText")}
      form={form}
      action={t("phone.transferCall")}
      hint={<ApiHint route="activeCallAct" args={{ activeCall: call.id, do: { action: "transfer", to } }} />}
    >
      <DestinationSelect
        phoneSystem={call.phoneSystemId}
        label={t("phone.transferTo")}
        value={to}
        error={form.choice("to").error}
        onChange={(destination) => form.set("to", destination)}
      />
    </FormDialog>
  );
}
