import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { RouteDefinition } from "../../../kernel/contract.ts";
import { type startCloud, testOwner } from "../../../testing/cloud.ts";
import { contracts } from "../../contracts.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers of all kinds.
type Json = any;
export interface Given {
  params?: Record<string, string>;
  query?: Record<string, string | number>;
  body?: object;
  ifMatch?: number;
}
export interface Answer {
  status: number;
  body: Json;
  text: string;
  headers: Record<string, unknown>;
}

const routes = Object.fromEntries(
  contracts.flatMap((contract) => Object.entries(contract.routes as Record<string, RouteDefinition>)),
);

/** Calls routes by their keys, as the owner of the cloud or as somebody who was invited: by session, as a browser does. */
export function openTestCloud({ http, cloud }: Awaited<ReturnType<typeof startCloud>>) {
  const cookies = new Map<string, string>();

  async function call(key: string, given: Given = {}, as: string = testOwner.email): Promise<Answer> {
    const route = routes[key] as RouteDefinition;
    const path = route.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(given.params?.[name] ?? ""));
    const query = new URLSearchParams(Object.entries(given.query ?? {}).map(([name, value]) => [name, String(value)]));
    const answer = await http.inject({
      method: route.method,
      url: `/api${path}?${query}`,
      headers: {
        ...(as === "" ? {} : { cookie: await cookieOf(as), "x-khmara-csrf": "1" }),
        ...(given.ifMatch === undefined ? {} : { "if-match": `"r${given.ifMatch}"` }),
      },
      ...(given.body === undefined ? {} : { payload: given.body }),
    });
    const isJson = String(answer.headers["content-type"]).includes("json");
    return { status: answer.statusCode, text: answer.body, body: isJson ? answer.json() : undefined, headers: answer.headers };
  }

  async function cookieOf(email: string): Promise<string> {
    const known = cookies.get(email);
    if (known !== undefined) return known;
    const password = email === testOwner.email ? testOwner.password : "a long enough password";
    const answer = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password } });
    assert.equal(answer.statusCode, 201, answer.body);
    const cookie = String(answer.headers["set-cookie"]).split(";")[0] as string;
    cookies.set(email, cookie);
    return cookie;
  }

  const opened = {
    cloud,
    call,
    organisation: "",
    /** In the organisation of this test, which is made with the first one. */
    async newProject(name: string): Promise<{ project: string }> {
      if (opened.organisation === "") {
        const made = await call("organisationCreate", { body: { name: "Tested" } });
        assert.equal(made.status, 201, made.text);
        opened.organisation = made.body.id;
      }
      const made = await call("projectCreate", { body: { organisation: opened.organisation, name } });
      assert.equal(made.status, 201, made.text);
      return { project: made.body.id };
    },
    async newSystem(name: string, country = "UA"): Promise<{ project: string; system: string; domain: string }> {
      const { project } = await opened.newProject(name);
      const made = await call("phoneSystemCreate", { body: { project, name, country } });
      assert.equal(made.status, 201, made.text);
      return { project, system: made.body.id, domain: made.body.domain };
    },
    /** A member of the organisation; answers the id of the person. */
    async invite(email: string, role: string, project?: string): Promise<string> {
      const invited = await call("invitationCreate", {
        body: { organisation: opened.organisation, email, role, ...(project ? { project } : {}) },
      });
      assert.equal(invited.status, 201, invited.text);
      const body = { token: invited.body.link.split("#")[1], name: email.split("@")[0], password: "a long enough password" };
      const accepted = await call("invitationAccept", { body }, "");
      assert.ok(accepted.status < 300, accepted.text);
      return (await call("identityGet", {}, email)).body.principal.id;
    },
    async until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
      for (const deadline = Date.now() + 30_000; !(await isSo()); await sleep(50))
        assert.ok(Date.now() < deadline, `still waiting for ${what}`);
    },
  };
  return opened;
}
