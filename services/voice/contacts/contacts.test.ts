import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { contactStore } from "./store.ts";

const api = openTestCloud(await startCloud());
const { call, cloud } = api;
let system = "";
const inSystem = () => ({ params: { phoneSystem: system } });
before(async () => {
  ({ system } = await api.newSystem("Office"));
});
const create = (body: object) => call("phoneContactCreate", { ...inSystem(), body });
const nameOf = (number: string) => cloud.database.transaction("system", (tx) => contactStore.nameOf(tx, system, number));

test("a contact is known by its numbers, found, dialled by name, changed and deleted", async () => {
  const numbers = [
    { kind: "mobile", number: "050 123 45 67" },
    { kind: "work", number: "+33 1 99 00 33 44" },
  ];
  const made = await create({ name: "Olena", company: "Mriya", numbers });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual(
    made.body.numbers.map(({ number }: { number: string }) => number),
    ["+380501234567", "+33199003344"],
  );
  assert.equal(await nameOf("+33199003344"), "Olena (Mriya)");
  const wrong = await create({ name: "Nobody", numbers: [{ kind: "home", number: "12345678901234567890" }] });
  assert.equal(wrong.status, 400, wrong.text);
  for (const search of ["mri", "OLE", "99 00 33"]) {
    const found = await call("phoneContactList", { ...inSystem(), query: { search } });
    assert.deepEqual(
      found.body.items.map(({ id }: { id: string }) => id),
      [made.body.id],
      search,
    );
  }
  // One after the other, as pages end between the numbers of a contact.
  const first = await call("phoneDirectoryList", { ...inSystem(), query: { search: "olena", limit: 1 } });
  const cursor = first.body.nextCursor;
  const second = await call("phoneDirectoryList", { ...inSystem(), query: { search: "olena", limit: 1, cursor } });
  assert.deepEqual(
    [...first.body.items, ...second.body.items].map(({ kind, name, number }) => [kind, name, number]),
    [
      ["contact", "Olena (Mriya)", "+33199003344"],
      ["contact", "Olena (Mriya)", "+380501234567"],
    ],
  );
  const params = { phoneContact: made.body.id };
  const changed = await call("phoneContactUpdate", { params, body: { name: "Olena K." } });
  assert.deepEqual([changed.body.name, changed.body.company, changed.body.numbers.length], ["Olena K.", "Mriya", 2]);
  assert.equal((await call("phoneContactDelete", { params })).status, 204);
  assert.equal(await nameOf("+33199003344"), undefined);
});

test("a table of contacts: who is there is changed, and what is exported can be imported", async () => {
  assert.equal((await create({ name: "Taras", company: "Sich" })).status, 201);
  const load = (csv: string) => call("phoneContactImport", { ...inSystem(), body: { csv } });
  const loaded = await load("name;company;mobile;note\ntaras;Sich;0501112233;Mondays\nBéa;;+33199001100;\n");
  assert.deepEqual(loaded.body, { created: 1, changed: 1 }, loaded.text);
  assert.equal(await nameOf("+380501112233"), "taras (Sich)");
  const wrong = await load("name,mobile\nA,0501112244\nB,abc\nA,\n");
  assert.equal(wrong.status, 400, wrong.text);
  assert.match(wrong.text, /Line 3, mobile/);
  assert.deepEqual(
    wrong.body.fields.map(({ path }: { path: string }) => path),
    ["body.csv.3.mobile", "body.csv.4"],
    "all lines at once",
  );
  assert.equal(await nameOf("+380501112244"), undefined, "all of it, or nothing");
  const exported = await call("phoneContactExport", inSystem());
  assert.equal(
    exported.text,
    "name,company,mobile,work,home,other,note\r\nBéa,,+33199001100,,,,\r\ntaras,Sich,+380501112233,,,,Mondays\r\n",
  );
  assert.deepEqual((await load(exported.text)).body, { created: 0, changed: 2 });
});
