const pauseMs = 5 * 60_000;

/**
 * A part of the console that cannot be loaded: the network changed in that moment, or the cloud has a newer version whose files have other names. What
 * failed stays failed for as long as the document lives, so the page is loaded again; where that did not help, it says what happened.
 */
export function reloadForMissingParts(): void {
  // Vite's event, which carries the error that the import ends with.
  window.addEventListener("vite:preloadError", (event) => {
    const { payload } = event as Event & { payload?: Error };
    const key = `khmara.reloadedFor:${payload?.message}`;
    const now = Date.now();
    if (now - Number(sessionStorage.getItem(key) ?? 0) < pauseMs) return;
    sessionStorage.setItem(key, String(now));
    window.location.reload();
  });
}
