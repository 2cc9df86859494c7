import { Select } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useApi } from "../../../api/api.ts";
import { projectAddress } from "../../../frame/address.ts";
import { useOrganisation, useProject } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { PageHeader } from "../../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import { Devices } from "../extensions/Devices.tsx";
import { ForwardingForm, VoicemailForm } from "../extensions/Personal.tsx";
import { PresenceBadge } from "../extensions/PresenceBadge.tsx";
import { CallList } from "../records/CallList.tsx";
import { Recordings } from "../records/Recordings.tsx";
import { Voicemails } from "../records/Voicemails.tsx";
import { Greetings } from "./Greetings.tsx";
import { HotDesk } from "./HotDesk.tsx";
import { Messages } from "./Messages.tsx";
import { MyQueues } from "./MyQueues.tsx";

const tabs = ["calls", "voicemail", "messages", "recordings", "forwarding", "devices", "settings"] as const;

/** One's own extension, for whoever has one: no role is needed. */
export default function MyPhonePage() {
  const t = useT();
  const params = useParams({ strict: false }) as { tab?: string };
  const here = projectAddress(useOrganisation().slug, useProject().slug, "my-phone");
  const [chosen, setChosen] = useState<string>();
  const query = useApi("myExtensionList", { limit: 50 });
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  if (!query.data) return <PageSkeleton />;
  const extensions = query.data.items;
  const extension = extensions.find(({ id }) => id === chosen) ?? extensions[0];
  if (extension === undefined)
    return <EmptyState page picture="lost" title={t("phone.mine.none")} text={t("phone.mine.noneText")} />;
  const tab = tabs.find((one) => one === params.tab) ?? "calls";
  const given = { extension, may: true, own: true };
  return (
    <>
      <PageHeader
        title={t("frame.nav.myPhone")}
        badge={<PresenceBadge presence={extension.presence} />}
        text={`${extension.number} · ${extension.name}`}
        tabs={tabs.map((one) => ({
          to: one === "calls" ? here : `${here}/${one}`,
          label: t(`phone.mine.${one}`),
          active: one === tab,
        }))}
        actions={
          extensions.length > 1 && (
            <Select
              aria-label={t("phone.extension")}
              value={extension.id}
              onChange={(id) => setChosen(id ?? undefined)}
              data={extensions.map(({ id, number, name }) => ({ value: id as string, label: `${number} · ${name}` }))}
            />
          )
        }
      />
      {tab === "calls" && (
        <>
          <MyQueues />
          <CallList phoneSystem={extension.phoneSystemId} extension={extension.id} mine />
        </>
      )}
      {tab === "voicemail" && <Voicemails phoneSystem={extension.phoneSystemId} extension={extension.id} mine />}
      {tab === "messages" && <Messages extension={extension} />}
      {tab === "recordings" && <Recordings phoneSystem={extension.phoneSystemId} mine />}
      {tab === "forwarding" && <ForwardingForm key={extension.revision} {...given} />}
      {tab === "devices" && <Devices extension={extension.id} may own />}
      {tab === "settings" && (
        <>
          <VoicemailForm key={extension.revision} {...given} />
          <HotDesk extension={extension} />
          <Greetings extension={extension.id} />
        </>
      )}
    </>
  );
}
