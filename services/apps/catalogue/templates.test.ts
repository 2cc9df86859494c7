import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { publicReference } from "../building/imageReference.ts";
import { readManifest } from "../building/manifest.ts";
import { checkDiskPath } from "../running/part.ts";
import { summaryOf, viewTemplate } from "./area.ts";
import { template as templateView } from "./contract.ts";
import { fillIn, openTemplates, ownTemplates, placeholdersIn, readTemplate, type Template } from "./template.ts";
import { checkAnswers, firstSettings } from "./values.ts";

const templates = await openTemplates().list();
const facts = { url: "https://notes.school.example.org", host: "notes.school.example.org", name: "notes" };
/** What a person would answer at the least. */
const answersOf = (template: Template): Record<string, string> =>
  Object.fromEntries(
    viewTemplate(template)
      .settings.filter(({ required, value }) => required && value === undefined)
      .map(({ name, kind }) => [name, kind === "email" ? "me@example.org" : "correct horse battery"]),
  );

describe("all templates", () => {
  test("at least ten are public images, and three are built here", () => {
    const images = templates.filter(({ image }) => image);
    assert.ok(images.length >= 10, `${images.length} images`);
    assert.ok(templates.length - images.length >= 3);
    assert.equal(new Set(templates.map(({ id }) => id)).size, templates.length);
  });

  for (const template of templates) {
    test(`${template.id}: what it says is right, and enough to install it`, async () => {
      assert.equal(
        template.id,
        (await readdir(ownTemplates)).find((name) => name === template.id),
      );
      templateView.parse(viewTemplate(template));
      for (const { path } of template.disks) checkDiskPath(path);
      assert.equal(new Set(template.disks.map(({ path }) => path)).size, template.disks.length);
      // A version is told by the image's tag: one that differs from it would offer an update that is none.
      if (template.image) {
        assert.equal(publicReference(template.image.reference), template.image.reference);
        assert.ok(template.image.reference.includes(template.version), `${template.image.reference} is of ${template.version}`);
        assert.ok(template.homepage);
      }
      const answers = answersOf(template);
      checkAnswers(template, answers);
      const { set, setSecrets } = firstSettings(template, facts, answers);
      const values = { ...set, ...setSecrets };
      for (const [name, value] of Object.entries(values)) assert.deepEqual(placeholdersIn(value), [], name);
      for (const [name, setting] of Object.entries(template.settings)) {
        if (setting.kind === "fixed" || setting.kind === "generated" || setting.kind === "choice") assert.ok(values[name], name);
        if (setting.kind === "generated" || setting.kind === "password")
          assert.equal(set[name], undefined, `${name} is a secret`);
      }
      const known = { ...facts, ...Object.fromEntries(Object.entries(set).map(([name, value]) => [`setting.${name}`, value])) };
      for (const words of template.firstSteps)
        for (const text of Object.values(words)) assert.doesNotMatch(fillIn(text, known), /[{}]/);
    });
  }

  test("whoever is built here says in khmara.json which settings it needs, and all of them are in the template", async () => {
    for (const { source, settings } of templates.filter((each) => each.source)) {
      const manifest = readManifest(await readFile(join(source as string, "khmara.json"), "utf8"));
      for (const [name, said] of Object.entries(manifest.settings ?? {}))
        if ("required" in said && said.required) assert.ok(settings[name], name);
      assert.ok(manifest.health?.path);
    }
  });

  test("secrets made at random are long, and never the same", () => {
    const template = templates.find(({ id }) => id === "n8n") as Template;
    const [one, other] = [firstSettings(template, facts, {}), firstSettings(template, facts, {})];
    assert.match(String(one.setSecrets["N8N_ENCRYPTION_KEY"]), /^[A-Za-z0-9]{48}$/);
    assert.notEqual(one.setSecrets["N8N_ENCRYPTION_KEY"], other.setSecrets["N8N_ENCRYPTION_KEY"]);
    const again = firstSettings(template, facts, {}, () => true);
    assert.deepEqual(again.setSecrets, {});
    assert.equal(again.set["N8N_HOST"], facts.host);
  });
});

describe("answers", () => {
  const grafana = templates.find(({ id }) => id === "grafana") as Template;
  const problems = (answers: Record<string, string>, template = grafana): string[] => {
    try {
      checkAnswers(template, answers);
      return [];
    } catch (error) {
      assert.ok(CloudError.is(error, "invalid_argument"));
      return ((error.details["fields"] ?? []) as { path: string }[]).map(({ path }) => path);
    }
  };

  test("each problem is at its field", () => {
    assert.deepEqual(problems({ GF_SECURITY_ADMIN_PASSWORD: "long enough" }), []);
    assert.deepEqual(problems({}), ["body.settings.GF_SECURITY_ADMIN_PASSWORD"]);
    assert.deepEqual(problems({ GF_SECURITY_ADMIN_PASSWORD: "short" }), ["body.settings.GF_SECURITY_ADMIN_PASSWORD"]);
    assert.deepEqual(problems({ GF_SECURITY_ADMIN_PASSWORD: "long enough", GF_SERVER_ROOT_URL: "x", NEW: "y" }), [
      "body.settings.GF_SERVER_ROOT_URL",
      "body.settings.NEW",
    ]);
    const book = templates.find(({ id }) => id === "guest-book") as Template;
    assert.deepEqual(problems({ LANGUAGE: "de" }, book), ["body.settings.LANGUAGE"]);
  });
});

describe("a template that is wrong is refused, saying where", async () => {
  const folder = await mkdtemp(join(tmpdir(), "khmara-templates-"));
  after(() => rm(folder, { recursive: true, force: true }));
  const good = JSON.parse(await readFile(join(ownTemplates, "grafana", "template.json"), "utf8"));
  const refused = async (change: object, words: RegExp) => {
    await writeFile(join(folder, "template.json"), JSON.stringify({ ...good, ...change }));
    await assert.rejects(readTemplate(folder), words);
  };

  test("its texts, image, placeholders, disks", async () => {
    await refused({ description: { en: "Only English." } }, /description\.fr/);
    await refused({ unknown: true }, /unknown/i);
    await refused({ image: { ...good.image, reference: "docker.io/grafana/grafana:latest" } }, /names a version/);
    await refused({ image: { ...good.image, processes: { worker: { memoryMegabytes: 64 } } } }, /process web/);
    await refused({ settings: { A: { kind: "fixed", value: "{{nothing}}" } } }, /names \{\{nothing\}\}/);
    await refused({ settings: { PORT: { kind: "fixed", value: "1" } } }, /set by Khmara/);
    const secret = { en: "{{setting.GF_SECURITY_ADMIN_PASSWORD}}", fr: "-", uk: "-" };
    await refused({ firstSteps: [secret] }, /cannot be told/);
    await cp(join(ownTemplates, "guest-book"), folder, { recursive: true });
    assert.equal((await readTemplate(folder)).id, "guest-book");
    const book = JSON.parse(await readFile(join(ownTemplates, "guest-book", "template.json"), "utf8"));
    await writeFile(join(folder, "template.json"), JSON.stringify({ ...book, disks: [] }));
    await assert.rejects(readTemplate(folder), /disks are not those/);
  });
});

test("a summary tells what it takes", () => {
  const summary = summaryOf(templates.find(({ id }) => id === "miniflux") as Template);
  assert.deepEqual([summary.hasDatabase, summary.hasDisks, summary.builtHere], [true, false, false]);
  assert.equal(summary.memoryBytes, (128 + 256) * 1024 ** 2);
});
