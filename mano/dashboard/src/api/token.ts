// The bearer token: handed over in the URL's fragment, which browsers never send, and kept for this tab only.

const KEY = "catena.token";

interface Place {
  readonly hash: string;
  readonly pathname: string;
  readonly search: string;
}

/** The token in a fragment such as `#token=abc`; null when there is none. */
export function tokenInFragment(hash: string): string | null {
  const found = new URLSearchParams(hash.replace(/^#/, "")).get("token");
  return found === null || found.trim() === "" ? null : found.trim();
}

/** What of the pasted text is the token: it may be the whole address that the server printed. */
export function tokenInText(pasted: string): string {
  const text = pasted.trim();
  const hash = text.indexOf("#");
  return (hash >= 0 ? tokenInFragment(text.slice(hash)) : null) ?? text.replace(/^Bearer\s+/i, "");
}

/** Take the token out of the address, so that neither history nor a screenshot shows it, or remember the last one. */
export function takeToken(place: Place, history: Pick<History, "replaceState">, storage: Storage): string | null {
  const given = tokenInFragment(place.hash);
  if (given === null) return storage.getItem(KEY);
  storage.setItem(KEY, given);
  history.replaceState(null, "", place.pathname + place.search);
  return given;
}

export function keepToken(token: string, storage: Storage): void {
  storage.setItem(KEY, token);
}
