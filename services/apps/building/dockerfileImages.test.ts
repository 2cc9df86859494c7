import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { judgeDockerfile, judgeTriggers } from "./dockerfileImages.ts";
import { publicReference } from "./imageReference.ts";

const named = (text: string, given?: Record<string, string>) => judgeDockerfile(text, given).images.map(({ image }) => image);
const rewritten = (text: string, given?: Record<string, string>) =>
  judgeDockerfile(text, given).rewrite((image) => `ours/${image.replace(/\W/g, "-")}:1`);
const refused = (error: unknown) => CloudError.is(error, "invalid_argument") && error.details.reason === "dockerfile_refused";

test("images are found wherever they are named, and only those that are no stages", () => {
  const text = `# a comment
ARG VERSION=22
FROM --platform=$BUILDPLATFORM node:\${VERSION}-slim AS Build
RUN npm ci
FROM build AS test
FROM scratch
COPY --from=build /a /a
COPY --chown=1:1 --from=0 /b /b
COPY --from=other/image:2 /c /c
copy --from=TEST /d /d
`;
  assert.deepEqual(named(text), ["node:22-slim", "other/image:2"]);
  assert.equal(
    rewritten(text, { VERSION: "24" }),
    `ARG VERSION=22
FROM ours/node-24-slim:1 AS build
RUN npm ci
FROM build AS test
FROM scratch
COPY --from=build /a /a
COPY --chown=1:1 --from=0 /b /b
COPY --from=ours/other-image-2:1 /c /c
COPY --from=TEST /d /d
`,
  );
});

test("continued lines, comments between them and another mark of continuation are read as the builder reads them", () => {
  assert.equal(
    rewritten('FROM a:1\nRUN one && \\\n# not this\n\n  two \\  \n three\r\nCMD ["x"]'),
    'FROM ours/a-1:1\nRUN one &&   two  three\nCMD ["x"]\n',
  );
  assert.equal(rewritten("FROM no\\\nde:22"), "FROM ours/node-22:1\n", "a name may go on in the next line");
  assert.equal(rewritten("# escape=`\nFROM a:1\nRUN one `\n two \\\n"), "# escape=`\nFROM ours/a-1:1\nRUN one  two \\\n");
  // It is a directive only at the very top; a line that ends with \ goes on then.
  assert.deepEqual(named("\n# escape=`\nFROM a:1\nRUN x \\\nFROM b:1"), ["a:1"]);
  assert.deepEqual(named("# escape=`\nFROM a:1\nRUN x \\\nFROM b:1"), ["a:1", "b:1"]);
});

test("what would be fetched or taken without being seen is refused", () => {
  const after = (line: string) => `FROM a:1\n${line}\n`;
  for (const text of [
    after("ADD http://169.254.169.254/latest /x"),
    after("ADD HTTPS://example.org/x /x"),
    after('ADD ["http://example.org/x", "/x"]'),
    after("ADD git@github.com:a/b.git /x"),
    after("ADD --chown=1:1 https://example.org/x /x"),
    after("add\thttps://example.org/x /x"),
    after("ADD $URL /x"),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the Dockerfile.
    after("ADD ${URL} /x"),
    after("ADD ht\\tp://example.org/x /x"),
    after('ADD "http://example.org/x" /x'),
    after("ADD \\\nhttp://example.org/x /x"),
    after('ADD ["http://example.org/x" "/x"]'),
    after("ADD\u00a0http://example.org/x /x"),
    after("COPY --fr\\om=secret /x /x"),
    after('COPY "--from=secret" --from="secret" /x /x').replace('"--from=secret" ', ""),
    after("COPY --from=$OTHER /x /x"),
    after("COPY\u0085--from=secret /x /x"),
    after("COPY\v--from=secret /x /x"),
    after("ONBUILD ADD http://example.org/x /x"),
    after("ONBUILD COPY --from=secret /x /x"),
    after("ONBUILD FROM secret"),
    after("ONBUILD ONBUILD RUN x"),
    after("RUN x \\"),
    "ARG A\nFROM $A",
    "FROM $A",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the Dockerfile.
    "ARG A=b\nFROM ${A:+secret}",
    'FROM "a:1"',
    "FROM al\\pine",
    "FROM a b",
    "FROM --mount=x a",
    "FROM a AS 1",
    "INCLUDE x",
  ]) {
    if (text.endsWith("RUN x \\\n")) assert.equal(rewritten(text), "FROM ours/a-1:1\nRUN x\n");
    else assert.throws(() => judgeDockerfile(text), refused, JSON.stringify(text));
  }
  for (const text of [
    after("ADD app.tar.gz $HOME"),
    after("ADD . /x"),
    after("COPY https://example.org/x /x"),
    after("ONBUILD RUN x"),
  ])
    assert.deepEqual(named(text), ["a:1"]);
});

test("what is written anew has no line that the builder would read otherwise", () => {
  // Whatever is in it: no FROM and no --from but of ours.
  const pieces = [
    "FROM a:1",
    "RUN x",
    "RUN x \\",
    "# y",
    "",
    "COPY --from=b /x /y",
    "\\",
    "  ",
    "FROM c AS d",
    "COPY --from=d / /",
    "ARG Q=1",
    "`",
  ];
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };
  let accepted = 0;
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pieces[Math.floor(random() * pieces.length)]).join(
      "\n",
    );
    let output: string;
    try {
      output = rewritten(text);
    } catch (error) {
      assert.ok(refused(error), String(error));
      continue;
    }
    accepted++;
    assert.doesNotMatch(output, /\\\s*$/m);
    for (const line of output.split("\n")) {
      const image = /^FROM (\S+)/.exec(line)?.[1] ?? /^COPY.* --from=(\S+)/.exec(line)?.[1];
      assert.ok(image === undefined || /^(ours\/|d$)/.test(image), `${JSON.stringify(text)} → ${JSON.stringify(output)}`);
    }
    // Read again it is the same.
    assert.equal(
      judgeDockerfile(output).rewrite((name) => name),
      output,
    );
  }
  assert.ok(accepted > 500, `only ${accepted} were accepted`);
});

test("images are held to the same in what they do when others are built on them", () => {
  judgeTriggers("a:1", ["COPY . /app", "RUN npm ci", "ADD app.tar /x"]);
  for (const words of ["ADD http://example.org/x /x", "COPY --from=secret / /", "ADD $X /y"])
    assert.throws(() => judgeTriggers("a:1", [words]), refused, words);
});

test("names of images are in full, and only of public registries", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  for (const [image, full] of [
    ["node", "docker.io/library/node:latest"],
    ["node:22-slim", "docker.io/library/node:22-slim"],
    ["grafana/grafana:11", "docker.io/grafana/grafana:11"],
    ["ghcr.io/a/b/c:1", "ghcr.io/a/b/c:1"],
    ["docker.io/library/nginx:1", "docker.io/library/nginx:1"],
    ["registry.example.org:5000/x:1", "registry.example.org:5000/x:1"],
    [`node:22@${digest}`, `docker.io/library/node@${digest}`],
  ])
    assert.equal(publicReference(image as string), full);
  for (const image of [
    "localhost/x",
    "localhost:5000/x",
    "127.0.0.1/x",
    "10.0.0.1:5000/x",
    "[::1]/x",
    "2130706433.1/x",
    "host.docker.internal/x",
    "registry.local/x",
    "base.khmara.internal/x",
    "node:22@sha256:1",
    "Node",
    "a//b",
    "a:b:c",
    "../x",
    "node:",
    "x.y:z/a",
  ])
    assert.throws(() => publicReference(image), /image/, image);
});
