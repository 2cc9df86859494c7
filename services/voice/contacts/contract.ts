import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { e164 } from "../destinations/contract.ts";

/** The phone book of a phone system: people outside, whom all of it know by name. */

export const contactNumberKinds = ["mobile", "work", "home", "other"] as const;
const kind = z.enum(contactNumberKinds);
const written = z.string().trim().min(3).max(30).describe("As people write it, or with + and country code.");

const fields = {
  name: displayName,
  company: z.string().trim().max(100),
  note: z.string().trim().max(1000),
  numbers: z.array(z.object({ kind, number: written })).max(10),
};
export const phoneContact = z.object({
  id: id("phoneContact"),
  phoneSystemId: id("phoneSystem"),
  ...fields,
  numbers: z.array(z.object({ kind, number: e164 })),
  createdAt: timestamp,
  revision,
});
export type PhoneContact = z.output<typeof phoneContact>;

const bySystem = z.object({ phoneSystem: id("phoneSystem") });
const byContact = z.object({ phoneContact: id("phoneContact") });

export const contactRoutes = {
  phoneContactList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/contacts",
    summary: "List the contacts of a phone system, by name",
    permission: "voice.phone_contact.list",
    roles: ["viewer"],
    params: bySystem,
    query: pageQuery.extend({
      search: z.string().trim().max(100).optional().describe("Part of a name, a company or a number."),
    }),
    response: page(phoneContact),
    errors: ["not_found"],
  }),
  phoneContactCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/contacts",
    summary: "Add a contact to a phone system",
    description: "Its name is shown when one of its numbers calls or is called, and can be dialled.",
    permission: "voice.phone_contact.create",
    roles: ["editor"],
    params: bySystem,
    body: z.object({
      ...fields,
      company: fields.company.default(""),
      note: fields.note.default(""),
      numbers: fields.numbers.default([]),
    }),
    response: phoneContact,
    status: 201,
    errors: ["not_found", "invalid_argument", "quota_exceeded"],
  }),
  phoneContactUpdate: route({
    method: "PATCH",
    path: "/v1/phone-contacts/{phoneContact}",
    summary: "Change a contact of a phone system",
    permission: "voice.phone_contact.update",
    roles: ["editor"],
    params: byContact,
    body: z.object(fields).partial(),
    response: phoneContact,
    errors: ["not_found", "invalid_argument", "precondition_failed"],
  }),
  phoneContactDelete: route({
    method: "DELETE",
    path: "/v1/phone-contacts/{phoneContact}",
    summary: "Delete a contact of a phone system",
    permission: "voice.phone_contact.delete",
    roles: ["editor"],
    params: byContact,
    status: 204,
    errors: ["not_found"],
  }),
  phoneContactImport: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/contacts/import",
    summary: "Add contacts from a CSV table",
    description:
      "The first line names the columns: name, company, mobile, work, home, other, note. A contact of the same name and company is changed. All of the table is taken, or nothing.",
    permission: "voice.phone_contact.import",
    roles: ["editor"],
    params: bySystem,
    body: z.object({ csv: z.string().min(1).max(2_000_000) }),
    response: z.object({ created: z.int(), changed: z.int() }),
    errors: ["not_found", "invalid_argument", "quota_exceeded"],
  }),
  phoneContactExport: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/contacts/export",
    summary: "Export the contacts of a phone system as CSV",
    description: "RFC 4180, in UTF-8, with the columns that the import takes; of several numbers of a kind the first.",
    permission: "voice.phone_contact.list",
    roles: ["viewer"],
    params: bySystem,
    stream: { response: "bytes" },
    errors: ["not_found"],
  }),
};

export const contactEvents = {
  phoneContactChanged: event({
    type: "voice.phone_contact.changed",
    payload: z.object({ phoneSystemId: id("phoneSystem") }),
  }),
};

export const contactQuotas = {
  "voice.contacts": { unit: "count", summary: "Contacts of phone systems", default: 10_000 },
} as const;
