import { Autocomplete } from "@mantine/core";
import { useT } from "../../../i18n/i18n.ts";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";

const usual = ["break", "lunch", "meeting", "afterwork"] as const;

/** An agent rests: why is seen on the wallboard, and need not be said. */
export function PauseDialog(props: { name: string; onPause: (reason: string) => Promise<unknown>; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { reason: "" },
    submit: async ({ reason }) => {
      await props.onPause(reason.trim());
      props.onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("phone.pause.title", { name: props.name })}
      text={t("phone.pause.text")}
      form={form}
      action={t("phone.mine.pause")}
    >
      <Autocomplete
        label={t("phone.pause.reason")}
        data={usual.map((one) => t(`phone.pause.${one}`))}
        maxLength={100}
        data-autofocus
        {...form.choice("reason")}
      />
    </FormDialog>
  );
}
