import assert from "node:assert/strict";
import { test } from "node:test";
import { S3Error } from "./errors.ts";
import { readLifecycle, writeLifecycle } from "./lifecycleDocument.ts";

const configuration = (...rules: string[]) =>
  `<LifecycleConfiguration>${rules.map((rule) => `<Rule>${rule}</Rule>`).join("")}</LifecycleConfiguration>`;
const enabled = "<Status>Enabled</Status>";
const days = "<Expiration><Days>3</Days></Expiration>";

test("a configuration comes back as it was put, in every form of the filter", () => {
  const rules = [
    `<ID>a</ID><Prefix>logs/</Prefix>${enabled}${days}`,
    `<ID>b</ID><Filter></Filter><Status>Disabled</Status><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>`,
    `<ID>c</ID><Filter><Prefix></Prefix></Filter>${enabled}<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`,
    `<ID>d</ID><Filter><Tag><Key>k</Key><Value>a&amp;b</Value></Tag></Filter>${enabled}${days}`,
    `<ID>e</ID><Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></Filter>${enabled}<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>`,
    `<ID>f</ID><Filter><And><Prefix>x/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>${enabled}${days}`,
    `<ID>g</ID><Filter><Prefix>up/</Prefix></Filter>${enabled}<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>`,
  ];
  const written = writeLifecycle(readLifecycle(configuration(...rules)));
  assert.equal(written.slice(written.indexOf("<Rule>")), configuration(...rules).slice("<LifecycleConfiguration>".length));
  const [unnamed] = readLifecycle(configuration(`<Prefix></Prefix>${enabled}${days}`));
  assert.match(unnamed!.id, /^[0-9a-f-]{36}$/);
});

