import { Select } from "@mantine/core";
import { useApi } from "../../../api/api.ts";
import { useOrganisation } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";

/** Whose extension it is: a person of the organisation, or nobody's (a room, a door). */
export function MemberSelect({ value, onChange }: { value: string; onChange: (user: string) => void }) {
  const t = useT();
  const organisation = useOrganisation();
  const members = useApi("memberList", { organisation: organisation.id, limit: 200 }).data?.items ?? [];
  return (
    <Select
      label={t("phone.extension.person")}
      description={t("phone.extension.personText")}
      searchable
      limit={60}
      value={value}
      onChange={(user) => onChange(user ?? "")}
      data={[
        { value: "", label: t("phone.extension.nobody") },
        ...members
          .filter(({ principal }) => principal.kind === "user")
          .map(({ principal }) => ({ value: principal.id as string, label: principal.name })),
      ]}
    />
  );
}
