import { Menu, Text } from "@mantine/core";
import { IconCheck, IconPlus, IconSearch } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useT } from "../i18n/i18n.ts";
import type { BehindDoor } from "../ui/Door.tsx";
import css from "./Frame.module.css";
import type { Places } from "./PlaceSwitcher.tsx";

const PlaceItems: BehindDoor<Places> = (props) => {
  const t = useT();
  const navigate = useNavigate();
  const [words, setWords] = useState("");
  const found = props.choices.filter(({ name }) => name.toLowerCase().includes(words.toLowerCase()));
  const go = (to: string) => {
    const [path, search] = to.split("?");
    void navigate({ to: path as string, search: Object.fromEntries(new URLSearchParams(search)) });
  };
  return (
    <Menu position="bottom-start" width={280} withinPortal={false} onClose={() => setWords("")} trapFocus>
      <Menu.Target>{props.button}</Menu.Target>
      <Menu.Dropdown>
        {props.choices.length > 5 && (
          <label className={css.find}>
            <IconSearch size={14} aria-hidden />
            <input
              data-autofocus
              placeholder={t("ui.search")}
              aria-label={t("ui.search")}
              value={words}
              onChange={(event) => setWords(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter" && found[0]) go(found[0].to);
              }}
            />
          </label>
        )}
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is no child of a menu */}
        <div role="group" aria-label={props.label} style={{ maxHeight: 280, overflowY: "auto" }}>
          {found.map(({ id, name, to }) => (
            <Menu.Item
              key={id}
              component={Link}
              to={to}
              rightSection={id === props.current ? <IconCheck size={16} aria-label={t("frame.current")} /> : null}
            >
              <Text size="sm" truncate>
                {name}
              </Text>
            </Menu.Item>
          ))}
          {found.length === 0 && (
            <Text size="sm" c="dimmed" p="sm">
              {t("ui.nothingFound")}
            </Text>
          )}
        </div>
        <Menu.Divider />
        <Menu.Item onClick={() => go(props.overview.to)}>{props.overview.name}</Menu.Item>
        {props.create && (
          <Menu.Item leftSection={<IconPlus size={16} />} onClick={() => go((props.create as { to: string }).to)}>
            {props.create.name}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
};
export default PlaceItems;
