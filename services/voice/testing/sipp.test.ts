import assert from "node:assert/strict";
import { test } from "node:test";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { startBaresip } from "./baresip.ts";
import { startSipp } from "./sipp.ts";

await installTestTools(phoneTools);

for (const transport of ["udp", "tcp"] as const)
  test(`SIPp calls SIPp over ${transport}, and counts`, async (t) => {
    const answering = await startSipp({ scenario: "uas", calls: 20, transport });
    t.after(() => answering.close());
    const calling = await startSipp({
      scenario: "uac",
      target: answering.address,
      calls: 20,
      rate: 20,
      transport,
      service: "echo",
    });
    t.after(() => calling.close());
    const figures = await calling.finished();
    assert.deepEqual(
      [figures.exitCode, figures.calls, figures.successful, figures.failed],
      [0, 20, 20, 0],
      JSON.stringify(figures),
    );
    assert.ok(figures.callMs >= 0 && figures.responseMs >= 0);
    // Over TCP the last call counts as failed when the caller's connection is gone before it is put away.
    assert.ok((await answering.finished()).successful >= 19);
  });

/** An OPTIONS that must be answered in the way that is said. */
const options = (answer: number): string => `<?xml version="1.0" encoding="UTF-8"?>
<scenario name="options">
  <send retrans="500"><![CDATA[
OPTIONS sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
X-Key: [word]
Content-Length: 0

  ]]></send>
  <recv response="${answer}" timeout="20000"/>
</scenario>`;

test("a scenario of one's own: what was expected, and what was not", async (t) => {
  const phone = await startBaresip({ user: "bare" });
  t.after(() => phone.close());
  const target = /@([^;]+)/.exec(phone.address)![1]!;
  const common = { target, service: "bare", fields: [["tester"]], keys: { word: "key" } };
  const right = await startSipp({ ...common, scenario: options(200) });
  t.after(() => right.close());
  assert.deepEqual((({ exitCode, successful }) => ({ exitCode, successful }))(await right.finished()), {
    exitCode: 0,
    successful: 1,
  });
  const wrong = await startSipp({ ...common, scenario: options(404) });
  t.after(() => wrong.close());
  const figures = await wrong.finished();
  assert.deepEqual([figures.exitCode, figures.successful, figures.failed, figures.unexpected], [1, 0, 1, 1]);
  assert.match(figures.errors, /200 OK/);
});
