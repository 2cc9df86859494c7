import assert from "node:assert/strict";
import { before, test } from "node:test";
import { roleIncludes, roles } from "../kernel/contract.ts";
import { newId } from "../kernel/ids.ts";
import { appCases } from "./testing/appCases.ts";
import type { Case, Input } from "./testing/authorizationCase.ts";
import { as, begin, newServiceAccount, ownerId, request, routes } from "./testing/authorizationWalk.ts";
import { backupCases } from "./testing/backupCases.ts";
import { computeCases } from "./testing/computeCases.ts";
import { databaseCases } from "./testing/databaseCases.ts";
import { identityCases, spares } from "./testing/identityCases.ts";
import { objectCases } from "./testing/objectCases.ts";
import { voiceCases, voiceForeignThings, voicePublicRoutes } from "./testing/voiceCases.ts";
import { voiceElementCases, voiceElementForeignThings } from "./testing/voiceElementCases.ts";
import { voiceLiveCases, voiceLiveForeignThings } from "./testing/voiceLiveCases.ts";

/** Whoever makes a route public says so here too. */
const publicRoutes = [
  "cloudGet",
  "setupComplete",
  "signUpCreate",
  "sessionCreate",
  "passkeyChallengeCreate",
  "passwordResetComplete",
  "invitationInspect",
  "invitationAccept",
  "sharedObjectGet",
  "sharedObjectDownload",
  ...voicePublicRoutes,
];

before(begin);

const cases: Record<string, Case> = {
  ...identityCases,
  ...objectCases,
  ...backupCases(),
  ...computeCases,
  ...appCases,
  ...databaseCases,
  ...voiceCases(),
  ...voiceElementCases(),
  ...voiceLiveCases(),
};

test("every route has its case, and every public one is named as such", () => {
  const special = (key: string) => routes[key]?.permission === "public" || routes[key]?.permission === "self";
  assert.deepEqual(
    Object.keys(routes).filter((key) => !special(key) && !cases[key]),
    [],
    "routes without a case",
  );
  assert.deepEqual(
    Object.keys(cases).filter((key) => !routes[key]),
    [],
    "cases without a route",
  );
  assert.deepEqual(
    Object.keys(routes)
      .filter((key) => routes[key]?.permission === "public")
      .sort(),
    publicRoutes.sort(),
  );
});

/**
 * Every route of every contract is called by a stranger to the cloud (401), by an owner of another organisation (404), by a member
 * whose role is too low (403), and by the owner (2xx), each time with the same valid input. A route without a case fails.
 */
for (const [key, route] of Object.entries(routes)) {
  if (route.permission === "public" || !cases[key]) continue;
  const { input, atCloud, ownerStatus, foreignStatus: known } = cases[key] as Case;
  test(`${key}: ${route.permission}`, async () => {
    const given = await input();
    assert.equal((await request(key, undefined, given)).statusCode, 401, "anonymous");
    assert.equal((await request(key, "khm_wrong", given)).statusCode, 401, "a token that is none");
    const foreign = await request(key, "stranger", given);
    const foreignStatus = known ?? (atCloud && !given.params ? 403 : 404);
    assert.equal(foreign.statusCode, foreignStatus, `the owner of another organisation: ${foreign.body}`);
    const tooLow = roles.find((role) => role !== "owner" && !route.roles?.some((lowest) => roleIncludes[role].includes(lowest)));
    const member = atCloud ? "admin" : spares.includes(given.params?.["organisation"] as string) ? "viewer" : tooLow;
    if (member) {
      const low = await request(key, member, given);
      assert.equal(low.statusCode, 403, `${member}: ${low.body}`);
    } else
      assert.ok(
        roles.every((role) => route.roles?.some((lowest) => roleIncludes[role].includes(lowest))),
        "every member may do it",
      );
    const owner = await request(key, "owner", given);
    if (route.stream?.response === "events") owner.stream().destroy();
    assert.ok(
      ownerStatus ? owner.statusCode === ownerStatus : owner.statusCode < 300,
      `the owner: ${owner.statusCode} ${route.stream?.response ? "" : owner.body}`,
    );
  });
}

/** What is one's own: only signed in, and never another's. */
const foreignThings: Record<string, Input> = {
  ...voiceForeignThings,
  ...voiceElementForeignThings,
  ...voiceLiveForeignThings,
  sessionDelete: { params: { session: newId("session") } },
  passkeyUpdate: { params: { passkey: newId("passkey") }, body: { name: "x" } },
  passkeyDelete: { params: { passkey: newId("passkey") } },
  personSshKeyDelete: { params: { personSshKey: newId("personSshKey") } },
  apiTokenDelete: { params: { apiToken: newId("apiToken") } },
};
for (const [key, route] of Object.entries(routes)) {
  if (route.permission !== "self") continue;
  test(`${key}: only signed in`, async () => {
    assert.equal((await request(key, undefined, foreignThings[key] ?? { body: {} })).statusCode, 401);
    const foreign = foreignThings[key];
    if (foreign) assert.equal((await request(key, "stranger", foreign)).statusCode, 404);
    else assert.ok(Object.keys(route.params?.shape ?? {}).length === 0, "a route with a parameter needs a foreign thing to try");
  });
}

test("another's token cannot be revoked, nor that of another's service account", async () => {
  const mine = (await as("owner", "apiTokenList", {}))["items"];
  for (const { id } of mine)
    assert.equal((await request("apiTokenDelete", "stranger", { params: { apiToken: id } })).statusCode, 404);
  const serviceAccount = await newServiceAccount();
  assert.equal((await request("apiTokenCreate", "stranger", { body: { name: "x", serviceAccount } })).statusCode, 404);
  assert.equal((await request("apiTokenList", "stranger", { query: { serviceAccount } })).statusCode, 404);
  assert.ok(ownerId);
});

test("the cloud's own audit entries are for those who administer it", async () => {
  assert.equal((await request("auditEntryList", "admin", {})).statusCode, 403);
  const { items } = await as("owner", "auditEntryList", { query: { limit: 1000 } });
  assert.ok(items.length > 0 && items.every((entry: { organisationId?: string }) => entry.organisationId === undefined));
});
