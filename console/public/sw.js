// Notifications of calls: their buttons, and the way back to the console. It keeps no files: without the cloud there is nothing to show.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const message = { kind: "phone", call: event.notification.data?.call, action: event.action };
  event.waitUntil(
    self.clients.matchAll({ type: "window", includeUncontrolled: true }).then(async (windows) => {
      for (const one of windows) one.postMessage(message);
      if (event.action === "decline") return;
      const front = windows.find(({ focused }) => focused) ?? windows[0];
      await (front ? front.focus() : self.clients.openWindow("/"));
    }),
  );
});
