import assert from "node:assert/strict";
import { test } from "node:test";
import { routeWords } from "../kernel/contract.ts";
import { contracts } from "../services/contracts.ts";
import { parse } from "./arguments.ts";
import { type Argument, type Command, commands, findCommand } from "./commands.ts";
import { extrasOf } from "./extras.ts";
import { runCli, temporaryHome } from "./fake-cloud.ts";
import { commandHelp, overview, resourceHelp, usage } from "./help.ts";
import { ownCommands } from "./own-commands.ts";
import { UsageError } from "./usage-error.ts";

const sample = (one: Argument): string => {
  switch (one.value.kind) {
    case "choice":
      return one.value.choices[0] as string;
    case "number":
      return "3";
    case "boolean":
      return "true";
    case "time":
      return "2026-01-02T03:04:05Z";
    case "json":
      return "{}";
    case "text":
      return one.example ?? "word";
  }
};

const command = (resource: string, verb: string): Command => {
  const found = findCommand(resource, verb);
  assert.ok(found, `${resource} ${verb}`);
  return found;
};

test("every route that has a verb is a command, under its own words", () => {
  const words = commands().map((one) => `${one.resource} ${one.verb}`);
  assert.equal(new Set(words).size, words.length);
  for (const contract of contracts) {
    for (const [key, route] of Object.entries(contract.routes)) {
      const { resource, verb } = routeWords(key);
      const isOwn = ownCommands.some((one) => one.resource === resource && one.verb === verb);
      assert.equal(words.includes(`${resource} ${verb}`) && !isOwn, !("cli" in route && route.cli === false), key);
    }
  }
  assert.ok(words.includes("audit verify"));
  assert.ok(words.includes("access-key create"));
});

test("no flag of a command collides with another or with the general ones", () => {
  for (const one of commands()) {
    const flags = [
      ...one.arguments.flatMap((argument) => [argument.flag, ...argument.aliases]),
      ...extrasOf(one.key).flags.map((extra) => extra.flag),
    ];
    assert.equal(new Set(flags).size, flags.length, `${one.key}: ${flags.join(" ")}`);
    for (const flag of ["json", "all", "quiet", "yes", "no-wait", "help", "profile", "endpoint"])
      assert.ok(!flags.includes(flag), `${one.key} --${flag}`);
  }
});

