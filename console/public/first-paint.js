(() => {
  const root = document.documentElement;
  let scheme = null;
  try {
    scheme = localStorage.getItem("khmara.scheme");
    root.lang = localStorage.getItem("khmara.language") || root.lang;
  } catch {}
  if (scheme !== "light" && scheme !== "dark") scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.setAttribute("data-mantine-color-scheme", scheme);
})();
