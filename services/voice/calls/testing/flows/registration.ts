import type { Desks } from "./desks.ts";
import { receive, register } from "./script.ts";

export type Flow = (desks: Desks) => Promise<void>;

/** RFC 3665 section 2. */
export const registration: Record<string, Flow> = {
  "2.1 successful new registration": async (desks) => {
    const desk = await desks.account();
    await desks.play(desk, [
      ...register(desk, 1),
      receive(200, { headers: { Contact: `${desk.userName}@127.0.0.1.*expires=600` } }),
    ]);
  },

  "2.1 the same over TCP": async (desks) => {
    const desk = await desks.account();
    await desks.play(desk, [...register(desk, 1), receive(200, { headers: { Contact: "transport=TCP.*expires=600" } })], {
      transport: "tcp",
    });
  },

  "2.2 update of the contact list, 2.3 request for it, 2.4 cancellation": async (desks) => {
    const desk = await desks.account();
    const second = { contact: "<sip:second@127.0.0.1:5099>;expires=600" };
    await desks.play(desk, [
      ...register(desk, 1),
      receive(200, { without: "second@" }),
      ...register(desk, 3, second),
      receive(200, { message: "second@127.0.0.1:5099" }),
      ...register(desk, 5).map((step) => step.replace(/\nContact: [^\n]*/, "")),
      receive(200, { message: "second@127.0.0.1:5099" }),
      ...register(desk, 7, { contact: "*", headers: ["Expires: 0"] }),
      receive(200, { without: "Contact:" }),
    ]);
  },

  "2.5 unsuccessful registration: a wrong password, and nobody with this name, are told the same": async (desks) => {
    const desk = await desks.account();
    await desks.play(desk, [...register(desk, 1, { password: "wrong" }), receive(401)]);
    const nobody = { ...desk, userName: "nobody" };
    await desks.play(nobody, [...register(nobody, 1), receive(401)]);
  },
};
