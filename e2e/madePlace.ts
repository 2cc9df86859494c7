import { newId } from "../kernel/ids.ts";

/** Where everything lies that made answers tell of, who has made it, and when. */
export const now = Date.now();
export const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
const organisationId = newId("organisation");
export const projectId = newId("project");
const userId = newId("user");
export const person = { kind: "user", id: userId, name: "Olena Kovalchuk" } as const;
export const place = { organisationId, projectId };
export const shopId = newId("app");
export const brokenId = newId("app");
export const newAppId = newId("app");
export const stoppedId = newId("app");
export const deploymentIds = { failed: newId("deployment"), live: newId("deployment"), building: newId("deployment") };
export const releaseIds = [newId("release"), newId("release"), newId("release")] as const;

export interface Sent {
  key: string;
  params: Record<string, string>;
  query: URLSearchParams;
  body: Buffer;
}

export const operation = {
  id: newId("operation"),
  kind: "apps.app.deploy",
  state: "pending",
  ...place,
  resource: { kind: "deployment", id: deploymentIds.building },
  progress: 0,
  steps: [],
  cancelRequested: false,
  createdBy: person,
  createdAt: ago(0),
  updatedAt: ago(0),
};

export type Answers = Record<string, (request: Sent) => unknown>;

/** Of the cloud itself, and of who is signed in. */
export const placeAnswers: Answers = {
  cloudGet: () => ({
    name: "Khmara",
    version: "0.1.0",
    setupNeeded: false,
    signUpOpen: false,
    currency: "EUR",
    ssh: {
      host: "cloud.example.org",
      port: 2222,
      fingerprint: "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDh0pT8xXj1QJwPq0w",
      hostKey: "ssh-ed25519 AAAA",
    },
    s3: { endpoint: "http://127.0.0.1:9000", region: "khmara" },
  }),
  myExtensionList: () => ({ items: [] }),
  identityGet: () => ({
    principal: person,
    user: {
      id: userId,
      email: "owner@example.org",
      name: person.name,
      locale: "en",
      state: "active",
      totpEnabled: false,
      passkeyCount: 0,
      createdAt: ago(9999),
      revision: 1,
    },
    bindings: [{ id: newId("roleBinding"), principal: person, role: "owner", createdAt: ago(9999) }],
    organisations: [
      {
        id: organisationId,
        name: "Lyceum",
        slug: "home",
        state: "active",
        createdAt: ago(9999),
        revision: 1,
        projects: [{ id: projectId, organisationId, name: "Default", slug: "default", createdAt: ago(9999), revision: 1 }],
      },
    ],
    recoveryCodesLeft: 0,
  }),
  operationList: () => ({ items: [] }),
  quotaList: () => ({ items: [] }),
};