for (const one of commands()) {
  test(`${one.resource} ${one.verb}: help, values by flag and by place, and what is missing`, async () => {
    const help = commandHelp(one);
    assert.match(help, new RegExp(`^${one.summary.replace(/[.*+?^$()[\]{}|\\]/g, "\\$&")}`));
    assert.ok(help.includes("Usage: khmara "));
    assert.ok(help.includes("Examples:"));
    assert.ok(!/undefined|\[object/.test(help), help);
    for (const argument of one.arguments)
      assert.ok(help.includes(argument.flag) || help.includes(argument.flag.toUpperCase().replaceAll("-", "_")), argument.flag);

    const isContext = (argument: Argument) => ["organisation", "project"].includes(argument.field);
    const byFlag = parse(
      one,
      one.arguments.map((argument) => `--${argument.flag}=${sample(argument)}`),
    );
    for (const argument of one.arguments) {
      if (isContext(argument)) assert.equal(byFlag.options[argument.field as "project"], sample(argument));
      else assert.notEqual(byFlag.values[argument.field], undefined, argument.field);
    }
    const byPlace = parse(one, one.positionals.map(sample));
    for (const argument of one.positionals) assert.notEqual(byPlace.values[argument.field], undefined, argument.field);
    assert.deepEqual(byPlace.rest, []);

    const { env, remove } = temporaryHome();
    try {
      const nothing = await runCli([one.resource, one.verb], { env });
      const required = one.arguments.filter(
        (argument) =>
          argument.required &&
          !isContext(argument) &&
          argument.value.kind !== "time" &&
          argument.field !== "confirm" &&
          !extrasOf(one.key).optional?.includes(argument.field),
      );
      if (required.length > 0) {
        assert.equal(nothing.code, 2, nothing.notes);
        assert.ok(nothing.notes.includes(usage(one)), nothing.notes);
      } else assert.ok([1, 2, 3].includes(nothing.code), `${nothing.code}: ${nothing.notes}`);
    } finally {
      remove();
    }
  });
}

test("values are read as what the contract says they are", () => {
  assert.deepEqual(parse(command("access-key", "create"), ["--read-only", "--name", "backup"]).values, {
    readOnly: true,
    name: "backup",
  });
  assert.deepEqual(parse(command("access-key", "update"), ["key_1", "--no-enabled"]).values, {
    accessKey: "key_1",
    enabled: false,
  });
  const update = parse(command("access-key", "update"), ["--enabled", "false", "--read-only", "key_1"]);
  assert.deepEqual(update.values, { accessKey: "key_1", enabled: false, readOnly: true });
  const flags = [{ flag: "recursive", value: false, summary: "" }];
  assert.deepEqual(parse(command("object", "list"), ["--recursive", "photos"], flags).extra, {});
  const upload = parse(command("object", "upload"), ["photos", "--recursive", "false", "--no-recursive", "folder"], flags);
  assert.deepEqual([upload.extra, upload.rest], [{}, ["folder"]]);
  assert.deepEqual(
    parse(command("api-token", "create"), ["ci", "--scope", "objects.*", "--scope=*.read", "--expires-in-days", "30"]).values,
    {
      name: "ci",
      scopes: ["objects.*", "*.read"],
      expiresInDays: 30,
    },
  );
  assert.deepEqual(parse(command("quota", "update"), ["objects.storage_bytes", "--limit", "10GiB"]).values, {
    name: "objects.storage_bytes",
    limit: 10 * 2 ** 30,
  });
  assert.deepEqual(parse(command("quota", "update"), ["objects.buckets", "--limit", "default"]).values, {
    name: "objects.buckets",
    limit: null,
  });
  assert.deepEqual(parse(command("object", "trash"), ["photos", "--key", "a", "--keys", "b", "--prefix", "c/"]).values, {
    bucket: "photos",
    keys: ["a", "b"],
    prefixes: ["c/"],
  });
  assert.equal(parse(command("bucket", "get"), ["--", "-odd"]).values["bucket"], "-odd");
});

test("what cannot be read is refused, with what was probably meant", () => {
  const refused = (resource: string, verb: string, words: string[]): UsageError => {
    try {
      parse(command(resource, verb), words);
    } catch (error) {
      assert.ok(error instanceof UsageError);
      return error;
    }
    throw new Error("It was not refused.");
  };
  const role = refused("role-binding", "create", ["usr_1", "--role", "viewr"]);
  assert.match(role.message, /--role is one of owner, admin, editor, viewer, billing; not "viewr"/);
  assert.equal(role.hint, 'Did you mean "viewer"?');
  assert.match(refused("bucket", "list", ["--limit", "many"]).message, /whole number/);
  assert.match(refused("bucket", "list", ["--limit", "1.5"]).message, /whole number/);
  assert.match(refused("audit-entry", "list", ["--from", "yesterdayish"]).message, /needs a time/);
  assert.equal(refused("bucket", "list", ["--serach", "x"]).hint, 'Did you mean "--search"?');
  assert.match(refused("bucket", "list", ["--search"]).message, /needs a value/);
});

test("help of a resource and of everything", () => {
  const all = overview();
  for (const one of commands()) assert.ok(all.includes(one.resource), one.resource);
  for (const word of ["up", "test", "login", "profile", "completion"]) assert.match(all, new RegExp(`^ {2}${word}\\b`, "m"));
  assert.match(resourceHelp("bucket"), /bucket create NAME {2,}Make a bucket/);
});
