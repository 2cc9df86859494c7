import { ActionIcon, Button, Checkbox, CloseButton, Kbd, Popover, Select, Stack, TextInput, Tooltip } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconColumns3, IconSearch } from "@tabler/icons-react";
import { type ReactNode, type RefObject, useEffect, useState } from "react";
import { useT } from "../../i18n/i18n.ts";
import css from "./DataList.module.css";
import type { ListState } from "./state.ts";
import type { BulkAction, Column, Filter } from "./types.ts";

const settleMs = 180;

export function ListTools<T>(props: {
  state: ListState;
  searchRef: RefObject<HTMLInputElement | null>;
  searchable: boolean;
  filters: Filter<T>[];
  columns: Column<T>[];
  hidden: Set<string>;
  onToggleColumn: (key: string) => void;
  selected: T[];
  bulkActions: BulkAction<T>[] | undefined;
  onClearSelection: () => void;
  count: number | undefined;
  phone: boolean;
  tools: ReactNode;
}) {
  const t = useT();
  const { state } = props;
  const [words, setWords] = useState(state.words);
  useEffect(() => setWords(state.words), [state.words]);
  const settle = useDebouncedCallback((value: string) => state.set({ q: value || undefined }), settleMs);

  if (props.selected.length > 0 && props.bulkActions) {
    return (
      <div className={css.tools} data-selection role="toolbar" aria-label={t("ui.actions")}>
        <CloseButton aria-label={t("ui.clearSelection")} onClick={props.onClearSelection} />
        <b>{t("ui.selected", { count: props.selected.length })}</b>
        {props.bulkActions.map(({ label, icon: Icon, danger, run }) => (
          <Button
            key={label}
            size="xs"
            variant="default"
            className={danger ? css.danger : undefined}
            leftSection={Icon ? <Icon size={15} stroke={1.6} /> : undefined}
            onClick={() => run(props.selected)}
          >
            {label}
          </Button>
        ))}
      </div>
    );
  }
  return (
    <div className={css.tools}>
      {props.searchable && (
        <TextInput
          ref={props.searchRef}
          className={css.search}
          leftSection={<IconSearch size={15} stroke={1.8} />}
          rightSection={
            words ? (
              <CloseButton
                size="sm"
                aria-label={t("ui.clear")}
                onClick={() => {
                  setWords("");
                  state.set({ q: undefined });
                }}
              />
            ) : props.phone ? null : (
              <Tooltip label={t("ui.keyboard")}>
                <Kbd size="xs">/</Kbd>
              </Tooltip>
            )
          }
          placeholder={t("ui.search")}
          aria-label={t("ui.search")}
          type="text"
          inputMode="search"
          value={words}
          onChange={(event) => {
            setWords(event.currentTarget.value);
            settle(event.currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (event.key === "Escape") event.currentTarget.blur();
          }}
        />
      )}
      {props.filters.map(({ key, label, options }) => (
        <Select
          key={key}
          className={css.filter}
          aria-label={label}
          placeholder={label}
          data={options}
          value={state.filter(key) ?? null}
          onChange={(value) => state.set({ [key]: value ?? undefined })}
          clearable
          clearButtonProps={{ "aria-label": t("ui.clear") }}
          allowDeselect
        />
      ))}
      {props.tools}
      <span className={css.count}>{props.count === undefined ? "" : t("ui.rows", { count: props.count })}</span>
      {!props.phone && props.columns.length > 3 && (
        <Popover position="bottom-end" withinPortal trapFocus>
          <Popover.Target>
            <Tooltip label={t("ui.columns")}>
              <ActionIcon variant="subtle" color="gray" size={32} aria-label={t("ui.columns")}>
                <IconColumns3 size={17} stroke={1.6} />
              </ActionIcon>
            </Tooltip>
          </Popover.Target>
          <Popover.Dropdown aria-label={t("ui.columns")}>
            <Stack gap="sm">
              {props.columns
                .filter(({ primary }) => !primary)
                .map(({ key, header }) => (
                  <Checkbox
                    key={key}
                    size="sm"
                    label={header}
                    checked={!props.hidden.has(key)}
                    onChange={() => props.onToggleColumn(key)}
                  />
                ))}
            </Stack>
          </Popover.Dropdown>
        </Popover>
      )}
    </div>
  );
}
