import { Button, Group, Stack } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";
import { useT } from "../i18n/i18n.ts";
import { FormProblem } from "./FormProblem.tsx";
import { Section } from "./Section.tsx";

/** A part of a page whose fields are saved together, apart from the rest of it. */
export function FormSection(props: {
  title: string;
  text?: ReactNode;
  /** Of `useForm`. */
  form: { onSubmit: (event: FormEvent<HTMLFormElement>) => void; problem: string | undefined; sending: boolean };
  /** Whether there is nothing to save, or the person may not. */
  disabled: boolean;
  /** Beside the button. */
  aside?: ReactNode;
  children: ReactNode;
}) {
  const t = useT();
  const { form } = props;
  return (
    <Section title={props.title} text={props.text}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={560}>
          <FormProblem>{form.problem}</FormProblem>
          {props.children}
          <Group>
            <Button type="submit" loading={form.sending} disabled={props.disabled}>
              {t("ui.save")}
            </Button>
            {props.aside}
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
