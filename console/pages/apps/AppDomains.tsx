import { Anchor, Button, Group, Select, TextInput } from "@mantine/core";
import { IconPlus, IconRefresh, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import type { Domain } from "../../../services/apps/routing/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyButton } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { RowMenu } from "../../ui/list/ListRow.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./apps.module.css";
import { certificateTones } from "./words.ts";

const refresh = () => invalidate(queries, ["domainList", "appGet", "appList"]);

/** Names of one's own: what the DNS must say, whether it does, and the certificate. */
export default function AppDomains({ app, may }: AppTabProps) {
  const t = useT();
  const domains = useApiList("domainList", { app: app.id });
  const [adding, setAdding] = useAddressFlag("new");
  const [removing, setRemoving] = useState<Domain>();
  const [checking, setChecking] = useState<string>();
  const own = ownHost(app, domains.rows ?? []);
  const check = (domain: Domain) => {
    setChecking(domain.id);
    callApi("domainCheck", { domain: domain.id } as never)
      .then((checked) => {
        toastDone(checked.problem ?? t("apps.domains.leadsHere", { host: checked.host }));
        return refresh();
      })
      .catch(toastError)
      .finally(() => setChecking(undefined));
  };
  const add = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
      {t("apps.domains.add")}
    </Button>
  ) : undefined;
  return (
    <>
      {domains.rows?.length === 0 ? (
        <EmptyState
          picture="network"
          title={t("apps.domains.empty")}
          text={t("apps.domains.emptyText", { address: own })}
          action={add}
          command={may ? `khmara domain add ${app.name} www.example.com` : undefined}
        />
      ) : (
        <Section title={t("apps.tab.domains")} text={t("apps.domains.text", { address: own })} actions={add} flush>
          <ul className={css.domains}>
            {domains.rows?.map((domain) => (
              <li key={domain.id} className={css.domain}>
                <div className={css.domainHead}>
                  <div className={css.domainName}>
                    <Anchor href={`https://${domain.host}`} target="_blank" rel="noreferrer">
                      {domain.host}
                    </Anchor>
                    {domain.redirectTo && <small>{t("apps.domains.redirects", { to: domain.redirectTo })}</small>}
                  </div>
                  <StatusBadge tone={domain.problem || !domain.active ? "warn" : domain.checkedAt ? "good" : "off"}>
                    {t(
                      !domain.active
                        ? "apps.domains.unproven"
                        : domain.problem
                          ? "apps.domains.notHere"
                          : domain.checkedAt
                            ? "apps.domains.here"
                            : "apps.domains.unchecked",
                    )}
                  </StatusBadge>
                  <Certificate domain={domain} />
                  {may && (
                    <div className={css.domainMenu}>
                      <RowMenu
                        name={domain.host}
                        actions={[
                          { label: t("apps.domains.check"), icon: IconRefresh, onClick: () => check(domain) },
                          { label: t("apps.domains.remove"), icon: IconTrash, danger: true, onClick: () => setRemoving(domain) },
                        ]}
                      />
                    </div>
                  )}
                </div>
                {(domain.problem || domain.challenge || domain.certificate.problem) && (
                  <div className={css.domainTrouble}>
                    <p>{domain.problem ?? domain.certificate.problem ?? t("apps.domains.addText")}</p>
                    {(domain.problem || domain.challenge) && (
                      <DnsRecord own={own} host={domain.host} challenge={domain.challenge} />
                    )}
                    {may && (
                      <Group gap="sm">
                        <Button
                          size="xs"
                          variant="default"
                          leftSection={<IconRefresh size={14} aria-hidden />}
                          loading={checking === domain.id}
                          onClick={() => check(domain)}
                        >
                          {t("apps.domains.check")}
                        </Button>
                        <span className={css.note}>
                          {t("apps.domains.checked")} <TimeAgo at={domain.checkedAt} never={t("ui.never")} />
                        </span>
                      </Group>
                    )}
                  </div>
                )}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {adding && may && <Add app={app} domains={domains.rows ?? []} onClose={() => setAdding(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.domains.removeTitle", { host: removing.host })}
          destroyed={[t("apps.domains.removeText", { host: removing.host })]}
          kept={[t("apps.domains.removeKept")]}
          action={t("apps.domains.remove")}
          onConfirm={async () => {
            await callApi("domainDelete", { domain: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

/** The name that an app has without any domain of its own. */
const ownHost = (app: App, domains: readonly Domain[]): string =>
  app.hosts.find((host) => domains.every((domain) => domain.host !== host)) ?? new URL(app.url).hostname;

function Certificate({ domain: { certificate } }: { domain: Domain }) {
  const t = useT();
  const format = useFormat();
  const until = certificate.expiresAt && t("apps.certificate.until", { date: format.date(certificate.expiresAt) });
  return (
    <span
      className={css.certificate}
      title={[certificate.issuer, until, certificate.problem].filter(Boolean).join(" · ") || undefined}
    >
      <StatusBadge tone={certificateTones[certificate.state]}>{t(`apps.certificate.${certificate.state}`)}</StatusBadge>
      {certificate.state === "issued" && until && <small>{until}</small>}
    </span>
  );
}

/** What to write at the registrar; a domain without a name before it can have no CNAME (RFC 1034, 3.6.2). */
function DnsRecord({ own, host, challenge }: { own: string; host: string; challenge?: Domain["challenge"] }) {
  const t = useT();
  const engine = useApi("appEngineGet", {}, { staleTime: 30_000 }).data;
  const here = location.hostname;
  const bare = host.split(".").length <= 2;
  const canAlias = !bare && engine !== undefined && engine.appsDomain !== "localhost" && own.endsWith(`.${engine.appsDomain}`);
  const isIpv4 = /^\d+(\.\d+){3}$/.test(here);
  const value = canAlias ? own : isIpv4 && here !== "127.0.0.1" ? here : t("apps.dns.yourAddress");
  return (
    <>
      <Entry
        type={canAlias ? "CNAME" : "A"}
        name={host}
        {...(value === t("apps.dns.yourAddress") ? { said: value } : { value })}
      />
      {challenge && (
        <>
          <p>{t("apps.dns.prove")}</p>
          <Entry type="TXT" name={challenge.name} value={challenge.value} />
        </>
      )}
      <p className={css.note}>{t("apps.dns.wait")}</p>
    </>
  );
}

/** One line at the registrar. `said`: in words, as it is not known here. */
function Entry({ type, name, value, said }: { type: string; name: string; value?: string; said?: string }) {
  const t = useT();
  return (
    <dl className={css.dns} aria-label={t("apps.dns.record")}>
      <div>
        <dt>{t("apps.dns.type")}</dt>
        <dd>
          <code>{type}</code>
        </dd>
      </div>
      <div>
        <dt>{t("apps.dns.name")}</dt>
        <dd>
          <code>{name}</code>
          <CopyButton value={name} />
        </dd>
      </div>
      <div>
        <dt>{t("apps.dns.value")}</dt>
        <dd>
          {value === undefined ? said : <code>{value}</code>}
          {value !== undefined && <CopyButton value={value} />}
        </dd>
      </div>
    </dl>
  );
}

function Add({ app, domains, onClose }: { app: App; domains: Domain[]; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { host: "", redirectTo: "" },
    checks: {
      host: (host) =>
        /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(host.trim())
          ? undefined
          : t("apps.domains.rules"),
    },
    submit: async () => {
      await callApi("domainAdd", { app: app.id, ...request });
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const host = values.host.trim().toLowerCase();
  const request = { host, ...(values.redirectTo ? { redirectTo: values.redirectTo } : {}) };
  const targets = domains
    .filter(({ redirectTo, host: name }) => redirectTo === undefined && !name.startsWith("*."))
    .map((one) => one.host);
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("apps.domains.add")}
      text={t("apps.domains.addText")}
      form={form}
      action={t("apps.domains.add")}
      hint={<ApiHint route="domainAdd" args={{ app: app.id, ...request }} />}
    >
      <TextInput
        label={t("apps.domains.host")}
        placeholder="www.example.com"
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        {...form.field("host")}
      />
      {targets.length > 0 && (
        <Select
          label={t("apps.domains.redirectTo")}
          description={t("apps.domains.redirectText")}
          placeholder={t("apps.domains.noRedirect")}
          clearable
          clearButtonProps={{ "aria-label": t("ui.clear") }}
          data={targets}
          value={values.redirectTo || null}
          onChange={(value) => form.set("redirectTo", value ?? "")}
        />
      )}
      {host.includes(".") && !host.startsWith("*.") && <DnsRecord own={ownHost(app, domains)} host={host} />}
    </FormDialog>
  );
}
