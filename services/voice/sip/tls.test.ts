import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect } from "node:tls";
import { WebSocket } from "ws";
import { createAuthority } from "../../../gateway/certificates/authority.ts";
import { next, sdp, testStack } from "./testing/stacks.ts";

const certificateOf = async (name: string) => {
  const { certificate, key } = await createAuthority({ name });
  return { cert: certificate, key };
};

test("a call over TLS; a certificate that nobody vouches for is not trusted; a new one is taken while it runs", async (context) => {
  const bob = await testStack(context, {
    bindings: [
      { transport: "tls", host: "127.0.0.1", port: 0 },
      { transport: "wss", host: "127.0.0.1", port: 0 },
    ],
    certificate: await certificateOf("first"),
    onInvite: (call) => call.answer({ sdp: sdp("bob") }),
    onRequest: (request) => request.respond(200),
  });
  const trusting = await testStack(context, { verifyCertificates: false });
  const call = trusting.stack.call({ target: bob.uri("bob", "tls"), from: "sip:alice@example.org", sdp: sdp("a") });
  await next(call, "answered");
  assert.equal(call.source!.transport, "tls");
  assert.match(call.remoteTarget.params["transport"] as string, /tls/);
  // In the dialog, back on the connection that it came on.
  call.on("offer", (offer) => offer.answer(sdp("again")));
  const [incoming] = [...bob.stack.sessions.values()];
  assert.equal((await incoming!.reinvite({ sdp: sdp("b2") })).sdp, sdp("again"));

  const careful = await testStack(context);
  const refused = careful.stack.call({ target: bob.uri("bob", "tls"), from: "sip:alice@example.org", sdp: sdp("a") });
  const [refusal] = await next(refused, "refused");
  assert.equal((refusal as { status: number }).status, 503);

  bob.stack.replaceCertificate(await certificateOf("second"));
  const socket = connect({ port: bob.port("tls"), host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  assert.equal(socket.getPeerCertificate().subject.CN, "second");
  socket.destroy();
  assert.equal(call.state, "confirmed");

  const browser = new WebSocket(`wss://127.0.0.1:${bob.port("wss")}`, "sip", { rejectUnauthorized: false });
  await once(browser, "open");
  browser.close();
});
