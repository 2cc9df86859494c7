import { ActionIcon, Button, Skeleton, Text } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { errorText } from "../../../api/errors.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { FormProblem } from "../../../ui/FormProblem.tsx";
import { Section } from "../../../ui/Section.tsx";
import css from "./settings.module.css";

export interface RuleDialogProps<Rule> {
  /** Undefined: a new one. */
  rule: Rule | undefined;
  onClose: () => void;
  onSave: (rule: Rule) => Promise<void>;
}

/** Rules of a bucket as sentences, in their order; all of them are one document, which is saved whole. */
export function RulesSection<Rule>(props: {
  title: string;
  text: string;
  /** Undefined until they are here. */
  rules: Rule[] | undefined;
  error: unknown;
  readOnly: boolean;
  words: {
    add: string;
    none: string;
    edit: (rule: Rule) => string;
    remove: (rule: Rule) => string;
    removeTitle: (rule: Rule) => string;
    removeText: (rule: Rule) => ReactNode;
  };
  sentences: (rule: Rule) => ReactNode;
  isOff?: (rule: Rule) => boolean;
  /** More controls of one rule. */
  controls?: (rule: Rule, replace: (rule: Rule) => Promise<void>) => ReactNode;
  save: (rules: Rule[]) => Promise<void>;
  dialog: (props: RuleDialogProps<Rule>) => ReactNode;
  children?: ReactNode;
}) {
  const t = useT();
  const { words, rules = [] } = props;
  const [editing, setEditing] = useState<number | "new">();
  const [removing, setRemoving] = useState<number>();
  const replace = (at: number, by: Rule) => props.save(rules.map((rule, index) => (index === at ? by : rule)));
  const removed = removing === undefined ? undefined : rules[removing];
  const edited = typeof editing === "number" ? rules[editing] : undefined;
  const button = (icon: ReactNode, label: string, onClick: () => void) => (
    <ActionIcon variant="subtle" color="gray" size={36} aria-label={label} onClick={onClick}>
      {icon}
    </ActionIcon>
  );
  return (
    <Section
      title={props.title}
      text={props.text}
      actions={
        props.readOnly || !props.rules ? undefined : (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setEditing("new")}>
            {words.add}
          </Button>
        )
      }
    >
      {!props.rules ? (
        props.error ? (
          <FormProblem>{errorText(props.error)}</FormProblem>
        ) : (
          <Skeleton height={48} />
        )
      ) : rules.length === 0 ? (
        <Text c="dimmed" maw={640}>
          {words.none}
        </Text>
      ) : (
        <ul className={css.rules} aria-label={props.title}>
          {rules.map((rule, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rules need not have a name, and their order is what they are
            <li key={index} className={css.rule} data-off={props.isOff?.(rule) || undefined}>
              <div className={css.words}>{props.sentences(rule)}</div>
              {!props.readOnly && (
                <div className={css.actions}>
                  {props.controls?.(rule, (by) => replace(index, by))}
                  {button(<IconPencil size={18} stroke={1.6} aria-hidden />, words.edit(rule), () => setEditing(index))}
                  {button(<IconTrash size={18} stroke={1.6} aria-hidden />, words.remove(rule), () => setRemoving(index))}
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
      {props.children}
      {editing !== undefined &&
        props.dialog({
          rule: edited,
          onClose: () => setEditing(undefined),
          onSave: (rule) => (editing === "new" ? props.save([...rules, rule]) : replace(editing, rule)),
        })}
      <ConfirmDestroy
        opened={removed !== undefined}
        onClose={() => setRemoving(undefined)}
        title={removed === undefined ? "" : words.removeTitle(removed)}
        text={removed === undefined ? "" : words.removeText(removed)}
        action={t("ui.delete")}
        onConfirm={() => props.save(rules.filter((_, index) => index !== removing))}
      />
    </Section>
  );
}
