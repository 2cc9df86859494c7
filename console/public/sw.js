// Notifications of calls: their buttons, the way back to the console, and those that come while no tab is open. It keeps no files: without the cloud
// there is nothing to show.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const { kind, call, extension, title, body } = event.data.json();
  event.waitUntil(
    self.clients.matchAll({ type: "window", includeUncontrolled: true }).then(async (windows) => {
      // A tab shows its own calls, with buttons.
      if (kind === "ringing" && windows.length > 0) return;
      await self.registration.showNotification(title, {
        body,
        tag: `push-${call}`,
        renotify: true,
        requireInteraction: kind === "ringing",
        icon: "/icon-192.png",
        data: { extension },
      });
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const message = { kind: "phone", call: event.notification.data?.call, action: event.action };
  event.waitUntil(
    self.clients.matchAll({ type: "window", includeUncontrolled: true }).then(async (windows) => {
      for (const one of windows) one.postMessage(message);
      if (event.action === "decline") return;
      const front = windows.find(({ focused }) => focused) ?? windows[0];
      // The tab registers the phone of this extension, which then rings.
      const { extension } = event.notification.data ?? {};
      await (front ? front.focus() : self.clients.openWindow(extension ? `/?phone=${extension}` : "/"));
    }),
  );
});
