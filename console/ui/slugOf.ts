const latin: Record<string, string> = Object.fromEntries(
  "а=a б=b в=v г=h ґ=g д=d е=e є=ye ж=zh з=z и=y і=i ї=yi й=y к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch ш=sh щ=shch ю=yu я=ya ё=e ы=y э=e ъ= ь= œ=oe æ=ae ß=ss"
    .split(" ")
    .map((pair) => pair.split("=") as [string, string]),
);

/** The address that a name would get, shown while one types; the server has the last word. */
export function slugOf(name: string): string {
  return [...name.toLowerCase()]
    .map((letter) => latin[letter] ?? letter)
    .join("")
    .normalize("NFKD")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 40);
}
