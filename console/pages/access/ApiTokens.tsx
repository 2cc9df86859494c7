import { Button, Group } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { type Answer, type Item, useApiList, useChange } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { CreateApiToken } from "./CreateApiToken.tsx";
import { useScopeName } from "./scopes.ts";

/** The tokens of the caller, or of a service account. */
export function ApiTokens({ serviceAccount, text }: { serviceAccount?: string; text: string }) {
  const t = useT();
  const scopeName = useScopeName();
  const owner = serviceAccount ? { serviceAccount: serviceAccount as never } : {};
  const tokens = useApiList("apiTokenList", owner);
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<Answer<"apiTokenCreate">>();
  const [revoking, setRevoking] = useState<Item<"apiTokenList">[]>([]);
  const revoke = useChange("apiTokenDelete", { refresh: ["apiTokenList"] });
  const create = (
    <Button leftSection={<IconPlus size={16} stroke={1.8} />} onClick={() => setCreating(true)}>
      {t("access.createToken")}
    </Button>
  );
  return (
    <>
      <Group justify="space-between" mb="md" gap="sm">
        <span style={{ color: "var(--k-muted)", flex: "1 1 280px" }}>{text}</span>
        {create}
      </Group>
      <DataList
        id="api-tokens"
        label={t("access.tokens")}
        list={tokens}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        search={({ name, prefix }) => `${name} ${prefix}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(140px, 1.5fr)",
            sort: ({ name }) => name,
            cell: ({ name }) => name,
          },
          { key: "prefix", header: t("access.beginsWith"), cell: ({ prefix }) => <code>{prefix}…</code> },
          {
            key: "scopes",
            header: t("access.rights"),
            width: "minmax(140px, 1.5fr)",
            cell: ({ scopes }) => scopes.map(scopeName).join(", "),
          },
          {
            key: "expires",
            header: t("access.expires"),
            sort: ({ expiresAt }) => expiresAt,
            cell: ({ expiresAt }) =>
              expiresAt === undefined ? (
                t("ui.never")
              ) : new Date(expiresAt).getTime() < Date.now() ? (
                <StatusBadge tone="off">{t("access.expired")}</StatusBadge>
              ) : (
                <TimeAgo at={expiresAt} />
              ),
          },
          {
            key: "lastUsed",
            header: t("ui.lastUsed"),
            sort: ({ lastUsedAt }) => lastUsedAt,
            cell: ({ lastUsedAt }) => <TimeAgo at={lastUsedAt} never={t("ui.never")} />,
          },
        ]}
        rowActions={(token) => [
          { label: t("access.revokeToken"), icon: IconTrash, danger: true, onClick: () => setRevoking([token]) },
        ]}
        bulkActions={[{ label: t("access.revokeToken"), icon: IconTrash, danger: true, run: setRevoking }]}
        empty={
          <EmptyState
            picture="key"
            title={t("access.noTokens")}
            text={t("access.noTokensText")}
            action={create}
            command={`khmara login --url ${location.origin}`}
          />
        }
      />
      {creating && (
        <CreateApiToken
          {...(serviceAccount ? { serviceAccount } : {})}
          onClose={() => setCreating(false)}
          onMade={(token) => {
            setCreating(false);
            setMade(token);
          }}
        />
      )}
      {made && (
        <SecretOnce
          title={t("access.tokenMade", { name: made.name })}
          text={t("access.tokenOnce")}
          onClose={() => setMade(undefined)}
        >
          <CopyField label={t("access.token")} value={made.token} />
          <CopyField
            multiline
            label={t("access.tryIt")}
            value={`curl -H "Authorization: Bearer ${made.token}" \\\n  ${location.origin}/api/v1/identity`}
          />
        </SecretOnce>
      )}
      <ConfirmDestroy
        opened={revoking.length > 0}
        onClose={() => setRevoking([])}
        title={
          revoking.length === 1
            ? t("access.revokeTokenTitle", { name: revoking[0]?.name ?? "" })
            : t("access.revokeTokens", { count: revoking.length })
        }
        text={t("access.revokeTokenText")}
        action={t("access.revokeToken")}
        onConfirm={async () => {
          for (const { id } of revoking) await revoke.mutateAsync({ apiToken: id });
        }}
      />
    </>
  );
}
