import { ActionIcon, Button, Input, Select, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useT } from "../../../i18n/i18n.ts";
import { newStep, type Step, type StorageClass, storageClasses, type Values } from "./lifecycleForm.ts";
import css from "./settings.module.css";

/** Storage classes one after the other, each with its time; those of old versions say how many of the newest stay. */
export function StepRows(props: {
  steps: Step[];
  timing: Values["timing"];
  ofOld?: boolean;
  error: string | undefined;
  onChange: (steps: Step[]) => void;
}) {
  const t = useT();
  const { steps, onChange } = props;
  const change = (id: number, to: Partial<Step>) => onChange(steps.map((step) => (step.id === id ? { ...step, ...to } : step)));
  return (
    <Input.Wrapper error={props.error} ml={28}>
      {steps.map(({ id, storageClass, days, day, newest }) => (
        <div key={id} className={css.step} data-wide={props.ofOld || undefined}>
          <Select
            label={t("bucketSettings.lifecycle.class")}
            allowDeselect={false}
            data={[...storageClasses]}
            value={storageClass}
            onChange={(value) => value && change(id, { storageClass: value as StorageClass })}
          />
          {props.timing === "day" ? (
            <TextInput
              type="date"
              label={t("bucketSettings.lifecycle.onDay")}
              value={day}
              error={props.error !== undefined}
              onChange={(event) => change(id, { day: event.currentTarget.value })}
            />
          ) : (
            <TextInput
              label={t("bucketSettings.lifecycle.afterDays")}
              inputMode="numeric"
              value={days}
              error={props.error !== undefined}
              onChange={(event) => change(id, { days: event.currentTarget.value })}
            />
          )}
          {props.ofOld && (
            <TextInput
              label={t("bucketSettings.lifecycle.class.keep")}
              inputMode="numeric"
              value={newest}
              onChange={(event) => change(id, { newest: event.currentTarget.value })}
            />
          )}
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            disabled={steps.length === 1}
            aria-label={t("bucketSettings.lifecycle.class.remove", { storageClass })}
            onClick={() => onChange(steps.filter((step) => step.id !== id))}
          >
            <IconX size={18} aria-hidden />
          </ActionIcon>
        </div>
      ))}
      <Button
        mt={8}
        mb={props.error === undefined ? 0 : 4}
        variant="default"
        size="compact-md"
        leftSection={<IconPlus size={16} aria-hidden />}
        disabled={steps.length >= storageClasses.length}
        onClick={() => onChange([...steps, newStep(steps)])}
      >
        {t("bucketSettings.lifecycle.class.add")}
      </Button>
    </Input.Wrapper>
  );
}
