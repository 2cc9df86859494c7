import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Secret, TOTP } from "otpauth";
import type { Page } from "playwright-core";
import { eventually } from "../testing/launcher.ts";
import { shown, signIn, TestBrowser } from "./browser.ts";
import { exec, newCloud } from "./cloud.ts";

/** A new cloud from its first person on: accounts, second factors, colleagues, keys. The tests follow each other. */
const cloud = await newCloud({ owned: false });
const browser = await TestBrowser.start({ story: true });
// A name, since passkeys cannot belong to a number.
const url = `http://localhost:${cloud.port}`;
const olena = { name: "Olena Koval", email: "olena@lyceum.example", password: "three unrelated words: kite, salt, drum" };
const taras = { name: "Тарас Мельник", email: "taras@lyceum.example", password: "another long password of his" };
const newPassword = "what Taras thought of next";

let page: Page;
let colleague: Page;
let totp: TOTP;
let recoveryCodes: string[];

before(() => cloud.start());
after(async () => {
  await browser.close();
  await cloud.remove();
});

const here = (address: string) => address.replace(cloud.url, url);
const dialog = (name: string | RegExp, on = page) => on.getByRole("dialog", { name });
const alert = (on = page) => on.getByRole("alert");
const navigation = (on = page) => on.getByRole("navigation", { name: "Main navigation" });
const place = (on = page) => on.getByRole("button", { name: "Organisation: Lyceum No. 7" });
/** What a field with a copy button shows. */
const copyField = (label: string, on = page) =>
  on.getByText(label, { exact: true }).locator("xpath=following-sibling::div//code");
const textOf = async (label: string, on = page) => ((await copyField(label, on).textContent()) ?? "").trim();

async function personMenu(item: string, on = page) {
  await on.getByRole("button", { name: /^Account of/ }).click();
  await on.getByRole("menuitem", { name: item }).click();
}
async function signOut(on = page) {
  await personMenu("Sign out", on);
  await on.getByRole("heading", { name: "Sign in" }).waitFor();
}

test("the first person becomes the owner by the link that khmara up prints", async () => {
  const link = await eventually(
    () => /Become its owner: (\S+)/.exec(cloud.output)?.[1],
    (found) => found !== undefined,
  );
  page = await browser.visit({ url });
  await page.goto("/");
  await page.getByText("Open the whole link that khmara up printed").waitFor();
  await page.goto(here(link as string));
  await page.reload();
  await page.getByLabel("Your name").fill(olena.name);
  await page.getByLabel("E-mail").fill(olena.email);
  await page.getByLabel("Password", { exact: true }).fill("too short");
  await page.getByLabel("Organisation").fill("Lyceum No. 7");
  await page.getByRole("button", { name: "Start the cloud" }).click();
  await page.getByText("A password needs at least 12 characters").waitFor();
  await page.getByLabel("Password", { exact: true }).fill(olena.password);
  await page.getByRole("button", { name: "Start the cloud" }).click();
  await place().waitFor();

  const second = await browser.visit({ url });
  await second.goto(here(link as string));
  await second.getByRole("heading", { name: "Sign in" }).waitFor();
  await second.context().close();
});

test("signing in says clearly what is wrong, and not which of both", async () => {
  await signOut();
  await signIn(page, { ...olena, password: "not her password at all" });
  await alert().getByText("E-mail or password is wrong.").waitFor();
  await signIn(page, { email: "nobody@lyceum.example", password: olena.password });
  await eventually(() => page.getByRole("button", { name: "Sign in", exact: true }).isEnabled(), Boolean);
  await alert().getByText("E-mail or password is wrong.").waitFor();
  await signIn(page, olena);
  await place().waitFor();
});

test("an authenticator app is a second step; a recovery code replaces it once", async () => {
  await personMenu("Security");
  await page.getByRole("button", { name: "Set up" }).click();
  await dialog("Add an authenticator app").getByLabel("Current password").fill(olena.password);
  await dialog("Add an authenticator app").getByRole("button", { name: "Continue" }).click();
  await page.getByRole("img", { name: "QR code for the authenticator app" }).waitFor();
  totp = new TOTP({ secret: Secret.fromBase32(await textOf("Or type this key into it")) });
  await page.getByLabel("Code from the app").fill(totp.generate());
  await page.getByRole("button", { name: "Turn on" }).click();
  await dialog("Recovery codes").getByRole("listitem").last().waitFor();
  recoveryCodes = await dialog("Recovery codes").getByRole("listitem").allTextContents();
  assert.equal(recoveryCodes.length, 10);
  await dialog("Recovery codes").getByRole("button", { name: "Done" }).click();
  await page.getByText("10 codes left").waitFor();

  await signOut();
  await signIn(page, olena);
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await page.getByLabel("Code").fill("000000");
  await page.getByText("This code is wrong or has expired").waitFor();
  // The code that turned it on is used up; the next one is let through for clocks that are ahead.
  await page.getByLabel("Code").fill(totp.generate({ timestamp: Date.now() + 30_000 }));
  await place().waitFor();

  await signOut();
  await signIn(page, olena);
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(recoveryCodes[0] as string);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await place().waitFor();
  await personMenu("Security");
  await page.getByText("9 codes left").waitFor();
});

