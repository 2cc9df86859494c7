import { IconUser, IconUsers } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { servicePages } from "../../frame/registry.ts";

const areas = ["people"] as const;

export default servicePages({
  pages: [
    { scope: "organisation", path: "people", title: "people.title", load: () => import("./MembersPage.tsx"), areas },
    {
      scope: "organisation",
      path: "people/invitations",
      title: "people.invitations",
      load: () => import("./InvitationsPage.tsx"),
      areas,
    },
    {
      scope: "organisation",
      path: "people/service-accounts",
      title: "people.serviceAccounts",
      load: () => import("./ServiceAccountsPage.tsx"),
      areas: ["people", "access"],
    },
    {
      scope: "organisation",
      path: "people/service-accounts/$account",
      title: "people.serviceAccounts",
      load: () => import("./ServiceAccountPage.tsx"),
      areas: ["people", "access"],
    },
  ],
  navigation: [
    {
      section: "organisation",
      order: 30,
      label: "frame.nav.people",
      icon: IconUsers,
      scope: "organisation",
      path: "people",
      requires: "viewer",
    },
  ],
  events: {
    "identity.member.changed": ["memberList", "invitationList", "roleBindingList", "serviceAccountList", "identityGet"],
    "identity.organisation.changed": ["identityGet", "organisationList", "organisationGet"],
    "identity.project.changed": ["identityGet", "projectList", "projectGet"],
    "identity.credential.changed": ["accessKeyList", "apiTokenList", "passkeyList", "sessionList"],
  },
  search: async (words, { organisation, address }) => {
    if (organisation === undefined) return [];
    const { items } = await callApi("memberList", { organisation: organisation.id as never, search: words, limit: 8 });
    return items.map(({ principal }) => ({
      id: principal.id,
      label: principal.name,
      ...(principal.email ? { description: principal.email } : {}),
      icon: IconUser,
      to: `${address("organisation", "people")}?member=${principal.id}`,
    }));
  },
});