test("what S3 refuses is refused, each in its own words", () => {
  const code = (...rules: string[]): string => {
    try {
      readLifecycle(configuration(...rules));
      return "taken";
    } catch (error) {
      assert.ok(error instanceof S3Error);
      return error.code;
    }
  };
  const rule = (rest: string, filter = "<Filter><Prefix>a</Prefix></Filter>") => `<ID>x</ID>${filter}${enabled}${rest}`;
  assert.equal(code(rule(days)), "taken");
  assert.equal(code(), "MalformedXML");
  assert.equal(code(rule("")), "InvalidRequest");
  const glacier = (date: string) => `<Transition><Date>${date}</Date><StorageClass>GLACIER</StorageClass></Transition>`;
  assert.equal(code(rule(glacier("20220927"))), "MalformedXML");
  assert.equal(code(rule(glacier("2022-09-27T00:00:00Z"))), "NotImplemented");
  assert.equal(code(rule(days), rule(days)), "InvalidArgument");
  assert.equal(code(rule(days).replace("<ID>x", `<ID>${"x".repeat(256)}`)), "InvalidArgument");
  assert.equal(code(rule(days).replace("Enabled", "enabled")), "MalformedXML");
  assert.equal(code(rule(days, "")), "MalformedXML");
  assert.equal(code(rule(days, "<Prefix>a&#0;b</Prefix>")), "MalformedXML");
  assert.equal(code(rule(days, "<Prefix>&#xd800;</Prefix>")), "MalformedXML");
  assert.equal(code(rule(days, "<Prefix>a</Prefix><Filter/>")), "MalformedXML");
  assert.equal(code(rule(days, "<Filter><And><Prefix>a</Prefix></And></Filter>")), "MalformedXML");
  const tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
  assert.equal(code(rule(days, `<Filter><Prefix>a</Prefix>${tag}</Filter>`)), "MalformedXML");
  assert.equal(code(rule(days, `<Filter><And>${tag}${tag}</And></Filter>`)), "InvalidRequest");
  const size = "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan>";
  assert.equal(code(rule(days, `<Filter><And>${size}</And></Filter>`)), "InvalidRequest");
  const expiration = (text: string) => code(rule(`<Expiration>${text}</Expiration>`));
  assert.equal(expiration("<Days>0</Days>"), "InvalidArgument");
  assert.equal(expiration("<Days>-1</Days>"), "InvalidArgument");
  assert.equal(expiration("<Days>x</Days>"), "MalformedXML");
  assert.equal(expiration(""), "MalformedXML");
  assert.equal(expiration("<Date>20200101</Date>"), "MalformedXML");
  assert.equal(expiration("<Date>2030-01-01T01:00:00Z</Date>"), "InvalidArgument");
  assert.equal(expiration("<Days>1</Days><Date>2030-01-01T00:00:00Z</Date>"), "MalformedXML");
  const marker = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
  assert.equal(code(rule(marker, `<Filter>${tag}</Filter>`)), "InvalidRequest");
  const abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
  assert.equal(code(rule(abort, `<Filter>${tag}</Filter>`)), "InvalidRequest");
  const noncurrent = (text: string) => code(rule(`<NoncurrentVersionExpiration>${text}</NoncurrentVersionExpiration>`));
  assert.equal(noncurrent("<NoncurrentDays>0</NoncurrentDays>"), "InvalidArgument");
  assert.equal(noncurrent("<NewerNoncurrentVersions>1</NewerNoncurrentVersions>"), "MalformedXML");
  assert.equal(
    noncurrent("<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>"),
    "InvalidArgument",
  );
  const to = (storageClass: string, time: string) =>
    `<Transition>${time}<StorageClass>${storageClass}</StorageClass></Transition>`;
  const after = (count: number) => `<Days>${count}</Days>`;
  const [ia, later] = [to("STANDARD_IA", after(30)), `<Expiration>${after(90)}</Expiration>`];
  const old = (storageClass: string, count: number, more = "") =>
    `<NoncurrentVersionTransition><NoncurrentDays>${count}</NoncurrentDays>${more}<StorageClass>${storageClass}</StorageClass></NoncurrentVersionTransition>`;
  for (const taken of [
    ia,
    ia + later,
    to("INTELLIGENT_TIERING", after(0)) + to("GLACIER_IR", after(1)),
    to("GLACIER_IR", "<Date>2030-01-01T00:00:00Z</Date>"),
    ia + to("ONEZONE_IA", after(60)) + later,
    old("ONEZONE_IA", 30, "<NewerNoncurrentVersions>2</NewerNoncurrentVersions>"),
  ])
    assert.equal(code(rule(taken)), "taken", taken);
  const refusedTransitions: [string, string][] = [
    [to("STANDARD_IA", after(29)), "InvalidArgument"],
    [old("STANDARD_IA", 29), "InvalidArgument"],
    [to("GLACIER_IR", after(-1)), "InvalidArgument"],
    [to("GLACIER_IR", ""), "MalformedXML"],
    [to("GLACIER_IR", `${after(1)}<Date>2030-01-01T00:00:00Z</Date>`), "MalformedXML"],
    [to("STANDARD", after(1)), "MalformedXML"],
    [to("ELSEWHERE", after(1)), "MalformedXML"],
    [ia + to("GLACIER_IR", after(59)), "InvalidArgument"],
    [ia + ia, "InvalidRequest"],
    [`${ia}<Expiration>${after(30)}</Expiration>`, "InvalidArgument"],
    [`${ia}<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>`, "InvalidRequest"],
    [
      `${old("GLACIER_IR", 5)}<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration>`,
      "InvalidArgument",
    ],
    [old("GLACIER_IR", 5, "<NewerNoncurrentVersions>101</NewerNoncurrentVersions>"), "InvalidArgument"],
    [to("DEEP_ARCHIVE", after(1)), "NotImplemented"],
    [old("GLACIER", 1), "NotImplemented"],
  ];
  for (const [rest, expected] of refusedTransitions) assert.equal(code(rule(rest)), expected, rest);
  const written = writeLifecycle(readLifecycle(configuration(rule(ia + old("GLACIER_IR", 5) + later))));
  assert.deepEqual(readLifecycle(written), readLifecycle(configuration(rule(ia + old("GLACIER_IR", 5) + later))));
  assert.equal(
    code(rule(`${days}<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>`)),
    "NotImplemented",
  );
});
