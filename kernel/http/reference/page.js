// Runs in the browser, beside Swagger UI: the same page in the dark, signed in by the console's session.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

/** The page grows when the reference is drawn: what the address points to has moved by then. */
const scrollToTarget = () => {
  if (/^#error/.test(location.hash)) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", scrollToTarget);

window.SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  syntaxHighlight: { theme: dark.matches ? "obsidian" : "idea" },
  validatorUrl: null,
  presets: [window.SwaggerUIBundle.presets.apis],
  requestInterceptor: (request) => {
    // The session's cookie alone proves nothing: a form of another site would send it as well.
    if (request.method && request.method !== "GET") request.headers["X-Khmara-CSRF"] = "1";
    return request;
  },
  onComplete: scrollToTarget,
});