test("a passkey signs in without a password", async () => {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.getByRole("button", { name: "Add passkey" }).click();
  await dialog("Add passkey").getByLabel("Name").fill("Laptop of the office");
  await dialog("Add passkey").getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Actions for Laptop of the office" }).waitFor();
  await signOut();
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await place().waitFor();
});

test("a colleague joins by a link", async () => {
  await navigation().getByRole("link", { name: "People" }).click();
  await page.getByRole("link", { name: "Invite" }).click();
  await dialog("Invite a person").getByLabel("E-mail").fill(taras.email);
  await dialog("Invite a person").getByRole("button", { name: "Make link" }).click();
  const link = await textOf("Link");
  await page.getByRole("button", { name: "Done" }).click();
  await page
    .getByRole("row", { name: new RegExp(taras.email) })
    .getByText("Pending")
    .waitFor();

  colleague = await browser.visit({ url });
  await colleague.goto(here(link));
  await colleague.getByText("Olena Koval invites you to Lyceum No. 7. Role: Editor.").waitFor();
  await colleague.getByLabel("Your name").fill(taras.name);
  await colleague.getByLabel("Password", { exact: true }).fill(taras.password);
  await colleague.getByRole("button", { name: "Accept invitation" }).click();
  await place(colleague).waitFor();
  // Where the invitation stands is told to the one who made it, without a reload.
  await page
    .getByRole("row", { name: new RegExp(taras.email) })
    .getByText("Accepted")
    .waitFor();
  const late = await browser.visit({ url });
  await late.goto(here(link));
  await late.getByText("This invitation was used, revoked or has expired").waitFor();
  await late.context().close();
});

test("a role is changed, and whoever has it sees it at once", async () => {
  await navigation(colleague).getByRole("link", { name: "Buckets" }).click();
  await colleague.getByRole("button", { name: "Create bucket" }).first().waitFor();
  await page.getByRole("link", { name: "Members" }).click();
  await page.getByRole("button", { name: `Actions for ${taras.name}` }).click();
  await page.getByRole("menuitem", { name: "Change roles" }).click();
  await dialog("Roles").getByRole("combobox", { name: "Role in The whole organisation" }).click();
  await page.getByRole("option", { name: "Viewer" }).click();
  await page.getByText(`${taras.name}: now Viewer`).waitFor();
  await dialog("Roles").getByRole("button", { name: "Close" }).click();
  await page
    .getByRole("row", { name: new RegExp(taras.name) })
    .getByText("Viewer")
    .waitFor();
  await colleague.getByRole("button", { name: "Create bucket" }).first().waitFor({ state: "detached" });
});

test("sessions are listed, and one is ended from another", async () => {
  const elsewhere = await browser.visit({ url });
  await elsewhere.goto("/sign-in");
  await signIn(elsewhere, olena);
  await elsewhere.getByLabel("Code").fill(totp.generate({ timestamp: Date.now() + 30_000 }));
  // The code of this half minute may have been used above: then a recovery code, as a person would.
  const inside = place(elsewhere);
  const refused = elsewhere.getByText("This code is wrong or has expired");
  await inside.or(refused).first().waitFor();
  if (await refused.isVisible()) {
    await elsewhere.getByRole("button", { name: "Use a recovery code" }).click();
    await elsewhere.getByLabel("Recovery code").fill(recoveryCodes[1] as string);
    await elsewhere.getByRole("button", { name: "Sign in", exact: true }).click();
    await inside.waitFor();
  }
  await personMenu("Security");
  await page.getByText("This one").waitFor();
  await page.getByRole("button", { name: "End", exact: true }).click();
  await page.getByRole("button", { name: "End", exact: true }).waitFor({ state: "detached" });
  await navigation(elsewhere).getByRole("link", { name: "People" }).click();
  await elsewhere.getByText("Your session is over").waitFor();
  await elsewhere.context().close();
});

