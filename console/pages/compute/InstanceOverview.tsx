import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCloud, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { periodOf } from "../usage/period.ts";
import css from "./compute.module.css";
import type { InstanceTabProps } from "./InstancePage.tsx";
import { RecentActivity } from "./RecentActivity.tsx";
import { hoursPerMonth } from "./words.ts";

const cent = 0.01;

/** Is it well, what does it use, what does it cost, how is it reached, what happened last. */
export function InstanceOverview({ instance, here, may }: InstanceTabProps) {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const currency = useCloud()?.currency ?? "EUR";
  const sizes = useApiList("sizeList", { retired: "true" } as never);
  const price = Number(sizes.rows?.find(({ id }) => id === instance.sizeId)?.pricePerHour ?? 0);
  const period = useMemo(() => periodOf("month", new Date()), []);
  const usage = useApi("usageSummarize", {
    organisation: organisation.id,
    project: project.id,
    from: period.from.toISOString(),
    to: period.to.toISOString(),
    step: "day",
  });
  const seconds =
    Number(
      usage.data?.byResource.find(({ meter, resource }) => meter === "compute.vcpus" && resource.id === instance.id)?.total ?? 0,
    ) / instance.vcpus;
  const cost = (price * seconds) / 3600;
  const address = instance.ports.find(({ floatingAddress }) => floatingAddress)?.floatingAddress;
  const number = (label: string, value: string, note?: string) => (
    <div className={css.number}>
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
  return (
    <>
      <dl className={css.numbers}>
        {number(
          t("compute.size"),
          instance.sizeName,
          t("compute.capacity", {
            vcpus: instance.vcpus,
            memory: format.memory(instance.memoryBytes),
            disk: format.memory(instance.diskBytes),
          }),
        )}
        {number(
          t("compute.overview.price"),
          t("compute.perHour", { price: format.money(price, currency) }),
          t("compute.perMonth", { price: format.money(price * hoursPerMonth, currency) }),
        )}
        {number(
          t("compute.overview.thisMonth"),
          cost > 0 && cost < cent ? `< ${format.money(cent, currency)}` : format.money(Math.round(cost / cent) * cent, currency),
          t("compute.overview.ran", { time: format.duration(seconds * 1000) }),
        )}
        {number(
          t("compute.overview.runsSince"),
          instance.startedAt && instance.state === "running" ? format.timeAgo(instance.startedAt) : "–",
          t("compute.overview.created", { at: format.dateTime(instance.createdAt) }),
        )}
      </dl>
      <div className={css.overview}>
        <div>
          <Section
            title={t("compute.overview.reach")}
            text={address ? t("compute.overview.reachText") : t("compute.overview.reachPrivate")}
          >
            <div style={{ display: "grid", gridTemplateColumns: "minmax(0, 1fr)", gap: 12 }}>
              {address && <CopyField label={t("compute.overview.floating")} value={address} />}
              <CopyField label={t("compute.overview.khmaraSsh")} value={`khmara ssh ${instance.name}`} />
              {address && <CopyField label="SSH" value={`ssh root@${address}`} />}
              {instance.ports.map((port) => (
                <CopyField key={port.id} label={t("compute.overview.private", { network: port.networkName })} value={port.ipv4} />
              ))}
              {!address && may && (
                <p className={css.note}>
                  <Anchor component={Link} to={`${here}/network`} size="sm">
                    {t("compute.overview.giveAddress")}
                  </Anchor>
                </p>
              )}
            </div>
          </Section>
          <Section title={t("compute.overview.facts")}>
            <Facts
              items={[
                [
                  t("compute.image"),
                  instance.imageId ? (
                    <Anchor component={Link} size="sm" to={projectAddress(organisation.slug, project.slug, "images")} key="image">
                      {instance.imageName}
                    </Anchor>
                  ) : (
                    instance.imageName
                  ),
                ],
                [t("compute.kind"), t(`compute.kind.${instance.kind}`)],
                ...(instance.member ? [[t("compute.member"), instance.member] as [string, string]] : []),
                [t("compute.autoRestart"), t(instance.autoRestart ? "compute.on" : "compute.off")],
                [t("compute.protected"), t(instance.protected ? "compute.on" : "compute.off")],
                [
                  t("compute.labels"),
                  Object.entries(instance.labels)
                    .map(([key, value]) => (value ? `${key}=${value}` : key))
                    .join(", ") || "–",
                ],
                [t("ui.created"), <TimeAgo key="created" at={instance.createdAt} />],
                [t("compute.id"), <CopyField key="id" value={instance.id} />],
              ]}
            />
          </Section>
        </div>
        <RecentActivity instance={instance} here={here} />
      </div>
    </>
  );
}
