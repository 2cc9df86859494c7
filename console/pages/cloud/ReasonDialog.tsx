import { Textarea } from "@mantine/core";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";

/** Suspending somebody needs a reason, which they are shown. */
export function ReasonDialog(props: {
  title: string;
  text: string;
  action: string;
  onClose: () => void;
  onSend: (reason: string) => Promise<unknown>;
}) {
  const t = useT();
  const form = useForm({
    initial: { reason: "" },
    checks: { reason: required },
    submit: async ({ reason }) => {
      await props.onSend(reason.trim());
      props.onClose();
    },
  });
  return (
    <FormDialog opened onClose={props.onClose} title={props.title} text={props.text} form={form} action={props.action}>
      <Textarea
        label={t("cloud.reason")}
        description={t("cloud.reasonHint")}
        autosize
        minRows={2}
        data-autofocus
        {...form.field("reason")}
      />
    </FormDialog>
  );
}