test("an S3 key made in the console works with aws, until it is disabled", async () => {
  await navigation().getByRole("link", { name: "Access keys" }).click();
  await page.getByRole("button", { name: "New access key" }).first().click();
  await dialog("New access key").getByLabel("Name").fill("Backup of the office");
  await dialog("New access key").getByRole("button", { name: "Create key" }).click();
  const made = dialog("Backup of the office is ready");
  await made.getByRole("button", { name: "Show" }).click();
  const env = {
    AWS_ACCESS_KEY_ID: await textOf("Access key id"),
    AWS_SECRET_ACCESS_KEY: await textOf("Secret access key"),
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  await made.getByRole("button", { name: "Done" }).click();
  const aws = (...args: string[]) => exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], { env });
  await aws("s3", "mb", "s3://office-backup");
  assert.match(await aws("s3", "ls"), /office-backup/);
  await page.getByRole("button", { name: "Actions for Backup of the office" }).click();
  await page.getByRole("menuitem", { name: "Disable" }).click();
  await page.getByText("Backup of the office is disabled").waitFor();
  await assert.rejects(aws("s3", "ls"), /InvalidAccessKeyId|AccessDenied/);
});

test("an API token is shown once, works, and is revoked", async () => {
  await personMenu("Profile");
  await page.getByRole("link", { name: "API tokens" }).click();
  await page.getByRole("button", { name: "New API token" }).first().click();
  await dialog("New API token").getByLabel("Name").fill("Timetable script");
  await dialog("New API token").getByRole("button", { name: "Create token" }).click();
  const token = await textOf("Token");
  await dialog("Timetable script is ready").getByRole("button", { name: "Done" }).click();
  await page.reload();
  await page.getByRole("row", { name: /Timetable script/ }).waitFor();
  assert.ok(!(await page.content()).includes(token));
  const ask = () => fetch(`${cloud.url}/api/v1/identity`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await ask()).status, 200);
  await page.getByRole("button", { name: "Actions for Timetable script" }).click();
  await page.getByRole("menuitem", { name: "Revoke" }).click();
  await dialog("Revoke Timetable script?").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("No API tokens yet").waitFor();
  assert.equal((await ask()).status, 401);
});

test("a second project is made and left again by the switcher", async () => {
  await page.goto("/");
  await page.getByRole("button", { name: "Project: Default" }).click();
  await page.getByRole("menuitem", { name: "New project" }).click();
  await dialog("New project").getByLabel("Name").fill("School website");
  await dialog("New project").getByRole("button", { name: "Create project" }).click();
  await page.getByRole("button", { name: "Project: School website" }).waitFor();
  await navigation().getByRole("link", { name: "Buckets" }).click();
  await page.getByText("Make your first bucket").waitFor();
  await page.getByRole("button", { name: "Project: School website" }).click();
  await page.getByRole("menuitem", { name: "Default" }).click();
  await page.getByRole("button", { name: "Project: Default" }).waitFor();
});

test("the palette finds pages and things by the keyboard alone", async () => {
  await page.keyboard.press("Control+k");
  const search = page.getByRole("textbox", { name: "Search pages, resources and actions" });
  await search.fill("office-b");
  await page.getByRole("dialog").getByText("office-backup").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "office-backup" }).waitFor();
  await page.keyboard.press("Control+k");
  await search.fill("audit");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Audit" }).waitFor();
});

test("an administrator's link sets a new password and ends what was open", async () => {
  await navigation().getByRole("link", { name: "Cloud administration" }).click();
  // Its own tab: the organisation has people too, at the side, and is there before this page.
  await page.getByRole("navigation", { name: "Cloud administration" }).getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: `Actions for ${taras.name}` }).click();
  await page.getByRole("menuitem", { name: "Password reset link" }).click();
  await dialog(`New password for ${taras.name}?`).getByRole("button", { name: "Make link" }).click();
  const link = await textOf("Link");
  await page.getByRole("button", { name: "Done" }).click();
  const letter = await browser.visit({ url });
  await letter.goto(here(link));
  await letter.getByLabel("New password").fill(newPassword);
  await letter.getByRole("button", { name: "Set password" }).click();
  await letter.getByRole("heading", { name: "Password changed" }).waitFor();
  await letter.context().close();
  await navigation(colleague).getByRole("link", { name: "Projects" }).click();
  await colleague.getByText("Your session is over").waitFor();
  await signIn(colleague, { ...taras, password: newPassword });
  await colleague.getByRole("heading", { name: "Projects" }).waitFor();
});

test("who is removed gets out at once", async () => {
  await navigation().getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: `Actions for ${taras.name}` }).click();
  await page.getByRole("menuitem", { name: "Remove from organisation" }).click();
  await dialog(`Remove ${taras.name}?`).getByRole("button", { name: "Remove from organisation" }).click();
  await page.getByRole("row", { name: new RegExp(taras.name) }).waitFor({ state: "detached" });
  await colleague.getByText("There is nothing here").waitFor();
  await place(colleague).waitFor({ state: "detached" });
});

test("after signing out nothing of it is left to see", async () => {
  await page.goto("/");
  await shown(page);
  await signOut();
  await page.goBack();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto("/o/lyceum-no-7/people");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});
