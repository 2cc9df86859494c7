import "@mantine/spotlight/styles.layer.css";
import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { createSpotlight, Spotlight } from "@mantine/spotlight";
import {
  IconBuilding,
  IconFolder,
  IconLanguage,
  IconLayoutDashboard,
  IconMoon,
  IconPlus,
  IconSearch,
  IconShieldLock,
  IconSun,
  IconUser,
  IconUserPlus,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { languageNames, languages, setLanguage, useLanguage, useT } from "../i18n/i18n.ts";
import { organisationAddress, projectAddress, scopedAddress } from "./address.ts";
import { useCan, useIdentity, usePlace } from "./identity.ts";
import { useNavigationLinks, useOverviewAddress } from "./navigation.ts";
import type { PaletteContext, PaletteItem } from "./registry.ts";
import { services } from "./services.ts";

const [store, palette] = createSpotlight();

export { palette };

const most = 8;

export default function Palette() {
  const t = useT();
  const navigate = useNavigate();
  const [words, setWords] = useState("");
  const [settled] = useDebouncedValue(words.trim(), 150);
  const { organisations } = useIdentity();
  const { organisation, project } = usePlace();
  const links = useNavigationLinks();
  const overview = useOverviewAddress();
  const admin = useCan("organisation")("admin");
  const dark = useComputedColorScheme("light") === "dark";
  const { setColorScheme } = useMantineColorScheme();
  const language = useLanguage();

  const context: PaletteContext = {
    organisation,
    project,
    address: (scope, path) => scopedAddress(scope, path, organisation?.slug, project?.slug),
  };
  const resources = useQuery({
    queryKey: ["palette", settled, organisation?.id, project?.id],
    queryFn: async () => {
      const found = await Promise.allSettled(services.flatMap(({ search }) => (search ? [search(settled, context)] : [])));
      return found.flatMap((answer) => (answer.status === "fulfilled" ? answer.value.slice(0, most) : []));
    },
    enabled: settled.length > 0,
    staleTime: 10_000,
    retry: false,
  });

  const pages: PaletteItem[] = [
    { id: "overview", label: t("frame.overview"), icon: IconLayoutDashboard, to: overview.to },
    ...links.map(({ label, icon, to }) => ({ id: to, label: t(label as "frame.overview"), icon, to })),
    { id: "profile", label: t("frame.profile"), icon: IconUser, to: "/account" },
    { id: "security", label: t("frame.security"), icon: IconShieldLock, to: "/account/security" },
  ];
  const places: PaletteItem[] = organisations.flatMap((one) => [
    {
      id: one.id,
      label: one.name,
      description: t("frame.organisation"),
      icon: IconBuilding,
      to: organisationAddress(one.slug),
    },
    ...one.projects.map(({ id, name, slug }) => ({
      id,
      label: name,
      description: one.name,
      icon: IconFolder,
      to: projectAddress(one.slug, slug),
    })),
  ]);
  const actions: PaletteItem[] = [
    ...(admin && organisation
      ? [
          {
            id: "invite",
            label: t("frame.invitePerson"),
            icon: IconUserPlus,
            to: organisationAddress(organisation.slug, "people/invitations?create=1"),
          },
          {
            id: "project",
            label: t("frame.createProject"),
            icon: IconPlus,
            to: organisationAddress(organisation.slug, "projects?create=1"),
          },
        ]
      : []),
    {
      id: "scheme",
      label: dark ? t("frame.light") : t("frame.dark"),
      icon: dark ? IconSun : IconMoon,
      to: () => setColorScheme(dark ? "light" : "dark"),
    },
    ...languages
      .filter((other) => other !== language)
      .map((other) => ({
        id: `language-${other}`,
        label: languageNames[other],
        description: t("frame.language"),
        icon: IconLanguage,
        to: () => void setLanguage(other),
      })),
  ];

  const run = ({ to }: PaletteItem) => {
    if (typeof to === "function") to();
    else {
      const [path, search] = to.split("?");
      void navigate({ to: path as string, search: Object.fromEntries(new URLSearchParams(search)) });
    }
  };
  const fits = ({ label, description }: PaletteItem) =>
    `${label} ${description ?? ""}`.toLocaleLowerCase().includes(words.trim().toLocaleLowerCase());
  const groups: [string, PaletteItem[]][] = [
    [t("frame.pages"), pages.filter(fits)],
    [t("frame.places"), words.trim() === "" ? places.slice(0, 5) : places.filter(fits).slice(0, most)],
    [t("frame.resources"), settled === "" ? [] : (resources.data ?? [])],
    [t("frame.actions"), actions.filter(fits)],
  ];
  const empty = groups.every(([, items]) => items.length === 0);

  return (
    <Spotlight.Root
      store={store}
      query={words}
      onQueryChange={setWords}
      shortcut={null}
      attributes={{ content: { "aria-label": t("frame.searchEverything") } }}
      scrollable
      maxHeight={420}
      yOffset="14vh"
      overlayProps={{ blur: 0, backgroundOpacity: 0.4 }}
      transitionProps={{ duration: 100 }}
    >
      <Spotlight.Search
        placeholder={t("frame.searchEverything")}
        onKeyDown={(event) => {
          // Enter without having moved means the first one.
          const first = groups.find(([, items]) => items.length > 0)?.[1][0];
          if (event.key !== "Enter" || first === undefined || document.querySelector("[data-action][data-selected]")) return;
          event.preventDefault();
          palette.close();
          run(first);
        }}
        aria-label={t("frame.searchEverything")}
        leftSection={<IconSearch size={18} stroke={1.6} />}
      />
      <Spotlight.ActionsList>
        {groups
          .filter(([, items]) => items.length > 0)
          .map(([title, items]) => (
            <Spotlight.ActionsGroup key={title} label={title}>
              {items.map((item) => (
                <Spotlight.Action
                  key={item.id}
                  label={item.label}
                  {...(item.description ? { description: item.description } : {})}
                  leftSection={<item.icon size={18} stroke={1.6} />}
                  onClick={() => run(item)}
                />
              ))}
            </Spotlight.ActionsGroup>
          ))}
        {empty && !resources.isFetching && <Spotlight.Empty>{t("ui.nothingFound")}</Spotlight.Empty>}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}
