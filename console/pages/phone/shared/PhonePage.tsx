import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { PhoneSystem } from "../../../../services/voice/systems/contract.ts";
import { useApi } from "../../../api/api.ts";
import { projectAddress } from "../../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { PageHeader } from "../../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";

/** The tabs of a phone system, and the pages below each. */
const groups = {
  overview: ["overview"],
  people: ["extensions", "contacts"],
  lines: ["numbers", "trunks", "routes", "rates"],
  flow: ["groups", "queues", "menus", "hours", "announcements", "conferences", "more"],
  records: ["calls", "reports", "voicemail", "recordings"],
  settings: ["settings", "prompts", "programs"],
} as const;
type Group = keyof typeof groups;
export type PhoneTab = (typeof groups)[Group][number];

export interface PhonePlace {
  system: PhoneSystem;
  /** The address of the phone system's pages. */
  home: string;
  /** Whether the person may change it. */
  may: boolean;
}

export function usePhoneHome(): string {
  const organisation = useOrganisation();
  const project = useProject();
  return projectAddress(organisation.slug, project.slug, "phone");
}

/** A page of the phone system of the project: its tabs, and what stands below; without a phone system, the way to one. */
export function PhonePage(props: {
  tab: PhoneTab;
  /** Other than that of the tab: the name of one thing. */
  title?: ReactNode;
  text?: ReactNode;
  badge?: ReactNode;
  back?: { to: string; label: string };
  actions?: (place: PhonePlace) => ReactNode;
  /** In place of the way to one, where the project has no phone system. */
  none?: ReactNode;
  children: (place: PhonePlace) => ReactNode;
}) {
  const t = useT();
  const project = useProject();
  const may = useCan()("editor");
  const home = usePhoneHome();
  const systems = useApi("phoneSystemList", { project: project.id });
  if (systems.error && !systems.data) return <ErrorPage error={systems.error} reset={() => void systems.refetch()} />;
  if (!systems.data) return <PageSkeleton />;
  const system = systems.data.items[0];
  if (system === undefined) return <>{props.none ?? <NoSystem home={home} />}</>;
  const place = { system, home, may };
  const group =
    (Object.keys(groups) as Group[]).find((one) => (groups[one] as readonly string[]).includes(props.tab)) ?? "overview";
  const address = (tab: PhoneTab) => (tab === "overview" ? home : `${home}/${tab}`);
  const pages: readonly PhoneTab[] = groups[group];
  return (
    <>
      <PageHeader
        title={props.title ?? t(props.tab === "overview" ? "frame.nav.phone" : `phone.tab.${props.tab}`)}
        text={props.text}
        badge={props.badge}
        {...(props.back ? { back: props.back } : {})}
        actions={props.actions?.(place)}
        tabs={(Object.keys(groups) as Group[]).map((one) => ({
          to: address(groups[one][0]),
          label: t(`phone.group.${one}`),
          active: one === group,
        }))}
        {...(pages.length > 1
          ? { subtabs: pages.map((one) => ({ to: address(one), label: t(`phone.tab.${one}`), active: one === props.tab })) }
          : {})}
      />
      {props.children(place)}
    </>
  );
}

function NoSystem({ home }: { home: string }) {
  const t = useT();
  return (
    <EmptyState
      page
      picture="phone"
      title={t("phone.none")}
      text={t("phone.noneText")}
      action={
        <Button component={Link} to={home}>
          {t("phone.create")}
        </Button>
      }
    />
  );
}
