// The service worker: what a tap on a note of the system does. It stands between
// nothing and nobody; there is no fetch handler.

addEventListener("install", () => skipWaiting());

addEventListener("notificationclick", (e) => {
  e.notification.close();
  e.waitUntil((async () => {
    const [page] = await clients.matchAll({ type: "window", includeUncontrolled: true });
    if (!page) return clients.openWindow("./#" + e.notification.data);
    page.postMessage(e.notification.data);
    return page.focus();
  })());
});
