import { Menu, Text, UnstyledButton } from "@mantine/core";
import { IconCheck, IconPlus, IconSearch, IconSelector } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useT } from "../i18n/i18n.ts";
import { organisationAddress, projectAddress } from "./address.ts";
import css from "./Frame.module.css";
import { useCan, useIdentity, usePlace } from "./identity.ts";

interface Choice {
  id: string;
  name: string;
  to: string;
}

export function PlaceSwitcher() {
  const t = useT();
  const { organisations } = useIdentity();
  const { organisation, project, inProject } = usePlace();
  const admin = useCan("organisation")("admin");
  const cloudAdmin = useCan("cloud")("admin");
  if (organisation === undefined) return null;
  return (
    <>
      <Chooser
        label={t("frame.organisation")}
        shown={organisation.name}
        current={organisation.id}
        overview={{ name: t("frame.organisationOverview"), to: organisationAddress(organisation.slug) }}
        choices={organisations.map(({ id, name, slug, projects }) => ({
          id,
          name,
          to: projects[0] ? projectAddress(slug, projects[0].slug) : organisationAddress(slug),
        }))}
        create={cloudAdmin ? { name: t("frame.createOrganisation"), to: "/cloud/organisations?create=1" } : undefined}
      />
      {(project || admin) && (
        <>
          <span className={css.slash} aria-hidden>
            /
          </span>
          <Chooser
            label={t("frame.project")}
            shown={project?.name ?? t("frame.chooseProject")}
            muted={!inProject}
            current={inProject ? project?.id : undefined}
            choices={organisation.projects.map(({ id, name, slug }) => ({
              id,
              name,
              to: projectAddress(organisation.slug, slug),
            }))}
            overview={{ name: t("frame.allProjects"), to: organisationAddress(organisation.slug, "projects") }}
            create={
              admin
                ? { name: t("frame.createProject"), to: organisationAddress(organisation.slug, "projects?create=1") }
                : undefined
            }
          />
        </>
      )}
    </>
  );
}

function Chooser(props: {
  label: string;
  shown: string;
  muted?: boolean;
  current: string | undefined;
  choices: Choice[];
  overview: { name: string; to: string };
  create: { name: string; to: string } | undefined;
}) {
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
      <Menu.Target>
        <UnstyledButton className={css.switcher} aria-label={`${props.label}: ${props.shown}`}>
          <span style={props.muted ? { color: "var(--k-muted)", fontWeight: 450 } : undefined}>{props.shown}</span>
          <IconSelector size={14} stroke={1.8} color="var(--k-muted)" aria-hidden style={{ flex: "none" }} />
        </UnstyledButton>
      </Menu.Target>
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
}
