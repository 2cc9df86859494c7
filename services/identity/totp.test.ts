import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "otpauth";
import { newRecoveryCodes, newTotp, normalRecoveryCode, totpStep } from "./totp.ts";

test("codes are those of RFC 6238, appendix B, cut to 6 digits", () => {
  const secret = Secret.fromLatin1("12345678901234567890").base32;
  for (const [seconds, code] of [
    [59, "287082"],
    [1111111109, "081804"],
    [1234567890, "005924"],
    [20000000000, "353130"],
  ] as const) {
    assert.equal(totpStep(secret, code, seconds * 1000), Math.floor(seconds / 30));
  }
});

test("a clock may be one step off, not two", () => {
  const secret = Secret.fromLatin1("12345678901234567890").base32;
  assert.equal(totpStep(secret, "287082", 89_000), 1);
  assert.equal(totpStep(secret, "287082", 120_000), undefined);
});

test("the link for the authenticator app names the cloud and the account", () => {
  const { secret, uri } = newTotp("Khmara", "ann@example.org");
  assert.equal(secret.length, 32);
  assert.match(uri, /^otpauth:\/\/totp\/Khmara:ann%40example\.org\?issuer=Khmara&secret=[A-Z2-7]{32}&/);
});

test("recovery codes are readable and forgive how they are typed", () => {
  const codes = newRecoveryCodes();
  assert.equal(new Set(codes).size, 10);
  for (const code of codes) assert.match(code, /^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/);
  assert.equal(normalRecoveryCode(" AB1O0-xYzL2 "), "ab100xyz12");
});
