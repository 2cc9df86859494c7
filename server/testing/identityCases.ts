import type { Case } from "./authorizationCase.ts";
import {
  as,
  bucket,
  newObject,
  newProject,
  newServiceAccount,
  newUser,
  organisation,
  project,
  unique,
} from "./authorizationWalk.ts";

const newAccessKey = async () => (await as("owner", "accessKeyCreate", { body: { project } }))["id"];
const anOperation = async () =>
  (await as("owner", "objectTrash", { params: { bucket }, body: { keys: [await newObject()] } }))["id"];
const period = () => ({ organisation, from: new Date(Date.now() - 86_400_000).toISOString(), to: new Date().toISOString() });
const inOrganisation = { input: () => ({ params: { organisation } }) };

/** Organisations that the owner made for one case each. */
export const spares: string[] = [];
/** One with a viewer of the walked members, so that a too low role can be tried there as well. */
async function spareOrganisation(): Promise<string> {
  const spare = (await as("owner", "organisationCreate", { body: { name: unique("Spare") } }))["id"];
  const viewer = (await as("viewer", "identityGet", {}))["principal"];
  await as("owner", "roleBindingCreate", { body: { organisation: spare, principal: viewer.id, role: "viewer" } });
  spares.push(spare);
  return spare;
}

/** Of identity, operations, events, usage and the audit log. */
export const identityCases: Record<string, Case> = {
  cloudUpdate: { atCloud: true, input: () => ({ body: { name: "Cloud" } }) },
  userList: { atCloud: true, input: () => ({}) },
  userGet: { atCloud: true, input: async () => ({ params: { user: await newUser() } }) },
  userSuspend: { atCloud: true, input: async () => ({ params: { user: await newUser() }, body: { reason: "A test." } }) },
  userResume: {
    atCloud: true,
    input: async () => {
      const user = await newUser();
      await as("owner", "userSuspend", { params: { user }, body: { reason: "A test." } });
      return { params: { user }, body: {} };
    },
  },
  passwordResetCreate: { atCloud: true, input: async () => ({ params: { user: await newUser() }, body: {} }) },
  organisationCreate: { atCloud: true, input: () => ({ body: { name: unique("Organisation") } }) },
  organisationGet: inOrganisation,
  organisationUpdate: { input: () => ({ params: { organisation }, body: { name: "Walked again" } }) },
  organisationSuspend: {
    input: async () => ({ params: { organisation: await spareOrganisation() }, body: { reason: "A test." } }),
  },
  organisationResume: {
    input: async () => {
      const spare = await spareOrganisation();
      await as("owner", "organisationSuspend", { params: { organisation: spare }, body: { reason: "A test." } });
      return { params: { organisation: spare }, body: {} };
    },
  },
  organisationDelete: { input: async () => ({ params: { organisation: await spareOrganisation() } }) },
  projectList: { input: () => ({ query: { organisation } }) },
  projectCreate: { input: () => ({ body: { organisation, name: unique("project") } }) },
  projectGet: { input: () => ({ params: { project } }) },
  projectUpdate: { input: () => ({ params: { project }, body: { name: "Walked" } }) },
  projectDelete: { input: async () => ({ params: { project: await newProject() } }) },
  memberList: inOrganisation,
  memberDelete: { input: async () => ({ params: { organisation, principal: await newUser() } }) },
  roleBindingList: { input: () => ({ query: { organisation } }) },
  roleBindingCreate: { input: async () => ({ body: { organisation, principal: await newUser(), role: "editor" } }) },
  roleBindingDelete: {
    input: async () => {
      const binding = await as("owner", "roleBindingCreate", {
        body: { organisation, principal: await newUser(), role: "editor" },
      });
      return { params: { roleBinding: binding["id"] } };
    },
  },
  invitationList: { input: () => ({ query: { organisation } }) },
  invitationCreate: { input: () => ({ body: { organisation, email: `${unique("guest")}@example.org`, role: "viewer" } }) },
  invitationDelete: {
    input: async () => {
      const invitation = await as("owner", "invitationCreate", {
        body: { organisation, email: `${unique("guest")}@example.org`, role: "viewer" },
      });
      return { params: { invitation: invitation["id"] } };
    },
  },
  serviceAccountList: { input: () => ({ query: { organisation } }) },
  serviceAccountCreate: { input: () => ({ body: { organisation, name: unique("robot") } }) },
  serviceAccountUpdate: {
    input: async () => ({ params: { serviceAccount: await newServiceAccount() }, body: { description: "Walks." } }),
  },
  serviceAccountDelete: { input: async () => ({ params: { serviceAccount: await newServiceAccount() } }) },
  accessKeyList: { input: () => ({ query: { project } }) },
  accessKeyCreate: { input: () => ({ body: { project } }) },
  accessKeyUpdate: { input: async () => ({ params: { accessKey: await newAccessKey() }, body: { enabled: false } }) },
  accessKeyDelete: { input: async () => ({ params: { accessKey: await newAccessKey() } }) },
  quotaList: { input: () => ({ query: { organisation } }) },
  quotaUpdate: { input: () => ({ body: { organisation, name: "objects.buckets", limit: 500 } }) },

  operationList: { input: () => ({ query: { organisation } }) },
  operationGet: { input: async () => ({ params: { operation: await anOperation() } }) },
  operationWait: { input: async () => ({ params: { operation: await anOperation() } }) },
  // It is over before it can be cancelled; that the owner may ask is seen in the 409.
  operationCancel: {
    ownerStatus: 409,
    input: async () => {
      const operation = await anOperation();
      await as("owner", "operationWait", { params: { operation } });
      return { params: { operation } };
    },
  },
  eventWatch: { input: () => ({ query: { organisation } }) },
  usageRecordList: { input: () => ({ query: period() }) },
  usageSummarize: { input: () => ({ query: { ...period(), step: "hour" } }) },
  auditEntryList: { input: () => ({ query: { organisation } }) },
  auditVerify: { input: () => ({ body: { organisation } }) },
};
